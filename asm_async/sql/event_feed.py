"""
The event feed over an AsyncEngine.
"""

from __future__ import annotations

from copy import copy
from typing import ClassVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.fronts.event_consumer import ConsumerOptions
from asm_async.fronts.event_feed import EventFeedFront, FeedFilter, SessionFeedFilter
from asm_async.fronts.observing import Observation, observed_call
from asm_async.sql.core import rows
from asm_async.sql.core.deadlines import check_timeout
from asm_async.sql.core.feed_timing import STANDBY_POLL_INTERVAL
from asm_async.sql.core.tables import consumers
from asm_async.sql.feed import queries
from asm_async.sql.feed.context import FeedContext
from asm_async.sql.feed.leases import ConsumerLeases, SQLBatch
from asm_async.sql.feed.readers import FeedReader, SessionReader
from asm_async.sql.readers.readers import Readers
from asm_async.sql.transactions.transaction import Transaction
from asm_async.values import fields
from asm_async.values.checkpoint import START, Checkpoint, Place, Witness, mark_of
from asm_async.values.event_feed import ConsumerState, FeedLag


class SQLEventFeed(EventFeedFront[SQLBatch]):
    """
    An :class:`~asm_async.ports.event_feed.EventFeed` on SQLite or PostgreSQL.

    The engine stays the caller's, and may be shared with stores. Followers take
    connections from its pool for the moment of each reading, a few at a time.

    What other processes write is seen without reading again and again: on SQLite one
    thread watches whether the file has changed, on PostgreSQL one connection of its
    own, beside the pool, listens for what stores announce. Either begins with the first
    follower of the engine and ends with the last.

    On PostgreSQL the order of all events is that of the transactions' ids, and an event
    is given once no transaction with a smaller id is open any more, in any database of
    the server. What holds the feed up is the oldest transaction that has written
    something there, or was prepared and not yet committed; see :meth:`feed_lag`.

    Args:
        engine: Made by :func:`~asm_async.sql.create_engine`, or any that a
            session store takes.

        timeout: How long, in seconds, a follower goes on trying while the database is
            busy or out of reach, before it raises.

        poll_interval: How often, in seconds, one statement for all followers looks
            whether wake-ups were lost.

        listens: Whether to be woken by other processes. Behind PgBouncer in transaction
            mode this is impossible: switch it off, and let *poll_interval* be the delay
            that is wanted.

        readers: Which standbys followers read from, which look there every quarter of
            a second, and are not woken by other processes. Consumers, checkpoints and
            lags stay with the primary.

    Raises:
        UnsupportedOperationError: If the engine speaks to another database or driver.
    """

    # What reads the feed of all sessions.
    _reader_type: ClassVar[type[FeedReader]] = FeedReader

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        timeout: float = 30.0,
        poll_interval: float = 1.0,
        listens: bool = True,
        readers: Readers | None = None,
    ) -> None:
        self.engine = engine
        self._context = self._following = FeedContext(
            engine,
            timeout=check_timeout(timeout),
            poll_interval=check_timeout(poll_interval, "poll_interval"),
            listens=fields.boolean(listens, "listens"),
        )
        if readers is not None:
            self._following = FeedContext(
                engine,
                timeout=timeout,
                poll_interval=min(poll_interval, STANDBY_POLL_INTERVAL),
                listens=False,
                readers=readers,
            )
        self.observation: Observation | None = self._context.transactions.observation
        kind = self._context.transactions.dialect.name
        super().__init__(kind=kind, batch=SQLBatch)
        self._is_decoded = True

    def undecoded(self) -> SQLEventFeed:
        """
        Return this feed for those who pass on what they follow, and do not look at it.

        The JSON of events is not decoded: ``EncodedJSON`` replaces it.
        """
        feed = copy(self)
        feed._is_decoded = False  # noqa: SLF001 - of the same class
        return feed

    @observed_call
    async def list_consumers(self) -> list[ConsumerState]:
        """
        List the durable consumers, by name.
        """
        query = sa.select(consumers).order_by(consumers.c.name)

        async def read(conn: AsyncConnection) -> list[ConsumerState]:
            found = (await conn.execute(query)).mappings()
            with rows.reading(consumers):
                return [ConsumerState(**row) for row in found]

        async with self._context.lifecycle:
            return await self._context.transactions.read(read)

    async def aclose(self) -> None:
        """
        End all iterators, give their leases up, and release what the feed holds.

        The engine stays open, and nothing uses it any more.
        """
        await self._context.aclose()
        if self._following is not self._context:
            await self._following.aclose()

    def _session_reader(self, wanted: SessionFeedFilter) -> SessionReader:
        return SessionReader(self._following, wanted, is_decoded=self._is_decoded)

    def _feed_reader(self, wanted: FeedFilter) -> FeedReader:
        return self._reader_type(self._following, wanted, is_decoded=self._is_decoded)

    def _consumer_reader(self, wanted: FeedFilter) -> FeedReader:
        return self._reader_type(self._context, wanted, is_decoded=self._is_decoded)

    async def _get_latest(self) -> Checkpoint:
        query = queries.latest_place(self._context.feed)

        async def read(conn: AsyncConnection) -> Checkpoint:
            row = (await conn.execute(query)).first()
            if row is None:
                return Checkpoint(START, None)
            transaction, position, id_, session_id, number = row
            witness = Witness(session_id, number, mark_of(id_))
            return Checkpoint((transaction, position), witness)

        async with self._context.lifecycle:
            return await self._context.transactions.read(read)

    async def _feed_lag(self, place: Place) -> FeedLag:
        feed = self._context.feed
        query = queries.pending_counts(feed, place)

        async def read(conn: AsyncConnection) -> FeedLag:
            counts = await conn.execute(query, feed.parameters(place))
            pending, held = counts.one()
            holder, seconds = None, None
            if held:
                holder, seconds = await feed.blocking_transaction(conn)
            return FeedLag(
                pending_events=pending,
                held_events=held,
                held_for_seconds=seconds,
                held_by=holder,
            )

        async with self._context.lifecycle:
            return await self._context.transactions.read(read)

    def _leases(self, options: ConsumerOptions, begin: Checkpoint) -> ConsumerLeases:
        return ConsumerLeases(self._context, options, begin)

    async def _delete_consumer(self, name: str) -> None:
        is_it = consumers.c.name == name

        async def delete(transaction: Transaction) -> None:
            await transaction.conn.execute(sa.delete(consumers).where(is_it))

        async with self._context.lifecycle:
            await self._context.transactions.write(delete, is_repeatable=True)
