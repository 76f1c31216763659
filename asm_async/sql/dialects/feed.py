"""
What differs between the databases in how the feed is read, and how commits are noticed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from typing import Any, ClassVar, TypeAlias

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.sql.notifications.hub import NotificationHub
from asm_async.values.checkpoint import Place

Read: TypeAlias = Callable[
    [Callable[[AsyncConnection], Awaitable[Any]]], Awaitable[Any]
]
"""
Does some work, which writes nothing, on a connection.
"""


Connect: TypeAlias = Callable[[float], Awaitable[AsyncConnection]]
"""
Borrows a connection from the pool, until a deadline on the loop's clock.
"""


class FeedDialect(ABC):
    """
    One database's way of keeping the feed of all sessions in order.
    """

    announces: ClassVar[bool]
    """
    Whether a process that writes must tell the others, which cannot see it themselves.
    """

    transaction: ClassVar[sa.ColumnElement[int]]
    """
    The first part of an event's place.
    """

    position: ClassVar[sa.ColumnElement[int]]
    """
    The second part.
    """

    is_below_horizon: ClassVar[sa.ColumnElement[bool]]
    """
    Whether no event can be committed any more whose place is before this one's.
    """

    order: ClassVar[Sequence[sa.ColumnElement[Any]]]
    """
    The order of places, as an index has it.
    """

    behind: ClassVar[sa.ColumnElement[bool]]
    """
    Lets only events through that stand behind a place, which is a parameter.
    """

    at: ClassVar[sa.ColumnElement[bool]]
    """
    Lets only the event through that stands at the place which is the same parameter.
    """

    from_there: ClassVar[sa.ColumnElement[bool]]
    """
    Lets that one through, and those behind it.
    """

    is_as_written: ClassVar[sa.ColumnElement[bool]]
    """
    Whether an event came to its place by being appended, and not from a dump.
    """

    is_misplaced: ClassVar[sa.ColumnElement[bool]]
    """
    Whether an event was put at a place that new events may be given before.
    """

    may_lag: ClassVar[sa.ColumnElement[bool]]
    """
    Whether this database follows another one, which may hold more.
    """

    @abstractmethod
    def parameters(self, place: Place) -> dict[str, Any]:
        """
        Return the parameters of :attr:`behind`, :attr:`at` and :attr:`from_there`.
        """

    @abstractmethod
    def end(self) -> sa.Select[*tuple[Any, ...]]:
        """
        Select a place that no event has reached yet: a later one is of another feed.

        It comes as *next_transaction* and *next_position*.
        """

    @abstractmethod
    async def begin_autocommit_read(self, conn: AsyncConnection) -> None:
        """
        Prepare for statements of which each may see a moment of its own.
        """

    @abstractmethod
    async def blocking_transaction(
        self, conn: AsyncConnection
    ) -> tuple[str | None, float | None]:
        """
        Find the transaction that events wait for, if they do, and its age in seconds.
        """

    @abstractmethod
    def now(self, later: float = 0) -> sa.ColumnElement[datetime]:
        """
        Select the time, so many seconds later, by the one clock of all processes.
        """

    @abstractmethod
    async def announce(
        self, driver: Any, origin: str, session_ids: Collection[str]
    ) -> None:
        """
        Notify the processes that listen that *origin* wrote, past SQLAlchemy.
        """

    @abstractmethod
    def abandon(self, driver: Any) -> None:
        """
        Break the connection off at once.
        """

    @abstractmethod
    async def listen(
        self, connect: Connect, read: Read, hub: NotificationHub, origin: str
    ) -> None:
        """
        Pass on what other processes write, until cancelled; then leave nothing behind.

        Everyone is woken whenever something may have been missed, but nobody of what
        *origin* has announced. To *connect* and to *read* are safe from cancellation.
        """
