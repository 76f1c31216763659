"""
What the filters of the query API let through, and pages of it.

The stored values themselves are returned, of which callers make copies.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import TypeVar

import attrs

from asm_async.fronts.paging import Paging
from asm_async.fronts.query_filters import (
    EventSearch,
    RunSearch,
    SessionSearch,
    UsageFilter,
)
from asm_async.fronts.usage_groups import RunGroup
from asm_async.memory.database import InMemoryDatabase
from asm_async.values.event import Event
from asm_async.values.page import Page
from asm_async.values.run import Run
from asm_async.values.session import Session
from asm_async.values.summaries import SessionStats, TokenTotals
from asm_async.values.token_usage import TOKEN_COUNTS

A = TypeVar("A")
T = TypeVar("T", Session, Run, Event)


def find_sessions(database: InMemoryDatabase, wanted: SessionSearch) -> list[Session]:
    """
    Find the sessions that match, in any order.
    """
    hosts = _hosts(database, wanted.provider)
    return [
        session
        for session in database.sessions.values()
        if wanted.agent_id in (None, session.agent_id)
        and wanted.tenant_id in (None, session.tenant_id)
        and wanted.user_id in (None, session.user_id)
        and _holds(wanted.status, session.status)
        and _holds(hosts, session.id)
        and set(wanted.tags) <= set(session.tags)
        and wanted.parent_session_id in (None, session.parent_session_id)
        and _is_between(wanted.created_after, session.created_at, wanted.created_before)
        and (wanted.include_deleted or session.deleted_at is None)
    ]


def find_runs(database: InMemoryDatabase, wanted: RunSearch) -> list[Run]:
    """
    Find the runs that match, in any order.
    """
    return [
        run
        for run in _runs_of(database, wanted)
        if _holds(wanted.status, run.status)
        and _is_between(wanted.started_after, run.started_at, wanted.started_before)
        and (wanted.min_tokens or 0) <= run.total_tokens
    ]


def find_events(database: InMemoryDatabase, wanted: EventSearch) -> list[Event]:
    """
    Find the events that match, in any order.
    """
    return [
        event
        for log in database.events.values()
        for event in log.values()
        if _holds(wanted.session_ids, event.session_id)
        and _holds(wanted.run_ids, event.run_id)
        and _holds(wanted.types, event.type)
        and _holds(wanted.providers, event.provider)
        and (wanted.since is None or wanted.since <= event.timestamp)
        and (wanted.until is None or event.timestamp < wanted.until)
        and wanted.correlation_id in (None, event.correlation_id)
        and wanted.tenant_id in (None, database.sessions[event.session_id].tenant_id)
        and wanted.user_id in (None, database.sessions[event.session_id].user_id)
    ]


def group_runs(database: InMemoryDatabase, wanted: UsageFilter) -> list[RunGroup]:
    """
    Make groups of each run that is to be added up: one, or one for each tag as well.
    """
    groups: list[RunGroup] = []
    for run in _runs_of(database, wanted):
        if wanted.since is not None and run.started_at < wanted.since:
            continue
        if wanted.until is not None and run.started_at >= wanted.until:
            continue
        session = database.sessions[run.session_id]
        group = RunGroup(
            provider=run.provider,
            model=run.model,
            agent=session.agent_id,
            tenant=session.tenant_id,
            user=session.user_id,
            session=session.id,
            started_at=run.started_at,
            run_count=1,
            untold_runs=not run.input_tokens and not run.output_tokens,
            cost_usd=run.cost_usd,
            **{name: getattr(run, name) for name in TOKEN_COUNTS},
        )
        if "tag" not in wanted.group_by:
            groups.append(group)
            continue
        groups.append(attrs.evolve(group, counts_for="totals"))
        groups += [
            attrs.evolve(group, tag=tag, counts_for="groups")
            for tag in session.tags or [None]
        ]
    return groups


def session_stats(database: InMemoryDatabase, session_id: str) -> SessionStats:
    """
    Return a session in figures.
    """
    database.existing(session_id)
    runs = database.runs_of(session_id)
    times = [event.timestamp for event in database.events[session_id].values()]
    return SessionStats(
        event_count=len(times),
        run_count=len(runs),
        token_totals=TokenTotals(
            **{name: sum(getattr(run, name) for run in runs) for name in TOKEN_COUNTS}
        ),
        providers_used=tuple(sorted({run.provider for run in runs if run.provider})),
        first_event_at=min(times, default=None),
        last_event_at=max(times, default=None),
        status_counts=Counter(run.status for run in runs),
    )


def _runs_of(
    database: InMemoryDatabase, wanted: RunSearch | UsageFilter
) -> Iterator[Run]:
    for run in database.runs.values():
        session = database.sessions[run.session_id]
        if (
            wanted.session_id in (None, run.session_id)
            and wanted.agent_id in (None, session.agent_id)
            and wanted.tenant_id in (None, session.tenant_id)
            and wanted.user_id in (None, session.user_id)
            and wanted.provider in (None, run.provider)
        ):
            yield run


def cut_page(
    found: Iterable[T], paging: Paging, *, count_total: bool = False
) -> Page[T]:
    """
    Sort what was found and return copies of what belongs on the page.
    """
    items = list(found)
    copies = [attrs.evolve(item) for item in cut_items(items, paging)]
    return paging.page(copies, len(items) if count_total else None)


def cut_items(found: Iterable[A], paging: Paging) -> list[A]:
    """
    Sort what was found and return what is needed for the page.
    """
    order, behind = paging.order, paging.behind
    items = sorted(found, key=order.key_of, reverse=order.is_descending)
    if behind is not None:
        # Keys of one order have parts of the same types.
        is_behind = operator.lt if order.is_descending else operator.gt
        items = [item for item in items if is_behind(order.key_of(item), behind)]
    return items[: paging.needed]


def _hosts(database: InMemoryDatabase, provider: str | None) -> set[str] | None:
    """
    Return the sessions with a run of the provider; None if any will do.
    """
    if provider is None:
        return None
    runs = database.runs.values()
    return {run.session_id for run in runs if run.provider == provider}


def _holds(wanted: Collection[str] | None, actual: str | None) -> bool:
    return wanted is None or actual in wanted


def _is_between(
    after: datetime | None, time: datetime, before: datetime | None
) -> bool:
    return (after is None or after < time) and (before is None or time < before)
