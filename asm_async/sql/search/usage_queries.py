"""
The statements that add up what runs consumed and cost.

One statement is one moment. The groups are as many as there are different providers,
models and buckets; they are made in the order of the index that holds all that is
summed, so that no run is read and SQLite, which groups by sorting, need not sort.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.fronts.query_filters import UsageFilter
from asm_async.fronts.usage_groups import RunGroup
from asm_async.sql.core.tables import runs, sessions
from asm_async.sql.dialects import Dialect, dialect_of
from asm_async.sql.search.search_queries import Conditions, belongs_to, equals

__all__ = ["read_cost_groups", "read_usage_groups", "run_sums"]


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


def run_sums(dialect: Dialect) -> list[sa.Label[int]]:
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
        sa.select(*keys, *run_sums(dialect)).where(*_conditions(wanted)).group_by(*keys)
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
