"""
What differs between the databases in how an index of texts is kept and searched.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import attrs
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.values.text_query import Phrase, TextQuery


@attrs.frozen
class Split:
    """
    Rows that have the words of a query, in two parts.
    """

    latest: sa.ColumnElement[bool]
    """
    The condition that those meet that were indexed last.
    """

    earlier: sa.ColumnElement[bool]
    """
    The condition that all others meet.
    """


class TextIndexDialect(ABC):
    """
    One database's full-text search.
    """

    @abstractmethod
    async def is_there(self, conn: AsyncConnection) -> bool:
        """
        Return whether the database has an index of texts.
        """

    @abstractmethod
    async def create(self, conn: AsyncConnection) -> None:
        """
        Make the tables of the index and the triggers that keep it true.

        From then on, what any program removes from the log leaves the index in the
        same transaction, and each session that is saved is noted.

        Raises:
            UnsupportedOperationError: If the database cannot keep an index of texts.
        """

    @abstractmethod
    async def drop(self, conn: AsyncConnection) -> None:
        """
        Remove the index, if there is one, with all that :meth:`create` has made.
        """

    @abstractmethod
    async def lock(self, conn: AsyncConnection, timeout: float) -> None:
        """
        Keep what is removed from the log waiting until this transaction has ended.

        Args:
            conn: In a transaction that has not written yet.

            timeout: How long, in seconds, to wait for those who remove something now.
        """

    @abstractmethod
    async def insert(
        self, conn: AsyncConnection, rows: Sequence[dict[str, Any]]
    ) -> None:
        """
        Add the rows of events that are in the log now, and not in the index.
        """

    @abstractmethod
    async def insert_titles(
        self, conn: AsyncConnection, rows: Sequence[dict[str, Any]]
    ) -> None:
        """
        Add the rows of titles, in place of those of the same sessions.
        """

    @abstractmethod
    def narrowed(self, query: TextQuery) -> sa.ColumnElement[bool]:
        """
        Make a condition that rows with all wanted phrases meet, found by an index.

        Others may meet it, too.
        """

    @abstractmethod
    async def split(
        self, conn: AsyncConnection, query: TextQuery, most: int
    ) -> Split | None:
        """
        Split what :meth:`narrowed` finds if that is much, without finding all of it.

        Returns:
            None if it is at most *most* rows; else two conditions, of which the first
            is met by about so many.
        """

    @abstractmethod
    def narrowed_in_order(self, query: TextQuery) -> sa.ColumnElement[bool]:
        """
        Make such a condition for rows that are gone through in another order.
        """

    @abstractmethod
    def has_phrase(self, phrase: Phrase) -> sa.ColumnElement[bool]:
        """
        Make the condition that a row has a phrase, and decide it.
        """

    @abstractmethod
    def byte_length(self, text: sa.ColumnElement[str]) -> sa.ColumnElement[int]:
        """
        Return how many bytes a text has.
        """

    @abstractmethod
    def events_of(self, sessions: sa.Select[str]) -> sa.ColumnElement[bool]:
        """
        Make the condition that a row is of one of some sessions, to be found by it.
        """
