"""
Whether there is an index of texts that nobody updates.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.fronts.health_findings import MAX_INDEX_AGE, stale_text_index
from asm_async.fronts.text_indexing import CONSUMER_NAME
from asm_async.sql.core.tables import consumers, events
from asm_async.sql.dialects import dialect_of
from asm_async.values.checkpoint import START, checkpoint_of


async def stale_indexes(conn: AsyncConnection) -> list[tuple[str, str]]:
    """
    Return the index and what is wrong with it, if anything is.
    """
    dialect = dialect_of(conn)
    if not await dialect.text_index.is_there(conn):
        return []
    is_old = consumers.c.updated_at < dialect.feed.now(-MAX_INDEX_AGE.total_seconds())
    query = sa.select(consumers.c.checkpoint, consumers.c.updated_at)
    row = (
        await conn.execute(query.where(consumers.c.name == CONSUMER_NAME, is_old))
    ).first()
    if row is None:
        return []
    place = START
    if row.checkpoint is not None:
        place = checkpoint_of(row.checkpoint, "checkpoint", dialect.name).place
    is_behind = sa.select(sa.exists(sa.select(events.c.id).where(dialect.feed.behind)))
    if not await conn.scalar(is_behind, dialect.feed.parameters(place)):
        return []
    return [(CONSUMER_NAME, stale_text_index(row.updated_at))]
