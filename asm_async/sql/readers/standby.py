"""
One standby: what is read from it, and what is known of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

import attrs
import sqlalchemy as sa

from asm_async.errors import (
    StorageError,
    StorageUnavailableError,
    UnsupportedOperationError,
)
from asm_async.sql.core.engine_state import engine_state
from asm_async.sql.dialects.replication import ReplicationDialect, ServerPlace
from asm_async.sql.runtime.engine import create_engine
from asm_async.sql.transactions.transaction import Transactions

T = TypeVar("T")

_FIRST_PAUSE_SECONDS = 0.001
_MAX_PAUSE_SECONDS = 0.05

# One whose connection was lost, such as by a restart, is asked on another.
_TRIES = 2

_POOL_OPTIONS = ("pool", "max_overflow")


@attrs.frozen(kw_only=True)
class ReaderState:
    """
    A standby that may be read from, as it was when it was asked last.
    """

    name: str
    """
    Its host, port and database.
    """

    reason: str | None
    """
    Why it is not read from; None if it is.
    """

    lag_seconds: float | None
    """
    By how much it lags at the most; None if that is not known.
    """

    reads: int
    """
    How many reads it has answered.
    """

    failed_reads: int
    """
    How many reads it has failed, which the primary was asked for instead.
    """


class Standby:
    """
    A server that may be read from, with connections of its own.

    Args:
        url: Where it is.

        number: Which one of those that were given.

        timeout: How long, in seconds, a read may take.

        options: For the engine.

    Raises:
        UnsupportedOperationError: If there are no standbys of such a database.
    """

    def __init__(
        self, url: str | sa.URL, number: int, timeout: float, options: dict[str, Any]
    ) -> None:
        self._engine = create_engine(url, **options)
        self.transactions: Transactions = Transactions(self._engine, timeout)
        # Asked for its place on a connection of its own: to wait for one while all
        # others are in use would look as if it was silent.
        own = {k: v for k, v in options.items() if not k.startswith(_POOL_OPTIONS)}
        own |= {"pool_size": 1, "max_overflow": 0}
        self._asking = asyncio.Lock()
        self._replication: ReplicationDialect = replication_of(self.transactions)
        self._engine_to_ask = create_engine(url, **own)
        self._place_query = Transactions(self._engine_to_ask, timeout)
        self.name: str = _name_of(self._engine.url, number)
        self.place: ServerPlace | None = None
        self.reason: str | None = "it was not asked yet"
        self.lag: float | None = None
        self.reads: int = 0
        self.failed_reads: int = 0
        self._attempts: set[asyncio.Timeout] = set()

    @property
    def state(self) -> ReaderState:
        """
        Its state now.
        """
        return ReaderState(
            name=self.name,
            reason=self.reason,
            lag_seconds=self.lag,
            reads=self.reads,
            failed_reads=self.failed_reads,
        )

    def open(self) -> None:
        """
        Belong to the running event loop.
        """
        for engine in (self._engine, self._engine_to_ask):
            engine_state(engine, self.transactions.dialect.renew_pool)

    async def aclose(self) -> None:
        """
        Wait for what goes on after its caller was cancelled, and disconnect.
        """
        for transactions in (self.transactions, self._place_query):
            await transactions.aclose()
            await transactions.engine.dispose()

    async def do(
        self, read: Callable[[Transactions], Awaitable[T]], deadline: float
    ) -> T:
        """
        Try to *read* from it, once.

        Raises:
            StorageUnavailableError: If it does not answer any more.
        """
        try:
            async with asyncio.timeout(None) as attempt:
                self._attempts.add(attempt)
                try:
                    found = await read(
                        self.transactions.until(deadline, tries_once=True)
                    )
                finally:
                    self._attempts.discard(attempt)
        except TimeoutError as error:
            raise StorageUnavailableError(f"{self.name} fell silent") from error
        self.reads += 1
        return found

    def set_aside(self, reason: str, *, is_silent: bool) -> None:
        """
        Have nothing read from it for a *reason*; if it is silent, end the reads there.
        """
        self.reason = reason
        if is_silent:
            now = asyncio.get_running_loop().time()
            for attempt in self._attempts:
                attempt.reschedule(now)

    async def look(self, seconds: float) -> str | None:
        """
        Ask it for its place; return why there is no answer within so many *seconds*.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._ask()
        except TimeoutError:
            return f"it did not answer within {seconds:.2g} s"
        except StorageError as error:
            return f"it cannot be asked: {error}"
        return None

    async def reaches(self, position: int, seconds: float) -> bool:
        """
        Wait until it has all up to *position*, and return whether it has in time.
        """
        pause = _FIRST_PAUSE_SECONDS
        with suppress(TimeoutError, StorageError):
            async with asyncio.timeout(seconds):
                while not self.is_at(position):
                    async with self._asking:
                        # One who was asked meanwhile may have answered for all.
                        if not self.is_at(position):
                            await self._ask()
                    if not self.is_at(position):
                        await asyncio.sleep(pause)
                        pause = min(2 * pause, _MAX_PAUSE_SECONDS)
        return self.is_at(position)

    def is_at(self, position: int) -> bool:
        """
        Return whether it is known to have all up to *position*.
        """
        return self.place is not None and self.place.position >= position

    async def _ask(self) -> None:
        for tries_left in reversed(range(_TRIES)):
            try:
                self.place = await ask(self._place_query, self._replication)
            except StorageError:
                if not tries_left:
                    raise
            else:
                return


def replication_of(transactions: Transactions) -> ReplicationDialect:
    """
    Return how copies of a server follow it.

    Raises:
        UnsupportedOperationError: If there are none.
    """
    replication = transactions.dialect.replication
    if replication is None:
        raise UnsupportedOperationError(
            "readers: only PostgreSQL has standbys; an SQLite file is read by any"
            " number of processes of its host beside the one that writes, each of which"
            " opens the file itself"
        )
    return replication


async def ask(
    transactions: Transactions, replication: ReplicationDialect
) -> ServerPlace:
    """
    Ask a server for its place, once; how long that may take is the caller's to bound.

    Raises:
        StorageError: If it does not say.
    """
    deadline = asyncio.get_running_loop().time() + transactions.timeout
    asking = transactions.until(deadline, tries_once=True)
    ((*row,),) = await asking.fetch(replication.place, {})
    return replication.place_of(row)


def _name_of(url: sa.URL, number: int) -> str:
    where = f"{url.host}:{url.port or 5432}" if url.host else f"standby {number}"
    return f"{where}/{url.database}" if url.database else where
