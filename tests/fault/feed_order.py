"""
What the columns of the feed must look like, whoever wrote the events.
"""

from __future__ import annotations

from collections import defaultdict

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.sql.core import tables

__all__ = ["check_feed"]


async def check_feed(engine: AsyncEngine) -> None:
    """
    Assert that the columns of the feed order each session's events by number.
    """
    columns = "transaction_id, position"
    if engine.dialect.name == "sqlite":
        columns = "position"
    events = tables.events.c
    query = sa.select(events.session_id, events.sequence_number).order_by(
        sa.text(columns)
    )
    async with engine.connect() as conn:
        rows = (await conn.execute(query)).all()
    last: dict[str, int] = defaultdict(int)
    for session_id, number in rows:
        before = last[session_id]
        assert number > before, (
            f"in the feed, number {number} of session {session_id!r} comes after"
            f" {before}"
        )
        last[session_id] = number
