"""
The search for text over an AsyncEngine.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import cast

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.conventions.texts import EventTexts, event_texts
from asm_async.fronts.observing import Observation, observed_call
from asm_async.fronts.paging import Paging
from asm_async.fronts.text_filters import FoundText, IndexedEvent, TextFilter
from asm_async.fronts.text_indexing import CONSUMER_NAME
from asm_async.fronts.text_search import TextSearchFront
from asm_async.ports.event_consumer import EventBatch
from asm_async.sql.core.deadlines import check_timeout
from asm_async.sql.core.error_translation import translated_errors
from asm_async.sql.core.tables import consumers
from asm_async.sql.event_feed import SQLEventFeed
from asm_async.sql.feed.leases import SQLBatch
from asm_async.sql.readers.readers import Readers
from asm_async.sql.readers.routing import reads_of
from asm_async.sql.runtime.lifecycle import Lifecycle
from asm_async.sql.texts.indexing import (
    has_titles_to_index,
    index_events,
    index_titles,
    make_if_missing,
)
from asm_async.sql.texts.searching import TextPage
from asm_async.sql.transactions.throttling import write_and_pause
from asm_async.sql.transactions.transaction import (
    Transaction,
    Transactions,
    prolong,
)
from asm_async.values.text_query import TextQuery


class SQLTextIndex(TextSearchFront):
    """
    A :class:`~asm_async.ports.text_search.TextSearch` on SQLite or PostgreSQL.

    The first update makes the tables of the index beside the others, and triggers that
    remove a text in the transaction that removes its event. Without an update there is
    no cost, and appending never has any. :meth:`drop` removes them.

    The engine stays the caller's, and may be shared with stores.

    Args:
        engine: Made by :func:`~asm_async.sql.create_engine`, or any that a session
            store takes.

        texts: Returns the texts of an event; the same function for all indexes over a
            database, see :meth:`clear`.

        timeout: How long, in seconds, a call goes on trying while the database is busy
            or out of reach, before it raises.

        readers: Which standbys answer searches, which may so be a little behind.

    Raises:
        UnsupportedOperationError: If the engine speaks to another database or driver.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        texts: EventTexts = event_texts,
        timeout: float = 30.0,
        readers: Readers | None = None,
    ) -> None:
        self.engine = engine
        self._transactions = Transactions(engine, check_timeout(timeout))
        self._reads = reads_of(readers, self._transactions, by_default=True)
        self._lifecycle = Lifecycle(self._transactions)
        self.observation: Observation | None = self._transactions.observation
        self._dialect = self._transactions.dialect
        feed = SQLEventFeed(engine, timeout=timeout)
        super().__init__(feed, kind=self._dialect.name, texts=texts)

    @observed_call
    async def clear(self) -> None:
        """
        Empty the index; the next update begins with the first event.

        Needed after a change of the function that finds an event's texts. An updater
        that is at work begins again, too.
        """

        async def work(transaction: Transaction) -> None:
            await self._drop(transaction)
            await make_if_missing(transaction.conn, transaction.timeout)

        async with self._lifecycle:
            await self._transactions.write(work, is_repeatable=True)

    @observed_call
    async def drop(self) -> None:
        """
        Remove the index, its tables and its triggers; the next update makes it again.
        """
        async with self._lifecycle:
            await self._transactions.write(self._drop, is_repeatable=True)

    async def aclose(self) -> None:
        """
        End updaters and release what they hold; refuse later calls.

        The engine stays open, and nothing uses it any more.
        """
        await self._feed.aclose()
        await self._lifecycle.aclose()

    async def _drop(self, transaction: Transaction) -> None:
        conn, dialect = transaction.conn, transaction.dialect
        await dialect.text_index.lock(conn, transaction.timeout)
        await dialect.lock_schema(conn, transaction.timeout)
        await dialect.text_index.drop(conn)
        is_its = consumers.c.name == CONSUMER_NAME
        await conn.execute(sa.delete(consumers).where(is_its))

    async def _search_text(
        self, wanted: TextFilter, query: TextQuery, paging: Paging
    ) -> Sequence[FoundText]:
        page = TextPage(
            wanted=wanted, query=query, paging=paging, dialect=self._dialect
        )

        async def read(conn: AsyncConnection) -> list[FoundText]:
            is_there = await self._dialect.text_index.is_there(conn)
            return await page.find(conn) if is_there and paging.needed else []

        async with self._lifecycle:
            return await self._reads.read_snapshot(read)

    async def _index(self, batch: EventBatch, indexed: Sequence[IndexedEvent]) -> float:
        async with cast("SQLBatch", batch).transaction() as conn:
            # The time spent waiting for others was no burden on them.
            began = perf_counter()
            # What a handler does there is its own affair, and takes the time it takes.
            prolong(conn)
            with translated_errors():
                await index_events(conn, indexed, self._transactions.timeout)
        return perf_counter() - began

    async def _index_titles(self) -> None:
        async with self._lifecycle:
            if await self._transactions.read(has_titles_to_index):
                while not await write_and_pause(self._transactions, index_titles):
                    pass
