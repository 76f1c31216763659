"""
Everything that differs between the databases, as named hooks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.ports.query_api import TimeBucket
from asm_async.sql.core.engine_state import EngineState
from asm_async.sql.dialects.direct import DirectDialect
from asm_async.sql.dialects.feed import FeedDialect
from asm_async.sql.dialects.replication import ReplicationDialect
from asm_async.sql.dialects.text_index import TextIndexDialect
from asm_async.values.retraction import Ranges

T = TypeVar("T")

UNDONE = "a power cut can undo what was acknowledged"


class Dialect(ABC):
    """
    One database's way of doing what the adapter needs.
    """

    name: ClassVar[str]
    """
    SQLAlchemy's name of the dialect.
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

    sorts_runs: ClassVar[bool]
    """
    Whether the events of a run are sorted where their session is not given, since the
    index has them by their numbers alone.
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

    direct: ClassVar[DirectDialect]
    """
    What is done on the driver's own connections, past SQLAlchemy.
    """

    feed: ClassVar[FeedDialect]
    """
    How the feed of all sessions is read, and how others hear of commits.
    """

    text_index: ClassVar[TextIndexDialect]
    """
    How an index of texts is kept and searched.
    """

    @cached_property
    def replication(self) -> ReplicationDialect | None:
        """
        How copies of a server follow it; None where there are none.
        """
        return None

    @abstractmethod
    def check_engine(self, engine: AsyncEngine) -> None:
        """
        Refuse an engine on which the promises cannot be kept.

        Raises:
            UnsupportedOperationError: Saying why.
        """

    @abstractmethod
    def renew_pool(self, engine: AsyncEngine, before: EngineState | None) -> None:
        """
        Make an engine's pool fit for the running event loop, which begins to use it.

        Args:
            engine: Whose pool.

            before:
                Where stores have used it before, in a loop that was closed or in the
                process from which this one was forked; None if none has.

        Raises:
            StoreClosedError: If the pool belongs to another loop that goes on, or what
                it holds cannot be given up.
        """

    @abstractmethod
    async def check_server(self, conn: AsyncConnection) -> None:
        """
        Refuse a database that is too old.

        Raises:
            UnsupportedOperationError: Naming the version found and the one needed.
        """

    @abstractmethod
    async def is_read_only(self, conn: AsyncConnection) -> bool:
        """
        Return whether the server takes no writes, as a standby does.
        """

    @abstractmethod
    async def leave_transaction(self, conn: AsyncConnection) -> None:
        """
        Roll back a transaction that was begun past SQLAlchemy, by code that had *conn*.
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
        Leave no transaction open, however it was begun.
        """

    @abstractmethod
    async def lock(
        self, conn: AsyncConnection, session_ids: Collection[str], timeout: float
    ) -> None:
        """
        Wait until this transaction alone writes to these sessions.

        Args:
            conn: In a transaction that has not written yet: one that waits must hold no
                transaction id, or the feed of all sessions loses its order.

            session_ids: The sessions; they are locked in one order by everybody.

            timeout: How long, in seconds, to wait for each lock, here and later in the
                transaction.
        """

    @abstractmethod
    async def lock_schema(self, conn: AsyncConnection, timeout: float) -> None:
        """
        Wait until this transaction alone changes the schema.
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

    def is_any_of(
        self, column: sa.ColumnElement[str], name: str, *, is_one: bool
    ) -> sa.ColumnElement[bool]:
        """
        Make the same condition, or that *column* is the parameter *name* itself.

        What is one is found by its key: to unpack a list takes longer than that.
        """
        if is_one:
            return column == sa.bindparam(name, type_=sa.String(255))
        return self.is_one_of_parameter(column, name)

    @abstractmethod
    def ranges(self, name: str) -> tuple[sa.FromClause, Any, Any]:
        """
        Unpack ranges of numbers from parameters that begin with *name*.

        Returns:
            The rows, and of each the first and the last number.
        """

    @abstractmethod
    def range_values(self, name: str, ranges: Ranges) -> dict[str, object]:
        """
        Return what the driver takes for the parameters of :meth:`ranges`.
        """

    @abstractmethod
    def locked(self, rows: sa.Select[*tuple[Any, ...]]) -> sa.Select[*tuple[Any, ...]]:
        """
        Make *rows* be held against other writers until the transaction ends.
        """

    @abstractmethod
    def present_time(
        self, given: sa.BindParameter[datetime]
    ) -> sa.ColumnElement[datetime]:
        """
        Return the present time by the clock of the database; *given* if it has none.
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
        Return the beginning, in UTC, of the bucket in which *time* lies.

        It is fine to group by. The first and the last time there is may stand for
        themselves.
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
    async def see_to_settings(self, conn: AsyncConnection) -> None:
        """
        Set what the database keeps for all who open it, and warn where that cannot be.

        Args:
            conn: Outside of a transaction; the first one that stores open on an engine.
        """

    @abstractmethod
    async def weak_settings(self, conn: AsyncConnection) -> list[tuple[str, str]]:
        """
        Find the settings with which a power cut can take back what was acknowledged.

        Returns:
            Their names, and what is to be said of each.
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
