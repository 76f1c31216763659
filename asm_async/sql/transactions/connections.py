"""
The drivers' own connections, borrowed from the engine's pool.

They come from the same pool as all others, without what SQLAlchemy wraps around them,
which costs more than the hop or the round trip that they are borrowed for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from operator import attrgetter, methodcaller
from typing import Any, TypeAlias, TypeVar, cast

import attrs
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import Pool, PoolProxiedConnection
from sqlalchemy.util import greenlet_spawn

from asm_async.errors import ASMError, StorageUnavailableError
from asm_async.fronts.cancellation import wait_uninterruptible
from asm_async.sql.core.deadlines import GRACE_SECONDS, in_time
from asm_async.sql.core.engine_state import log_throttle_of
from asm_async.sql.core.error_translation import is_read_only
from asm_async.sql.core.prepared import Step
from asm_async.sql.dialects import Dialect
from asm_async.sql.dialects.pools import lends_plainly, queue_of, records_of

_LOG = logging.getLogger(__name__)

T = TypeVar("T", PoolProxiedConnection, AsyncConnection)

_PING = Step("SELECT 1", ())

_SILENT = "the database did not answer within the timeout"

_READ_ONLY = (
    "the server takes no writes any more: its connections are given up, and others find"
    " the primary"
)

_MAX_SECONDS_TO_OPEN = 0.25
_MAX_SECONDS_TO_CANCEL = 0.2
_MAX_SECONDS_TO_PING = 0.25
_MAX_SECONDS_TO_CLOSE = 5.0
_SECONDS_BETWEEN_ENDS = 0.25


@attrs.define(eq=False)
class PooledRecord:
    """
    A connection that was taken out of a pool's queue, to which it goes back.

    SQLAlchemy's own costs more than a statement, for listeners that are not there.
    """

    driver_connection: Any
    _pool: Any
    _record: Any

    @property
    def is_valid(self) -> bool:
        """
        Whether it can still be used; not once it is back.
        """
        return self._record is not None

    def close(self) -> None:
        """
        Return it to the pool, which closes it if it has enough.
        """
        record, self._record = self._record, None
        self._pool._do_return_conn(record)  # noqa: SLF001 - see lends_plainly

    def invalidate(self) -> None:
        """
        Close it; the pool opens another in its place when it is asked for one.
        """
        self._record.invalidate()
        self.close()

    def __del__(self) -> None:
        # Its loop has ended while it was in use, perhaps in the thread where this runs.
        if self._record is not None:
            self._record.invalidate()


Pooled: TypeAlias = PoolProxiedConnection | PooledRecord

Postpone: TypeAlias = Callable[[float], None]
"""
Puts a deadline off until another time on the loop's clock.
"""


class DriverConnections:
    """
    Borrows connections of an engine's driver; no transaction may be left open on them.

    SQLAlchemy enters a greenlet for each check-out and check-in, since either may have
    to talk to the database. Where it can be seen that it need not, this is left out.

    Where there is no connection by a *deadline*, on the loop's clock, a
    ``StorageUnavailableError`` is raised.
    """

    def __init__(self, engine: AsyncEngine, dialect: Dialect) -> None:
        self._engine = engine
        self._dialect = dialect
        self._pool: Pool | None = None
        self._is_plain = False

    def take_now(self) -> Pooled | None:
        """
        Borrow a connection, unless one has to be opened, closed, tested or waited for.
        """
        if not self._has_one_at_hand():
            return None
        record = queue_of(self._pool).get_nowait()
        return PooledRecord(record.driver_connection, self._pool, record)

    def _has_one_at_hand(self) -> bool:
        pool = self._engine.sync_engine.pool
        if pool is not self._pool:
            resets = self._dialect.resets_without_waiting
            self._is_plain = lends_plainly(pool, resets_without_waiting=resets)
            self._pool = pool
        is_free = self._is_plain and not (_waits(pool) or any(_listeners(pool)))
        return is_free and _has_sound_connection(pool)

    async def take(self, deadline: float, *, is_tested: bool = False) -> Pooled:
        """
        Borrow a connection; if it *is_tested*, one whose server has just answered.
        """
        while True:
            pooled = self.take_now()
            if pooled is None:
                return await self._opened(self._engine.raw_connection(), deadline)
            if not is_tested or await self._answers(pooled):
                return pooled

    async def _answers(self, pooled: Pooled) -> bool:
        """
        Return whether the server answers on a connection; if not, give it up.
        """
        driver = pooled.driver_connection
        end = asyncio.get_running_loop().time() + _MAX_SECONDS_TO_PING - GRACE_SECONDS
        try:
            with self.ends_at(driver, end):
                await self._dialect.direct.fetch(driver, _PING)
        except BaseException as error:
            pooled.invalidate()
            if not isinstance(error, Exception):
                raise
            _LOG.debug("an idle connection did not answer: %r", error)
            return False
        return True

    async def connect(self, deadline: float) -> AsyncConnection:
        """
        Borrow a connection as SQLAlchemy has it.
        """
        return await self._opened(self._engine.connect(), deadline)

    async def _opened(self, opening: Awaitable[T], deadline: float) -> T:
        """
        Wait for a connection; a cancelled caller waits until it is open, and no longer.

        asyncpg, cancelled meanwhile, leaves an error that nobody hears to the loop.
        """
        clock, pool = asyncio.get_running_loop().time, self._engine.pool
        end = deadline + GRACE_SECONDS
        none = StorageUnavailableError("no connection was available in time")
        may_be_cut = self._dialect.can_cancel_statements or _waits(pool)
        if self._has_one_at_hand() or not may_be_cut:
            async with in_time(end, none):
                return await opening

        def let_go(task: asyncio.Task[T]) -> None:
            # Nobody else looks at its error.
            if not task.cancelled() and task.exception() is None:
                pooled = _pooled(task.result())
                # A pool that was disposed of closes nothing that comes back.
                if self._engine.pool is not pool or not self.give_back_now(pooled):
                    pooled.invalidate()

        task = asyncio.ensure_future(opening)
        try:
            async with in_time(end, none):
                return await asyncio.shield(task)
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError):
                await wait_uninterruptible(task, clock() + _MAX_SECONDS_TO_OPEN)
            if not task.done():
                task.cancel()
                await wait_uninterruptible(task, clock() + _MAX_SECONDS_TO_CANCEL)
            if task.done():
                let_go(task)
            else:
                task.add_done_callback(let_go)
            raise

    def give_back_now(self, pooled: Pooled) -> bool:
        """
        Return a connection to the pool, if that needs no waiting.
        """
        pool = self._engine.sync_engine.pool
        # What happened to a connection past SQLAlchemy, its pool does not know.
        if self._dialect.direct.is_lost(pooled.driver_connection):
            # No server is waited for, nor can a cancellation come between. A file is:
            # SQLite, about to close it, may remove the log of one that takes its place.
            if self._dialect.can_cancel_statements:
                pooled.invalidate()
            return self._dialect.can_cancel_statements
        # A pool that is full closes what comes back, and a disposed one is not ours.
        if self._is_plain and pool is self._pool and not _is_full(pool):
            pooled.close()
            return True
        return False

    async def give_back(self, pooled: Pooled) -> None:
        """
        Return a connection to the pool, or close it where it is of no use.

        A caller who is cancelled waits for that: a check-in that is interrupted closes
        the connection, and with it a database in memory.
        """
        if self.give_back_now(pooled):
            return
        is_lost = self._dialect.direct.is_lost(pooled.driver_connection)
        closing = pooled.invalidate if is_lost else pooled.close
        task = asyncio.ensure_future(greenlet_spawn(closing))
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            end = asyncio.get_running_loop().time() + _MAX_SECONDS_TO_CLOSE
            await wait_uninterruptible(task, end)
            raise

    @asynccontextmanager
    async def lend(self, deadline: float) -> AsyncGenerator[Any]:
        """
        Borrow a connection for as long as the context lasts, and no longer than that.
        """
        pooled = await self.take(deadline)
        driver = pooled.driver_connection
        with self.ends_at(driver, deadline):
            try:
                yield driver
            except BaseException as error:
                # What the server does for a cancelled caller may go on.
                is_cancelled = not isinstance(error, Exception)
                if is_cancelled and self._dialect.can_cancel_statements:
                    pooled.invalidate()
                raise
            finally:
                if pooled.is_valid:
                    await self.give_back(pooled)

    @contextmanager
    def ends_at(self, driver: Any, deadline: float) -> Generator[Postpone]:
        """
        Interrupt what goes on on a connection once *deadline* has passed.

        This alone bounds what is done there, in whatever way: a statement of the
        borrower's, the rollback that follows, or the return to the pool.

        Yields:
            What puts the deadline off.
        """
        loop = asyncio.get_running_loop()
        has_ended = False
        timer: asyncio.TimerHandle

        def end() -> None:
            nonlocal has_ended, timer
            if not has_ended:
                has_ended = True
                self.log(logging.WARNING, _SILENT)
            self.give_up(driver)
            # What follows, such as a rollback, may not end either.
            timer = loop.call_later(_SECONDS_BETWEEN_ENDS, end)

        timer = loop.call_at(deadline + GRACE_SECONDS, end)

        def postpone(deadline: float) -> None:
            nonlocal timer
            timer.cancel()
            timer = loop.call_at(deadline + GRACE_SECONDS, end)

        try:
            yield postpone
        except ASMError:
            raise
        except Exception as error:
            if not has_ended:
                raise
            raise StorageUnavailableError(_SILENT) from error
        finally:
            timer.cancel()

    def log(self, level: int, message: str, *args: object) -> None:
        """
        Log what may happen on many connections of the engine at once.
        """
        log_throttle_of(self._engine).log(_LOG, level, message, *args)

    def give_up_if_read_only(self, driver: Any, error: BaseException | None) -> None:
        """
        Close a connection after an *error* that says that its server is no primary.
        """
        if error is not None and is_read_only(error):
            self.log(logging.WARNING, _READ_ONLY)
            self.give_up(driver)

    def give_up(self, driver: Any) -> None:
        """
        End what goes on on a connection whose server is silent, or takes no writes.

        What lies idle in the pool goes the same way to that server, and is given up
        with it: its next user would find out only after another failure.
        """
        self._dialect.direct.interrupt(driver)
        if self._dialect.can_cancel_statements:
            self.forget_idle()

    def forget_idle(self) -> None:
        """
        Break off the connections that lie in the pool, so that new ones are made.

        Outside of a greenlet SQLAlchemy does so without a word to the server.
        """
        with suppress(AttributeError):
            for record in tuple(records_of(self._engine.pool)):
                if record.dbapi_connection is not None:
                    record.invalidate()


def driver_of(conn: AsyncConnection) -> Any:
    """
    Return the driver's connection of one that is open.
    """
    return _pooled(conn).driver_connection


def acquire_now(lock: asyncio.Lock) -> bool:
    """
    Acquire *lock* if that needs no waiting, and nobody else waits for it.
    """
    acquiring = lock.acquire()
    try:
        acquiring.send(None)
    except StopIteration:
        return True
    acquiring.close()  # It has queued up, and leaves the queue.
    return False


def _pooled(connection: PoolProxiedConnection | AsyncConnection) -> Pooled:
    if not isinstance(connection, AsyncConnection):
        return connection
    return cast("sa.Connection", connection.sync_connection).connection


def _has_sound_connection(pool: Pool) -> bool:
    """
    Return whether the next record of the pool holds a connection that can be used.

    One that was invalidated connects again when it is checked out, which has to wait.
    """
    records = records_of(pool)
    if not records:
        return False
    record = records[-1] if _is_lifo(pool) else records[0]
    return record.dbapi_connection is not None and not _is_invalidated(record)


def _is_full(pool: Pool) -> bool:
    most: int = _max_size(pool)
    return 0 < most <= len(records_of(pool))


def _waits(pool: Pool) -> bool:
    # SQLAlchemy 2.0 waits where a pool has made all it may, also if one is at hand.
    if not _IS_TWO_ZERO:
        return False
    return -1 < getattr(pool, "_max_overflow", -1) <= getattr(pool, "_overflow", -1)


_IS_TWO_ZERO = sa.__version__.startswith("2.0.")
_is_lifo = attrgetter("_pool.use_lifo")
_is_invalidated = methodcaller("_is_hard_or_soft_invalidated")
_max_size = attrgetter("_pool.maxsize")
_listeners = attrgetter("dispatch.checkout", "dispatch.checkin", "dispatch.reset")
