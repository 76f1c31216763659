"""
The event feed over an AsyncEngine.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.ports.event_feed_arguments import (
    START,
    ConsumerOptions,
    FeedFilter,
    SessionFilter,
    check_checkpoint,
    check_consumer_name,
)
from asm_async.ports.following import event_alone, follow
from asm_async.sql.core import rows
from asm_async.sql.core.deadlines import check_timeout
from asm_async.sql.core.tables import consumers
from asm_async.sql.feed import queries
from asm_async.sql.feed.consumer import SQLConsumer
from asm_async.sql.feed.context import FeedContext
from asm_async.sql.feed.readers import FeedReader, SessionReader
from asm_async.sql.transactions.transaction import Transaction
from asm_async.values.checkpoint import Place, checkpoint_text
from asm_async.values.event import Event, EventType
from asm_async.values.event_feed import ConsumerState, FeedLag

__all__ = ["SQLEventFeed"]


class SQLEventFeed:
    """
    An :class:`~asm_async.ports.event_feed.EventFeed` on SQLite or PostgreSQL.

    The engine stays the caller's, and may be shared with stores. Followers take
    connections from its pool for the moment of each reading, a few at a time.

    What other processes write is seen without reading again and again: on SQLite one
    thread watches whether the file has changed, on PostgreSQL one connection of its
    own, beside the pool, listens for what stores announce. Either begins with the first
    follower of the engine and ends with the last.

    Args:
        engine: Made by :func:`~asm_async.sql.create_engine`, or any that a
            session store takes.

        timeout: How long, in seconds, a follower goes on trying while the database is
            busy or out of reach, before it raises.

        poll_interval: How often, in seconds, one statement for all followers looks
            whether hints were lost.

        listens: Whether to have hints from other processes. Behind PgBouncer in
            transaction mode there are none to be had: switch it off, and let
            *poll_interval* be the delay that is wanted.

    Raises:
        UnsupportedOperationError: If the engine speaks to another database or driver.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        timeout: float = 30.0,
        poll_interval: float = 1.0,
        listens: bool = True,
    ) -> None:
        self.engine = engine
        self._context = FeedContext(
            engine,
            timeout=check_timeout(timeout),
            poll_interval=check_timeout(poll_interval, "poll_interval"),
            listens=listens,
        )
        self._kind = self._context.transactions.dialect.name

    def follow_session(
        self,
        session_id: str,
        *,
        after: int = 0,
        types: Collection[EventType | str] | None = None,
        run_id: str | None = None,
        until_over: bool = False,
        tenant_id: str | None = None,
    ) -> AsyncGenerator[Event]:
        """
        Give the events of one session, those to come included.
        """
        wanted = SessionFilter(
            session_id=session_id,
            after=after,
            types=types,
            run_id=run_id,
            until_over=until_over,
            tenant_id=tenant_id,
        )
        return follow(SessionReader(self._context, wanted), after, event_alone)

    def follow_all(
        self,
        *,
        checkpoint: str | None = None,
        types: Collection[EventType | str] | None = None,
        agent_id: str | None = None,
        tenant_id: str | None = None,
    ) -> AsyncGenerator[tuple[Event, str]]:
        """
        Give the events of all sessions, those to come included, each with a checkpoint.

        On PostgreSQL the order is that of the transactions' ids, and an event is given
        once no transaction with a smaller id is open any more, in any database of the
        server; see :meth:`feed_lag`.
        """
        wanted = FeedFilter(types=types, agent_id=agent_id, tenant_id=tenant_id)
        place, kind = check_checkpoint(checkpoint, self._kind), self._kind
        return follow(
            FeedReader(self._context, wanted),
            place,
            lambda event, at: (event, checkpoint_text(at, kind)),
        )

    async def get_latest_checkpoint(self) -> str:
        """
        Give the place behind all that a follower could have been given by now.
        """
        query = queries.latest_place(self._context.feed)

        async def read(conn: AsyncConnection) -> Place:
            row = (await conn.execute(query)).first()
            return START if row is None else (row[0], row[1])

        async with self._context.lifecycle:
            place = await self._context.transactions.read(read)
        return checkpoint_text(place, self._kind)

    async def feed_lag(self, *, checkpoint: str | None = None) -> FeedLag:
        """
        Tell how many events lie behind *checkpoint*, and what holds the feed up.

        On PostgreSQL that is the oldest transaction that has written something, in
        whatever database of the server, or was prepared and not yet committed.
        """
        place = check_checkpoint(checkpoint, self._kind)
        feed = self._context.feed
        query = queries.pending_counts(feed, place)

        async def read(conn: AsyncConnection) -> FeedLag:
            counts = await conn.execute(query, feed.parameters(place))
            pending, held = counts.one()
            if not held:
                return FeedLag(pending_events=pending)
            blocking_transaction = await feed.blocking_transaction(conn)
            return FeedLag(
                pending_events=pending,
                held_events=held,
                held_for_seconds=None
                if blocking_transaction is None
                else blocking_transaction.for_seconds,
                held_by=None
                if blocking_transaction is None
                else blocking_transaction.by,
            )

        async with self._context.lifecycle:
            return await self._context.transactions.read(read)

    def consumer(
        self,
        name: str,
        *,
        checkpoint: str | None = None,
        types: Collection[EventType | str] | None = None,
        agent_id: str | None = None,
        tenant_id: str | None = None,
        lease_seconds: float = 60.0,
    ) -> SQLConsumer:
        """
        Give the durable consumer of this name; nothing is read or written yet.
        """
        return SQLConsumer(
            self._context,
            ConsumerOptions(name=name, lease_seconds=lease_seconds),
            FeedFilter(types=types, agent_id=agent_id, tenant_id=tenant_id),
            check_checkpoint(checkpoint, self._kind),
        )

    async def list_consumers(self) -> list[ConsumerState]:
        """
        List the durable consumers, by name.
        """
        query = sa.select(consumers).order_by(consumers.c.name)

        async def read(conn: AsyncConnection) -> list[ConsumerState]:
            found = (await conn.execute(query)).mappings()
            with rows.reading(consumers):
                return [
                    ConsumerState(**{str(k): v for k, v in row.items()})
                    for row in found
                ]

        async with self._context.lifecycle:
            return await self._context.transactions.read(read)

    async def delete_consumer(self, name: str) -> None:
        """
        Forget a durable consumer and its checkpoint; an unknown one is none.
        """
        is_it = consumers.c.name == check_consumer_name(name)

        async def delete(transaction: Transaction) -> None:
            await transaction.conn.execute(sa.delete(consumers).where(is_it))

        async with self._context.lifecycle:
            await self._context.transactions.write(delete, is_repeatable=True)

    async def aclose(self) -> None:
        """
        End all iterators, give their leases up, and release what the feed holds.

        The engine stays open, and nothing uses it any more.
        """
        await self._context.aclose()
