"""
The statement that reads a session's figures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.errors import SessionNotFoundError
from asm_async.sql.core import rows
from asm_async.sql.core.tables import events, runs, sessions
from asm_async.sql.dialects import Dialect, dialect_of
from asm_async.sql.search.usage_queries import run_sums
from asm_async.values.run import RunStatus
from asm_async.values.summaries import SessionStats, TokenTotals

__all__ = ["read_session_stats"]


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
        sa.select(runs.c.provider, runs.c.status, *run_sums(dialect))
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
