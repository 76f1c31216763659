"""
The statements that add up what runs consumed and cost, and a session's figures.

One statement is one moment. The groups are as many as there are different providers,
models and buckets; they are made in the order of the index that holds all that is
summed, so that no run is read and SQLite, which groups by sorting, need not sort.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.errors import SessionNotFoundError
from asm_async.fronts.query_filters import UsageFilter
from asm_async.fronts.usage_groups import RunGroup
from asm_async.sql.core import rows
from asm_async.sql.core.tables import events, runs, sessions
from asm_async.sql.dialects import Dialect, dialect_of
from asm_async.sql.search.search_queries import Conditions, belongs_to, equals
from asm_async.values.run import RunStatus
from asm_async.values.summaries import SessionStats, TokenTotals


async def read_usage_groups(
    conn: AsyncConnection, wanted: UsageFilter
) -> list[RunGroup]:
    """
    Read runs by provider, model and bucket, added up.
    """
    return await _groups(conn, _sums(dialect_of(conn), wanted))


async def read_cost_groups(
    conn: AsyncConnection, wanted: UsageFilter
) -> list[RunGroup]:
    """
    Read the same of the runs with a stored cost, and of those without.

    Twice through the index is faster than once with the difference as a further key.
    """
    cost = runs.c.cost_usd
    sums = _sums(dialect_of(conn), wanted).add_columns(
        sa.func.sum(cost).label("cost_usd")
    )
    halves = sums.where(cost.is_not(None)), sums.where(cost.is_(None))
    return await _groups(conn, sa.union_all(*halves))


async def _groups(conn: AsyncConnection, query: sa.Executable) -> list[RunGroup]:
    await dialect_of(conn).force_custom_plan(conn)
    return [RunGroup(**row) for row in (await conn.execute(query)).mappings()]


def _run_sums(dialect: Dialect) -> list[sa.Label[int]]:
    """
    Count runs, and add up their tokens.
    """
    tokens = (runs.c.input_tokens, runs.c.output_tokens, runs.c.total_tokens)
    sums = [dialect.exact_sum(column).label(column.name) for column in tokens]
    return [sa.func.count().label("run_count"), *sums]


def _sums(dialect: Dialect, wanted: UsageFilter) -> sa.Select[*tuple[Any, ...]]:
    c = runs.c
    keys: list[sa.ColumnElement[Any]] = [c.provider, c.model]
    if wanted.bucket:
        time = dialect.time_within(wanted.bucket, c.started_at)
        keys.append(time.label("started_at"))
    return (
        sa.select(*keys, *_run_sums(dialect))
        .where(*_conditions(wanted))
        .group_by(*keys)
    )


def _conditions(wanted: UsageFilter) -> Conditions:
    c = runs.c
    conditions = [
        *equals(c.session_id, wanted.session_id),
        *belongs_to(c.session_id, sessions.c.agent_id, wanted.agent_id),
        *belongs_to(c.session_id, sessions.c.tenant_id, wanted.tenant_id),
        *equals(c.provider, wanted.provider),
    ]
    if wanted.since is not None:
        conditions.append(c.started_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(c.started_at < wanted.until)
    return conditions


async def read_session_stats(conn: AsyncConnection, session_id: str) -> SessionStats:
    """
    Read a session's figures in one statement, which is one moment.

    Raises:
        SessionNotFoundError: If it does not exist.
    """
    found = (await conn.execute(_figures(dialect_of(conn), session_id))).all()
    if not found:
        raise SessionNotFoundError(session_id)
    return _stats(found)


def _figures(dialect: Dialect, session_id: str) -> sa.Select[*tuple[Any, ...]]:
    """
    Select a row for each provider and status of its runs, or one if it has none.

    The figures of its events stand in each.
    """
    of_events = (
        sa.select(
            sa.func.count().label("event_count"),
            sa.func.min(events.c.timestamp).label("first_event_at"),
            sa.func.max(events.c.timestamp).label("last_event_at"),
        )
        .where(events.c.session_id == session_id)
        .subquery()
    )
    of_runs = (
        sa.select(runs.c.provider, runs.c.status, *_run_sums(dialect))
        .where(runs.c.session_id == session_id)
        .group_by(runs.c.provider, runs.c.status)
        .subquery()
    )
    return (
        sa.select(of_events, of_runs)
        .select_from(sessions)
        .join(of_events, sa.true())
        .outerjoin(of_runs, sa.true())
        .where(sessions.c.id == session_id)
    )


def _stats(found: Sequence[sa.Row[*tuple[Any, ...]]]) -> SessionStats:
    groups = [row for row in found if row.run_count]
    status_counts = Counter[RunStatus]()
    for row in groups:
        with rows.reading(runs):
            status_counts[RunStatus(row.status)] += row.run_count
    return SessionStats(
        event_count=found[0].event_count,
        run_count=status_counts.total(),
        token_totals=TokenTotals(
            input_tokens=sum(row.input_tokens for row in groups),
            output_tokens=sum(row.output_tokens for row in groups),
            total_tokens=sum(row.total_tokens for row in groups),
        ),
        providers_used=tuple(sorted({row.provider for row in groups if row.provider})),
        first_event_at=found[0].first_event_at,
        last_event_at=found[0].last_event_at,
        status_counts=status_counts,
    )
