"""
What followers share: connections, notifications, a look for lost ones, and an end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeAlias, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.errors import StorageError
from asm_async.fronts.log_records import LogThrottle
from asm_async.sql.core.engine_state import log_throttle_of
from asm_async.sql.core.feed_timing import MIN_POLL_INTERVAL
from asm_async.sql.dialects.feed import FeedDialect
from asm_async.sql.feed.queries import newest_place, standing_of
from asm_async.sql.notifications.hub import NotificationHub
from asm_async.sql.readers.readers import Readers
from asm_async.sql.readers.routing import Reads, reads_of
from asm_async.sql.runtime.lifecycle import Lifecycle
from asm_async.sql.runtime.shared_state import SharedTasks
from asm_async.sql.transactions.transaction import Transactions
from asm_async.values.checkpoint import START, Place

_LOG = logging.getLogger(__name__)

T = TypeVar("T")

_RELEASE_TIMEOUT_SECONDS = 1.0


Leave: TypeAlias = Callable[[], Awaitable[None]]
"""
Has a follower let go of all that it had.
"""


class FeedContext:
    """
    The means with which followers of one feed read and are woken.

    What notices other processes' commits runs once for each engine, from when the first
    of its followers joins until the last one leaves.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        timeout: float,
        poll_interval: float,
        listens: bool,
        readers: Readers | None = None,
    ) -> None:
        self.transactions: Transactions = Transactions(engine, timeout)
        self._reads = reads_of(readers, self.transactions, by_default=True, stays=True)
        self.lifecycle: Lifecycle = Lifecycle(self.transactions)
        self.feed: FeedDialect = self.transactions.dialect.feed
        self.release_transactions: Transactions = Transactions(
            engine, _RELEASE_TIMEOUT_SECONDS
        )
        """
        For leases that are given up, without keeping anybody waiting for long.
        """
        self.pending_lease_releases: dict[str, Leave] = {}
        """
        How to give up each lease that may be held, by its holder.
        """
        self._poll_interval = poll_interval
        where = "the database" if readers is None else "a standby"
        self._poll_name = f"poll {where} every {poll_interval} s"
        self._listens = listens
        self._followers: dict[Leave, SharedTasks] = {}

    @property
    def log_throttle(self) -> LogThrottle:
        """
        What bounds the records of all that goes on over the engine.
        """
        return log_throttle_of(self.transactions.engine)

    def join(self, leave: Leave) -> None:
        """
        Have a follower notified of other processes' commits, until it can *leave*.
        """
        shared = self.lifecycle.check_usable()
        self._followers[leave] = shared.tasks
        look = partial(poll, self._reads, shared.hub, self._poll_interval)
        shared.tasks.join(self._poll_name, look)
        if self._listens:
            listen = partial(
                self.feed.listen,
                self.transactions.connections.connect,
                self.transactions.read,
                shared.hub,
                shared.announcer.origin,
            )
            shared.tasks.join("listen", listen)

    async def leave(self, leave: Leave) -> None:
        """
        Undo :meth:`join`; to do it twice is allowed.
        """
        tasks = self._followers.pop(leave, None)
        if tasks is not None:
            await tasks.leave(self._poll_name, *(["listen"] if self._listens else []))

    async def read(
        self,
        wake_up: asyncio.Event,
        work: Callable[[AsyncConnection], Awaitable[T]],
        *,
        may_lag: bool = True,
    ) -> T:
        """
        Do *work* on a connection, once there are not too many who read already.

        Each of its statements may see a moment of its own. *wake_up* is cleared before
        the read begins: what sets it then may not have been found.
        """

        async def read(conn: AsyncConnection) -> T:
            await self.feed.begin_autocommit_read(conn)
            return await work(conn)

        async with self.lifecycle.check_usable().reading, self.lifecycle:
            wake_up.clear()
            return await (self._reads if may_lag else self.transactions).read(read)

    async def aclose(self) -> None:
        """
        Send all followers away and wait for what they have under way.
        """
        await self.lifecycle.aclose()
        for leave in tuple(self._followers):
            await leave()
        # A consumer that comes to an end later has nothing left to write: the engine
        # may be disposed of once this returns.
        releases = self.pending_lease_releases
        await asyncio.gather(*(release() for release in releases.values()))
        releases.clear()
        await self.release_transactions.aclose()


async def poll(reads: Reads, hub: NotificationHub, seconds: float) -> None:
    """
    Wake those who are behind, every so many *seconds*, until cancelled.

    It looks sooner where the status of some session may have changed: neither the
    watcher of an SQLite file nor an announcement tells of which.
    """
    while True:
        least = min(seconds, MIN_POLL_INTERVAL)
        await asyncio.sleep(least)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds - least):
                await hub.something_changed.wait()
        # Cleared before the look: what changes during it calls for another one.
        hub.something_changed.clear()
        try:
            await _look(reads, hub)
        except StorageError as error:
            _LOG.debug("a look for lost notifications failed: %s", error.code)


async def _look(reads: Reads, hub: NotificationHub) -> None:
    session_ids = hub.followed_sessions()
    dialect = reads.dialect
    query = standing_of(lambda column: dialect.is_one_of(column, session_ids))

    async def read(
        conn: AsyncConnection,
    ) -> tuple[tuple[Place, str | None], list[tuple[Any, ...]]]:
        newest: tuple[Place, str | None] = START, None
        # Again for each attempt: what is compared is what was seen before the look.
        hub.note_seen()
        if hub.follows_all:
            row = (await conn.execute(newest_place(dialect.feed))).first()
            newest = newest if row is None else ((row[0], row[1]), row[2])
        rows = await conn.execute(query) if session_ids else ()
        return newest, [tuple(row) for row in rows]

    newest, found = await reads.read(read)
    latest: dict[str, tuple[int, str | None]] = dict.fromkeys(session_ids, (0, None))
    latest |= {row[0]: (row[1], row[2]) for row in found}
    hub.on_look(latest, newest)
    for session_id, _, _, state, status in found:
        hub.on_standing(session_id, (state, status))
