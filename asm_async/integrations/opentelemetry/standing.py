"""
What is not an occurrence but a state: what waits, what is used, what lags behind.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TypeAlias

from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import ASMError
from asm_async.integrations.opentelemetry.attributes import (
    CONNECTION_STATE,
    CONSUMER_NAME,
    POOL_NAME,
    Attributes,
    pool_name,
)
from asm_async.ports.event_feed import EventFeed
from asm_async.ports.together import Ports
from asm_async.sql import SQLSessionStore
from asm_async.sql.dialects.pools import PoolUse, pool_use
from asm_async.values.event_feed import FeedLag

_LOG = logging.getLogger(__name__)

Measured: TypeAlias = tuple[float, Attributes]


class Standing:
    """
    What there is to be said of some ports whenever metrics are collected.

    Collecting takes place in any thread, and cannot wait for a database: it is told
    what the database said last, and has it asked again for the next time.

    Args:
        ports: Which ones.

        store: Their session store, where another one stands in front of it.

        database: The attributes of the database.

        loop: The event loop that the ports belong to; None until they are used.

        with_lag: Whether to ask how far the feed and its consumers are behind.
    """

    def __init__(
        self,
        ports: Ports,
        store: object,
        database: Attributes,
        loop: asyncio.AbstractEventLoop | None,
        *,
        with_lag: bool,
    ) -> None:
        self.loop = loop
        self._feed: EventFeed = ports.feed
        self._store = store if isinstance(store, SQLSessionStore) else None
        self._engine: AsyncEngine | None = getattr(self._store, "engine", None)
        self._database = database
        self._pool: Attributes = {POOL_NAME: pool_name(database)}
        self._with_lag = with_lag
        self._lag: FeedLag | None = None
        self._consumers: Mapping[str, int] = {}
        self._look: asyncio.Task[None] | None = None

    def is_own_call(self) -> bool:
        """
        Return whether the present task asks the database for what is measured.
        """
        return self._look is not None and asyncio.current_task() is self._look

    def close(self) -> None:
        """
        Ask for nothing any more.
        """
        self._with_lag = False
        self._lag, self._consumers = None, {}
        if self._look is not None and self.loop is not None:
            # The loop may be another thread's, or over.
            with suppress(RuntimeError):
                self.loop.call_soon_threadsafe(self._look.cancel)

    def waiting_writes(self) -> Iterator[Measured]:
        """
        Yield how many writes wait for their transactions.
        """
        if self._store is not None:
            yield self._store.waiting_writes, self._database

    def connections(self) -> Iterator[Measured]:
        """
        Yield how many connections of the pool are used, and how many are idle.
        """
        if (use := self._pool_use()) is not None:
            yield use.used, {**self._pool, CONNECTION_STATE: "used"}
            yield use.idle, {**self._pool, CONNECTION_STATE: "idle"}

    def most_connections(self) -> Iterator[Measured]:
        """
        Yield how many connections the pool may have.
        """
        if (use := self._pool_use()) is not None and use.most is not None:
            yield use.most, self._pool

    def pending_requests(self) -> Iterator[Measured]:
        """
        Yield how many calls wait for a connection.
        """
        if (use := self._pool_use()) is not None:
            yield use.waiting, self._pool

    def held_events(self) -> Iterator[Measured]:
        """
        Yield how many events the feed holds back, and have it asked again.
        """
        if self._lag is not None:
            yield self._lag.held_events, self._database
        self._ask_again()

    def held_seconds(self) -> Iterator[Measured]:
        """
        Yield for how long the feed has been held up.
        """
        if self._lag is not None:
            yield self._lag.held_for_seconds or 0.0, self._database

    def consumer_lags(self) -> Iterator[Measured]:
        """
        Yield how many events each durable consumer has still to acknowledge.
        """
        for name, pending in tuple(self._consumers.items()):
            yield pending, {**self._database, CONSUMER_NAME: name}

    def _pool_use(self) -> PoolUse | None:
        return None if self._engine is None else pool_use(self._engine)

    def _ask_again(self) -> None:
        if self._with_lag and self.loop is not None:
            # A loop that is over has nobody to ask.
            with suppress(RuntimeError):
                self.loop.call_soon_threadsafe(self._begin_look)

    def _begin_look(self) -> None:
        if self._with_lag and (self._look is None or self._look.done()):
            self._look = asyncio.create_task(self._ask(), name="asm_async feed lag")

    async def _ask(self) -> None:
        try:
            latest = await self._feed.get_latest_checkpoint()
            lag = await self._feed.feed_lag(checkpoint=latest)
            consumers: dict[str, int] = {}
            for consumer in await self._feed.list_consumers():
                behind = await self._feed.feed_lag(checkpoint=consumer.checkpoint)
                consumers[consumer.name] = behind.pending_events
        except ASMError as error:
            # What is not known is not reported: an old figure would hide the trouble.
            _LOG.debug("the feed's lag could not be read: %s", error.code)
            self._lag, self._consumers = None, {}
        else:
            self._lag, self._consumers = lag, consumers
