"""
Everything that differs between the databases, as named hooks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

__all__ = ["Dialect"]


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
    def keeps_data_in_connection(self, engine: AsyncEngine) -> bool:
        """
        Tell whether the database dies with its connection, as one in memory does.
        """

    @abstractmethod
    async def begin_write(self, conn: AsyncConnection) -> None:
        """
        Begin a transaction that is going to write.
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
        self, conn: AsyncConnection, keys: Collection[int], patience: float
    ) -> None:
        """
        Wait until this transaction alone holds *keys*, at most *patience* seconds each.

        Args:
            conn: In a transaction that has not written yet: whoever waits must hold no
                transaction id, or the feed of all sessions loses its order.

            keys: In the order in which all transactions take them.

            patience: How long, in seconds, to wait for a lock, here and later in the
                transaction.
        """

    @abstractmethod
    def locked(self, rows: sa.Select[*tuple[Any, ...]]) -> sa.Select[*tuple[Any, ...]]:
        """
        Make *rows* be held against other writers until the transaction ends.
        """

    @abstractmethod
    def members(self, values: Collection[str]) -> sa.Select[str]:
        """
        Make a query whose rows are *values*, however many, with one parameter.
        """

    @abstractmethod
    def pairs(self, values: Collection[tuple[str, str]]) -> sa.Subquery:
        """
        Make a table of *values*, however many, with columns ``first`` and ``second``.
        """
