"""
How the texts of events and the titles of sessions come into the index.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.conventions.titles import title_in
from asm_async.fronts.text_filters import IndexedEvent
from asm_async.sql.core.tables import sessions
from asm_async.sql.core.text_tables import index_state, stale_titles
from asm_async.sql.dialects import dialect_of
from asm_async.sql.transactions.transaction import Transaction
from asm_async.values.search_terms import terms_of
from asm_async.values.text_query import indexed_text

# So many titles are indexed in one transaction: it must not hold its locks for long.
_MAX_TITLES = 500


async def index_events(
    conn: AsyncConnection, indexed: Sequence[IndexedEvent], timeout: float
) -> None:
    """
    Index events in a transaction that is open; make the index if there is none.
    """
    index = dialect_of(conn).text_index
    added = [
        {
            "session_id": each.event.session_id,
            "sequence_number": each.event.sequence_number,
            "role": each.role,
            **_words_of(each.terms),
        }
        for each in indexed
        if each.terms
    ]
    await index.lock(conn, timeout)
    await make_if_missing(conn, timeout)
    if added:
        await index.insert(conn, added)


async def make_if_missing(conn: AsyncConnection, timeout: float) -> None:
    """
    Make the index in the transaction that is open, unless another one has.
    """
    dialect = dialect_of(conn)
    if not await dialect.text_index.is_there(conn):
        await dialect.lock_schema(conn, timeout)
        if not await dialect.text_index.is_there(conn):
            await dialect.text_index.create(conn)


async def has_titles_to_index(conn: AsyncConnection) -> bool:
    """
    Return whether there is anything for :func:`index_titles` to do.
    """
    if not await dialect_of(conn).text_index.is_there(conn):
        return True
    is_going_through = sa.exists().where(index_state.c.titles_through.is_not(None))
    query = sa.select(is_going_through | sa.exists(sa.select(stale_titles.c.id)))
    return bool(await conn.scalar(query))


async def index_titles(transaction: Transaction) -> bool:
    """
    Index the titles of some sessions that were saved since that was done last.

    When the index is new, these are all sessions, in the order of their ids.

    Returns:
        Whether these were the last.
    """
    conn, index = transaction.conn, transaction.dialect.text_index
    await index.lock(conn, transaction.timeout)
    await make_if_missing(conn, transaction.timeout)
    through = await conn.scalar(sa.select(index_state.c.titles_through))
    if through is not None:
        later = sa.select(sessions.c.id).where(sessions.c.id > through)
        ids = list(await conn.scalars(later.order_by(sessions.c.id).limit(_MAX_TITLES)))
        await _index_titles(conn, ids)
        reached = ids[-1] if len(ids) == _MAX_TITLES else None
        await conn.execute(sa.update(index_state).values(titles_through=reached))
        return False
    query = sa.select(stale_titles).order_by(stale_titles.c.id).limit(_MAX_TITLES)
    stale = (await conn.execute(query)).all()
    # Read behind the list: a session that is saved meanwhile stands in it once more.
    await _index_titles(conn, sorted({row.session_id for row in stale}))
    if stale:
        # One that began earlier may be committed later, with a smaller number.
        done = stale_titles.c.id.in_([row.id for row in stale])
        await conn.execute(sa.delete(stale_titles).where(done))
    return len(stale) < _MAX_TITLES


async def _index_titles(conn: AsyncConnection, session_ids: Sequence[str]) -> None:
    if not session_ids:
        return
    dialect = dialect_of(conn)
    are_these = dialect.is_one_of(sessions.c.id, session_ids)
    found = await conn.execute(
        sa.select(sessions.c.id, sessions.c.metadata).where(are_these)
    )
    titles = [
        {"session_id": id_, **_words_of(terms_of(title_in(metadata)))}
        for id_, metadata in found
    ]
    if titles:
        await dialect.text_index.insert_titles(conn, titles)


def _words_of(terms: list[str]) -> dict[str, Any]:
    return {"term_count": len(terms), "words": indexed_text(terms)}
