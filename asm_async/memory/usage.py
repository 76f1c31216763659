"""
What runs in memory consumed and cost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from asm_async.errors import SessionNotFoundError
from asm_async.fronts.query_filters import UsageFilter
from asm_async.fronts.usage_groups import RunGroup
from asm_async.memory.database import InMemoryDatabase
from asm_async.values.run import Run
from asm_async.values.summaries import SessionStats, TokenTotals

__all__ = ["group_runs", "session_stats"]


def group_runs(database: InMemoryDatabase, wanted: UsageFilter) -> Iterator[RunGroup]:
    """
    Make a group of each run that is to be added up.
    """
    for run in database.runs.values():
        if _is_wanted(database, run, wanted):
            yield RunGroup(
                provider=run.provider,
                model=run.model,
                started_at=run.started_at,
                run_count=1,
                input_tokens=run.input_tokens,
                output_tokens=run.output_tokens,
                total_tokens=run.total_tokens,
                cost_usd=run.cost_usd,
            )


def session_stats(database: InMemoryDatabase, session_id: str) -> SessionStats:
    """
    Give a session in figures.

    Raises:
        SessionNotFoundError: If it does not exist.
    """
    if session_id not in database.sessions:
        raise SessionNotFoundError(session_id)
    runs = [run for run in database.runs.values() if run.session_id == session_id]
    times = [event.timestamp for event in database.events[session_id].values()]
    return SessionStats(
        event_count=len(times),
        run_count=len(runs),
        token_totals=TokenTotals(
            input_tokens=sum(run.input_tokens for run in runs),
            output_tokens=sum(run.output_tokens for run in runs),
            total_tokens=sum(run.total_tokens for run in runs),
        ),
        providers_used=tuple(sorted({run.provider for run in runs if run.provider})),
        first_event_at=min(times, default=None),
        last_event_at=max(times, default=None),
        status_counts=Counter(run.status for run in runs),
    )


def _is_wanted(database: InMemoryDatabase, run: Run, wanted: UsageFilter) -> bool:
    session = database.sessions[run.session_id]
    return (
        wanted.session_id in (None, run.session_id)
        and wanted.agent_id in (None, session.agent_id)
        and wanted.tenant_id in (None, session.tenant_id)
        and wanted.provider in (None, run.provider)
        and (wanted.since is None or wanted.since <= run.started_at)
        and (wanted.until is None or run.started_at < wanted.until)
    )
