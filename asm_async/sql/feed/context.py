"""
What the followers of one feed share: connections, notifications, and an end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.sql.dialects.feed import FeedDialect
from asm_async.sql.feed.poll import poll
from asm_async.sql.notifications.announcer import announced_sessions
from asm_async.sql.notifications.shared_tasks import SharedTasks
from asm_async.sql.runtime.lifecycle import Lifecycle
from asm_async.sql.runtime.shared_state import SharedState
from asm_async.sql.transactions.transaction import Transactions

T = TypeVar("T")

_RELEASE_TIMEOUT_SECONDS = 2.0


class Follower(Protocol):
    """
    One that has joined.
    """

    async def leave(self) -> None:
        """
        Let go of all that was had.
        """
        ...


class FeedContext:
    """
    The means with which followers of one feed read and are woken.

    What notices other processes' commits runs once for each engine, from when the first
    of its followers joins until the last one leaves.

    Args:
        engine: Whose database to read.

        timeout: How long, in seconds, a read goes on trying.

        poll_interval: How often, in seconds, to look without any notification.

        listens: Whether to be notified of other processes' commits at all.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        timeout: float,
        poll_interval: float,
        listens: bool,
    ) -> None:
        self.transactions: Transactions = Transactions(engine, timeout)
        self.lifecycle: Lifecycle = Lifecycle(self.transactions)
        self.feed: FeedDialect = self.transactions.dialect.feed
        self.release_transactions: Transactions = Transactions(
            engine, _RELEASE_TIMEOUT_SECONDS
        )
        """
        For leases that are given up, without keeping anybody waiting for long.
        """
        self.pending_lease_releases: dict[str, Callable[[], Awaitable[None]]] = {}
        """
        How to give up each lease that may be held, by its holder.
        """
        self._poll_interval = poll_interval
        self._listens = listens
        self._followers: dict[Follower, SharedTasks] = {}

    def check_usable(self) -> SharedState:
        """
        Refuse a feed that was closed, or is used from another event loop.
        """
        return self.lifecycle.check_usable()

    def join(self, follower: Follower) -> None:
        """
        Have *follower* notified of other processes' commits from now on.
        """
        shared = self.check_usable()
        self._followers[follower] = shared.tasks
        look = partial(poll, self.transactions, shared.hub, self._poll_interval)
        shared.tasks.join(self._poll_name, look)
        if self._listens:
            shared.tasks.join("listen", self._listen)

    async def leave(self, follower: Follower) -> None:
        """
        Undo :meth:`join`; to do it twice is allowed.
        """
        tasks = self._followers.pop(follower, None)
        if tasks is not None:
            await tasks.leave(self._poll_name, *(["listen"] if self._listens else []))

    async def read(
        self, wake_up: asyncio.Event, work: Callable[[AsyncConnection], Awaitable[T]]
    ) -> T:
        """
        Do *work* on a connection, once there are not too many who read already.

        Args:
            wake_up: Cleared before the read begins: what sets it then may not have been
                found.

            work: What to do. Each of its statements may see a moment of its own.
        """

        async def read(conn: AsyncConnection) -> T:
            await self.feed.begin_autocommit_read(conn)
            return await work(conn)

        async with self.check_usable().reading, self.lifecycle:
            wake_up.clear()
            return await self.transactions.read(read)

    async def aclose(self) -> None:
        """
        Send all followers away and wait for what they have under way.
        """
        await self.lifecycle.aclose()
        for follower in tuple(self._followers):
            await follower.leave()
        # A consumer that comes to an end later has nothing left to write: the engine
        # may be disposed of once this returns.
        releases = self.pending_lease_releases
        await asyncio.gather(*(release() for release in releases.values()))
        releases.clear()
        await self.release_transactions.aclose()

    @property
    def _poll_name(self) -> str:
        return f"poll every {self._poll_interval} s"

    async def _listen(self) -> None:
        shared, transactions = self.check_usable(), self.transactions
        sessions_in = partial(announced_sessions, origin=shared.announcer.origin)
        await self.feed.listen(
            transactions.engine, transactions.read, shared.hub, sessions_in
        )
