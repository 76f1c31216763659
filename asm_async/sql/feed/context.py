"""
What the followers of one feed share: connections, hints from others, and an end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.sql.dialects.feed import FeedDialect
from asm_async.sql.notifications.announcer import announced_sessions
from asm_async.sql.notifications.poll import poll
from asm_async.sql.notifications.shared_tasks import SharedTasks
from asm_async.sql.runtime.lifecycle import Lifecycle
from asm_async.sql.runtime.shared_state import SharedState
from asm_async.sql.transactions.transaction import Transactions

__all__ = ["FeedContext", "Follower"]

T = TypeVar("T")

_SECONDS_TO_PART = 2.0


class Follower(Protocol):
    """
    Somebody who has joined.
    """

    async def leave(self) -> None:
        """
        Let go of all that was had.
        """
        ...


class FeedContext:
    """
    Where followers look from.

    Whatever tells of other processes' events runs once for each engine, from when the
    first of its followers joins until the last one leaves.

    Args:
        engine: Whose database to look at.

        timeout: How long, in seconds, a read goes on trying.

        poll_interval: How often, in seconds, to look without any hint.

        listens: Whether to have other processes' hints at all.
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
        self.release_transactions: Transactions = Transactions(engine, _SECONDS_TO_PART)
        """
        For what is written when somebody leaves, for no longer than a moment.
        """
        self.pending_lease_releases: dict[str, Callable[[], Awaitable[None]]] = {}
        """
        What is still to be written when somebody leaves, by who it is.
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
        Have other processes' hints from now on.
        """
        shared = self.check_usable()
        self._followers[follower] = shared.tasks
        look = partial(poll, self.transactions, shared.hub, self._poll_interval)
        shared.tasks.join(self._poll_name, look)
        if self._listens:
            shared.tasks.join("listen", self._listen)

    async def leave(self, follower: Follower) -> None:
        """
        Do without; who has left already may leave again.
        """
        tasks = self._followers.pop(follower, None)
        if tasks is None:
            return
        names = [self._poll_name, "listen"] if self._listens else [self._poll_name]
        await tasks.leave(*names)

    async def read(
        self, hint: asyncio.Event, work: Callable[[AsyncConnection], Awaitable[T]]
    ) -> T:
        """
        Do *work* on a connection, when there are not too many who read already.

        Followers leave most of the pool to those who write, however many there are.

        Args:
            hint: Cleared before the reading begins: whatever sets it then is news.

            work: What to do.
        """

        async def glance(conn: AsyncConnection) -> T:
            await self.feed.begin_autocommit_read(conn)
            return await work(conn)

        async with self.check_usable().reading, self.lifecycle:
            hint.clear()
            return await self.transactions.read(glance)

    async def aclose(self) -> None:
        """
        Send all followers away and wait for what they have under way.
        """
        await self.lifecycle.aclose()
        for follower in tuple(self._followers):
            await follower.leave()
        # Nobody who comes to an end later has anything left to write: the engine may be
        # disposed of once this returns.
        await asyncio.gather(*(end() for end in self.pending_lease_releases.values()))
        self.pending_lease_releases.clear()
        await self.release_transactions.aclose()

    @property
    def _poll_name(self) -> str:
        return f"poll every {self._poll_interval} s"

    async def _listen(self) -> None:
        shared = self.check_usable()
        sessions_in = partial(announced_sessions, origin=shared.announcer.origin)
        transactions = self.transactions
        await self.feed.listen(
            transactions.engine, transactions.read, shared.hub, sessions_in
        )
