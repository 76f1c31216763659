"""
Which reads standbys answer, and what happens where they do not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.errors import NotFoundError, StorageError
from asm_async.sql.core.prepared import Prepared
from asm_async.sql.dialects import Dialect
from asm_async.sql.readers.standby import Standby
from asm_async.sql.transactions.transaction import Transactions

T = TypeVar("T")

# A read that ends so long after its deadline was given more time on its way, such as an
# export that makes progress.
_MIN_SECONDS_PROLONGED = 1.0


class Reads(Protocol):
    """
    What runs reads: :class:`~asm_async.sql.transactions.transaction.Transactions` do.
    """

    @property
    def dialect(self) -> Dialect:
        """
        The hooks of the database.
        """
        ...

    async def fetch(
        self, query: Prepared, parameters: Mapping[str, Any]
    ) -> list[list[Any]]:
        """
        Return the rows of one query.
        """
        ...

    async def read(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """
        Do *work*, which writes nothing, on a connection.
        """
        ...

    async def read_snapshot(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """
        Do *work*, which writes nothing, and whose statements all see one moment.
        """
        ...


class ChoosesStandbys(Protocol):
    """
    Knows the standbys.
    """

    async def choose(
        self, deadline: float, *, by_default: bool, before: Standby | None = None
    ) -> Standby | None:
        """
        Return from which one to read now; None if that is the primary.
        """
        ...

    def note_failure(self, standby: Standby, error: StorageError) -> None:
        """
        Take note of a read that was tried there in vain.
        """
        ...

    def stay_with_primary(self) -> None:
        """
        Have the primary answer what is read later in the block, if there is one.
        """
        ...


class RoutedReads:
    """
    Reads that a standby answers, or else the primary, within one timeout.

    What a standby does not find, it may not have yet: the primary is asked whether it
    is there. So it is after any failure of the standby, such as a read that it has
    cancelled since the replay of the log needed what was being read.

    Args:
        primary: With whose timeout.

        readers: Which chooses.

        by_default: Whether standbys are asked unless the caller says otherwise.

        stays: Whether one standby is asked for as long as it can be. By turns, what is
            read because of a look at one that is further may be read where it is not,
            over and over again.
    """

    def __init__(
        self,
        primary: Transactions,
        readers: ChoosesStandbys,
        *,
        by_default: bool,
        stays: bool = False,
    ) -> None:
        self._primary = primary
        self._readers = readers
        self._by_default = by_default
        self._stays = stays
        self._before: Standby | None = None
        self.dialect: Dialect = primary.dialect

    async def fetch(
        self, query: Prepared, parameters: Mapping[str, Any]
    ) -> list[list[Any]]:
        """
        Return the rows of one query.
        """
        return await self._route(lambda server: server.fetch(query, parameters))

    async def read(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """
        Do *work*, which writes nothing, on a connection.
        """
        return await self._route(lambda server: server.read(work))

    async def read_snapshot(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """
        Do *work*, which writes nothing, and whose statements all see one moment.
        """
        return await self._route(lambda server: server.read_snapshot(work))

    async def _route(self, read: Callable[[Transactions], Awaitable[T]]) -> T:
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._primary.timeout
        standby = await self._readers.choose(
            deadline, by_default=self._by_default, before=self._before
        )
        if self._stays:
            self._before = standby
        if standby is not None:
            try:
                return await standby.do(read, deadline)
            except NotFoundError:
                self._readers.stay_with_primary()
            except StorageError as error:
                self._readers.note_failure(standby, error)
                if clock() >= deadline:
                    if clock() < deadline + _MIN_SECONDS_PROLONGED:
                        raise
                    deadline = clock() + self._primary.timeout
                if (observer := self._primary.observation.observer) is not None:
                    observer.note_retry(error)
        return await read(self._primary.until(deadline))


def reads_of(
    readers: ChoosesStandbys | None,
    primary: Transactions,
    *,
    by_default: bool,
    stays: bool = False,
) -> Reads:
    """
    Return what runs a port's reads: standbys may, if there are any.

    Args:
        readers: Which standbys.

        primary: The port's own.

        by_default: Whether outside of a block as well.

        stays: Whether with one of them for as long as it can be read from.
    """
    if readers is None:
        return primary
    return RoutedReads(primary, readers, by_default=by_default, stays=stays)
