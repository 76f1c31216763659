"""
The statements that add up what runs consumed and cost, and a session's figures.

One statement is one moment. The groups are as many as there are different providers,
models and buckets; they are made in the order of the index that holds all that is
summed, so that no run is read and SQLite, which groups by sorting, need not sort.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from operator import eq, ge, lt
from typing import Any

import sqlalchemy as sa

from asm_async.errors import SessionNotFoundError
from asm_async.fronts.query_filters import UsageFilter
from asm_async.sql.core import rows
from asm_async.sql.core.tables import events, runs, sessions
from asm_async.sql.dialects import Dialect
from asm_async.sql.search.search_queries import belongs_to, given
from asm_async.values.run import RunStatus
from asm_async.values.summaries import SessionStats, TokenTotals
from asm_async.values.token_usage import TOKEN_COUNTS


def _run_sums(dialect: Dialect) -> list[sa.Label[int]]:
    sums = [dialect.exact_sum(runs.c[name]).label(name) for name in TOKEN_COUNTS]
    is_untold = (runs.c.input_tokens == 0) & (runs.c.output_tokens == 0)
    untold = sa.func.sum(sa.case((is_untold, 1), else_=0), type_=sa.Integer())
    return [sa.func.count().label("run_count"), untold.label("untold_runs"), *sums]


def usage_sums(dialect: Dialect, wanted: UsageFilter) -> sa.Select[*tuple[Any, ...]]:
    """
    Select runs by provider, model and bucket, added up.
    """
    c = runs.c
    keys: list[sa.ColumnElement[Any]] = [c.provider, c.model]
    if wanted.bucket:
        time = dialect.time_within(wanted.bucket, c.started_at)
        keys.append(time.label("started_at"))
    return (
        sa.select(*keys, *_run_sums(dialect))
        .where(
            *given(eq, c.session_id, wanted.session_id),
            *belongs_to(c.session_id, sessions.c.agent_id, wanted.agent_id),
            *belongs_to(c.session_id, sessions.c.tenant_id, wanted.tenant_id),
            *belongs_to(c.session_id, sessions.c.user_id, wanted.user_id),
            *given(eq, c.provider, wanted.provider),
            *given(ge, c.started_at, wanted.since),
            *given(lt, c.started_at, wanted.until),
        )
        .group_by(*keys)
    )


def cost_sums(dialect: Dialect, wanted: UsageFilter) -> sa.Executable:
    """
    Select the same of the runs with a stored cost, and of those without.

    Twice through the index is faster than once with the difference as a further key.
    """
    cost = runs.c.cost_usd
    sums = usage_sums(dialect, wanted)
    sums = sums.add_columns(sa.func.sum(cost).label("cost_usd"))
    return sa.union_all(sums.where(cost.is_not(None)), sums.where(cost.is_(None)))


def session_figures(
    dialect: Dialect, session_id: str, tenant: str | None
) -> sa.Select[*tuple[Any, ...]]:
    """
    Select a row for each provider and status of a session's runs, or one without any.

    The figures of its events stand in each. There is no row, and nothing is counted,
    if the session is not of the *tenant* that is expected.
    """
    is_it = sessions.c.id == session_id
    if tenant is not None:
        is_it &= sessions.c.tenant_id == tenant
    is_there = sa.exists().where(is_it)
    of_events = (
        sa.select(
            sa.func.count().label("event_count"),
            sa.func.min(events.c.timestamp).label("first_event_at"),
            sa.func.max(events.c.timestamp).label("last_event_at"),
        )
        .where(events.c.session_id == session_id, is_there)
        .subquery()
    )
    of_runs = (
        sa.select(runs.c.provider, runs.c.status, *_run_sums(dialect))
        .where(runs.c.session_id == session_id, is_there)
        .group_by(runs.c.provider, runs.c.status)
        .subquery()
    )
    return (
        sa.select(of_events, of_runs)
        .select_from(sessions)
        .join(of_events, sa.true())
        .outerjoin(of_runs, sa.true())
        .where(is_it)
    )


def session_stats(
    session_id: str, found: Sequence[sa.Row[*tuple[Any, ...]]]
) -> SessionStats:
    """
    Put together what :func:`session_figures` finds.

    Raises:
        SessionNotFoundError: If it finds nothing.
    """
    if not found:
        raise SessionNotFoundError(session_id)
    groups = [row for row in found if row.run_count]
    status_counts = Counter[RunStatus]()
    for row in groups:
        with rows.reading(runs):
            status_counts[RunStatus(row.status)] += row.run_count
    return SessionStats(
        event_count=found[0].event_count,
        run_count=status_counts.total(),
        token_totals=TokenTotals(
            **{name: sum(getattr(row, name) for row in groups) for name in TOKEN_COUNTS}
        ),
        providers_used=tuple(sorted({row.provider for row in groups if row.provider})),
        first_event_at=found[0].first_event_at,
        last_event_at=found[0].last_event_at,
        status_counts=status_counts,
    )
