"""
Everything that differs between the databases, as named hooks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import attrs
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.ports.query_api import TimeBucket
from asm_async.sql.core.event_columns import EventValues
from asm_async.sql.core.prepared import Row, Script, Step
from asm_async.sql.dialects.feed import FeedDialect

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class AppendBlock:
    """
    New events of living sessions, of which nothing is known to be unusual.
    """

    counts: Mapping[str, int]
    """
    How many events each session gets.
    """

    expected: Mapping[str, int]
    """
    The latest number that a session must have, of those for which one is expected.
    """

    rows: Sequence[EventValues]
    """
    The events; in the place of the sequence number stands an event's place, from 1,
    among the new ones of its session.
    """


@attrs.frozen(kw_only=True)
class GroupWork(Generic[T]):
    """
    What one transaction does for a group of operations.
    """

    session_ids: Collection[str]
    """
    The sessions that it writes to.
    """

    block: AppendBlock | None
    """
    What may be appended at once.
    """

    rest: Callable[[], Script[T]] | None
    """
    All that is to be done beside the block, if there is any.
    """

    whole: Callable[[], Script[T]]
    """
    All that is to be done, should something about the block turn out to be unusual.
    """


@attrs.frozen(kw_only=True)
class Committed(Generic[T]):
    """
    What became of a group's work.
    """

    latest: Mapping[str, int] | None
    """
    The latest number of each session of the block; None if the whole was done instead.
    """

    result: T | None
    """
    What the rest gave, or the whole.
    """

    first_position: int | None = None
    """
    The place in the feed of the block's first event, behind which its others stand one
    by one; None where only reading tells.
    """


class Done(Protocol[T]):
    """
    Is called in the event loop when a group's work has ended, however it did.
    """

    def __call__(
        self, committed: Committed[T] | None, failure: BaseException | None, /
    ) -> None:
        """
        Take what became of it; *failure* is the driver's own, or one of ours.
        """
        ...


class Dialect(ABC):
    """
    One database's way of doing what the adapter needs.
    """

    name: ClassVar[str]
    """
    SQLAlchemy's name of the dialect.
    """

    driver: ClassVar[str]
    """
    SQLAlchemy's name of the one driver whose behaviour is known.
    """

    serialises_writers: ClassVar[bool]
    """
    Whether only one transaction at a time can write, so that the writers of a process
    had better queue up in it than in the database.
    """

    can_cancel_statements: ClassVar[bool]
    """
    Whether a read that is cancelled can be let go of at once.

    SQLAlchemy gives up its connection then, which must not be one whose thread goes on,
    or with which a database in memory would go.
    """

    resets_without_waiting: ClassVar[bool]
    """
    Whether the pool's reset of a connection on which SQLAlchemy began no transaction
    asks nothing of the database.
    """

    list_type: ClassVar[sa.types.TypeEngine[Any]]
    """
    The type of a parameter that holds a list of texts.
    """

    feed: ClassVar[FeedDialect]
    """
    How the feed of all sessions is read, and how news of it travels.
    """

    @abstractmethod
    def check_engine(self, engine: AsyncEngine) -> None:
        """
        Refuse an engine on which the promises cannot be kept.

        Raises:
            UnsupportedOperationError: Saying why.
        """

    @abstractmethod
    async def check_server(self, conn: AsyncConnection) -> None:
        """
        Refuse a database that is too old.

        Raises:
            UnsupportedOperationError: Naming the version found and the one needed.
        """

    @abstractmethod
    async def leave_transaction(self, conn: AsyncConnection) -> None:
        """
        Roll back a transaction that was begun past SQLAlchemy, by whoever had *conn*.
        """

    @abstractmethod
    async def begin_write(self, conn: AsyncConnection) -> None:
        """
        Begin a transaction that is going to write.
        """

    @abstractmethod
    async def begin_snapshot(self, conn: AsyncConnection) -> None:
        """
        Begin a transaction that writes nothing, and whose reads all see one moment.
        """

    @abstractmethod
    async def commit(self, conn: AsyncConnection) -> None:
        """
        Commit what :meth:`begin_write` began.
        """

    @abstractmethod
    async def roll_back(self, conn: AsyncConnection) -> None:
        """
        Leave no transaction open, whoever began it.
        """

    @abstractmethod
    async def lock(
        self, conn: AsyncConnection, keys: Collection[int], timeout: float
    ) -> None:
        """
        Wait until this transaction alone holds *keys*, at most *timeout* seconds each.

        Args:
            conn: In a transaction that has not written yet: whoever waits must hold no
                transaction id, or the feed of all sessions loses its order.

            keys: In the order in which all transactions take them.

            timeout: How long, in seconds, to wait for a lock, here and later in the
                transaction.
        """

    @abstractmethod
    def is_lost(self, driver: object) -> bool:
        """
        Return whether a connection of the driver's can be used no more.
        """

    @abstractmethod
    def start_group(
        self, driver: Any, work: GroupWork[T], timeout: float, done: Done[T]
    ) -> None:
        """
        Start one transaction that does a group's work, and return at once.

        Args:
            driver:
                The driver's own connection. A transaction that somebody left open on it
                is rolled back; none is open when *done* is called.

            work: What to do; committed as a whole or not at all.

            timeout: How long, in seconds, to wait for locks.

            done: Called in the event loop, perhaps before this returns.
        """

    @abstractmethod
    async def fetch(self, driver: Any, step: Step) -> Sequence[Row]:
        """
        Execute a statement that writes nothing, outside of a transaction.

        Args:
            driver:
                The driver's own connection. A transaction that somebody left open on it
                is rolled back.

            step: The statement.
        """

    @cached_property
    @abstractmethod
    def compiler(self) -> sa.Dialect:
        """
        What SQLAlchemy compiles statements with for this database and its driver.
        """

    @abstractmethod
    def is_in(
        self, column: sa.ColumnElement[str], values: sa.BindParameter[Any]
    ) -> sa.ColumnElement[bool]:
        """
        Make the condition that *column* has one of the values of one parameter.
        """

    @abstractmethod
    def list_value(self, values: Collection[str]) -> object:
        """
        Return what the driver takes for the parameter of :meth:`is_in`.
        """

    def is_one_of(
        self, column: sa.ColumnElement[str], values: Collection[str]
    ) -> sa.ColumnElement[bool]:
        """
        Make the condition that *column* has one of *values*, however many.
        """
        return self.is_in(column, sa.literal(self.list_value(values), self.list_type))

    def is_one_of_parameter(
        self, column: sa.ColumnElement[str], name: str
    ) -> sa.ColumnElement[bool]:
        """
        Make the condition that *column* has one of the values of the parameter *name*.
        """
        return self.is_in(column, sa.bindparam(name, type_=self.list_type))

    @abstractmethod
    def locked(self, rows: sa.Select[*tuple[Any, ...]]) -> sa.Select[*tuple[Any, ...]]:
        """
        Make *rows* be held against other writers until the transaction ends.
        """

    @abstractmethod
    def exact_sum(self, count: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
        """
        Add up a column of counts without overflow, however large the sum.
        """

    @abstractmethod
    def time_within(
        self, bucket: TimeBucket, time: sa.ColumnElement[datetime]
    ) -> sa.ColumnElement[datetime]:
        """
        Return a UTC time of the bucket in which *time* lies; fine to group by.

        It need not be the same for all times of a bucket, so that a month may be told
        by its days.
        """

    @abstractmethod
    def are_among(self, keys: Collection[tuple[str, int]]) -> sa.ColumnElement[bool]:
        """
        Make the condition that events have one of *keys*: session and sequence number.
        """

    @abstractmethod
    async def integrity_faults(self, conn: AsyncConnection) -> list[tuple[str, str]]:
        """
        Let the database look for damage of its own making.

        Returns:
            What is damaged, and how.
        """

    @abstractmethod
    async def weak_settings(self, conn: AsyncConnection) -> list[tuple[str, str]]:
        """
        Find the settings with which a power cut can take back what was acknowledged.

        Returns:
            Their names and values.
        """

    @abstractmethod
    def without_index(self, column: sa.ColumnElement[T]) -> sa.ColumnElement[T]:
        """
        Return *column* for a condition that many rows meet: none are to be found by it.
        """

    @abstractmethod
    async def force_custom_plan(self, conn: AsyncConnection) -> None:
        """
        Have what follows on *conn* planned for the values that it is given.

        What lets one row in a million through needs another plan than what lets half of
        them through.
        """
