"""
One transaction: tried again as a whole, and out of cancellation's reach once begun.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Coroutine,
    Mapping,
    Sequence,
)
from contextlib import AsyncExitStack, asynccontextmanager
from copy import copy
from functools import partial
from typing import Any, TypeVar

import attrs
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.errors import StorageBusyError, StorageError
from asm_async.fronts.cancellation import wait_uninterruptible
from asm_async.fronts.loop_share import in_pieces
from asm_async.fronts.observing import Observation
from asm_async.sql.core.deadlines import (
    GRACE_SECONDS,
    MAX_CUT_SHORT,
    in_time,
    pause_after,
)
from asm_async.sql.core.engine_state import engine_state, log_throttle_of
from asm_async.sql.core.error_translation import (
    is_collision,
    is_cut_short,
    is_read_only,
    translated_errors,
)
from asm_async.sql.core.prepared import Prepared, Row
from asm_async.sql.dialects import Dialect, dialect_of
from asm_async.sql.transactions.call import Call, FirstCalls
from asm_async.sql.transactions.call_log import CallLog
from asm_async.sql.transactions.connections import (
    DriverConnections,
    acquire_now,
    driver_of,
)

T = TypeVar("T")

_PROLONG = "asm_async_prolong"

_MAX_COLLISIONS = 3

# An interrupted statement ends as soon as SQLite looks, every few thousand steps; what
# comes between two statements has to be interrupted again.
_MAX_SECONDS_TO_END = 5.0
_INTERRUPT_INTERVAL = 0.05


@attrs.frozen(kw_only=True)
class Transaction:
    """
    A transaction that may write, for as long as the work in it lasts.
    """

    conn: AsyncConnection
    dialect: Dialect
    timeout: float
    """
    How long, in seconds, it may still wait for locks.
    """

    async def lock_sessions(self, session_ids: set[str]) -> None:
        """
        Keep other writers off these sessions until the transaction ends.

        Every transaction that writes a session's rows calls this, once, before it
        writes anything.
        """
        await self.dialect.lock(self.conn, session_ids, self.timeout)


class Transactions:
    """
    Runs reads and writes on an engine, and tries again what may succeed later.

    Args:
        engine: Whose connections to use; not disposed here.

        timeout: How long, in seconds, a call goes on trying while the database is busy,
            out of reach or silent.

        min_seconds: How long a transaction may take at least once it has a connection.
    """

    def __init__(
        self, engine: AsyncEngine, timeout: float, *, min_seconds: float = 0
    ) -> None:
        self.engine = engine
        self._min_seconds = min_seconds
        self.timeout = timeout
        self.dialect: Dialect = dialect_of(engine)
        self.connections: DriverConnections = DriverConnections(engine, self.dialect)
        self.call_log: CallLog = CallLog(partial(log_throttle_of, engine))
        self.observation: Observation = Observation()
        """
        Where it stands who observes the port that these are for.
        """
        self.first_calls: FirstCalls = FirstCalls()
        self.is_read_only: bool = False
        """
        Whether the server took no writes when it was first used: it is a standby.
        """
        self._under_way: set[asyncio.Task[Any]] = set()
        self._deadline: float | None = None
        self._tries_once = False

    def until(self, deadline: float, *, tries_once: bool = False) -> Transactions:
        """
        Return the same for a call that has to be over by a *deadline*.

        If it *tries_once*, what fails is left to be tried elsewhere.
        """
        same = copy(self)
        same._deadline, same._tries_once = deadline, tries_once  # noqa: SLF001 - its own
        return same

    async def fetch(
        self, query: Prepared, parameters: Mapping[str, Any]
    ) -> list[list[Any]]:
        """
        Return the rows of one query, on a connection of the driver's.
        """
        call, step = self.new_call(), query.one(parameters)

        async def attempt() -> Sequence[Row]:
            async with self.connections.lend(call.deadline) as driver:
                return await self.dialect.direct.fetch(driver, step)

        rows = await self._until_done(attempt, call, is_repeatable=True)
        with translated_errors():
            return await in_pieces(query.read_row, rows)

    async def read(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """
        Do *work*, which writes nothing, on a connection.
        """
        call = self.new_call()
        call.writes = False

        async def attempt() -> T:
            async with self.connection(call) as conn:
                return await work(conn)

        trying = self._until_done(attempt, call, is_repeatable=True)
        return await self._settled(trying, call)

    async def read_snapshot(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """
        Do *work*, which writes nothing, and whose statements all see one moment.
        """

        async def read_at_one_moment(conn: AsyncConnection) -> T:
            await self.dialect.begin_snapshot(conn)
            return await work(conn)

        return await self.read(read_at_one_moment)

    async def write(
        self, work: Callable[[Transaction], Awaitable[T]], *, is_repeatable: bool
    ) -> T:
        """
        Do *work* in a transaction and commit it.

        Cancelled before the transaction begins, the call is withdrawn. After that the
        caller waits until the outcome is known, as long as timeout lasts.

        Args:
            work: Done from the start, on a new connection, each time it is tried again.

            is_repeatable: Whether doing it twice is as good as once, so that it may be
                tried again although it may have been committed.
        """
        call = self.new_call()

        async def attempt() -> T:
            async with (
                self.write_lock(call.deadline),
                self.connection(call) as conn,
            ):
                call.has_begun = True
                left = call.deadline - asyncio.get_running_loop().time()
                await self.dialect.begin_write(conn)
                transaction = Transaction(conn=conn, dialect=self.dialect, timeout=left)
                result = await work(transaction)
                with translated_errors(committing=True):
                    await self.dialect.commit(conn)
                return result

        trying = self._until_done(attempt, call, is_repeatable=is_repeatable)
        return await self._settled(trying, call)

    @asynccontextmanager
    async def write_lock(self, deadline: float) -> AsyncGenerator[None]:
        """
        Enclose a transaction that writes, where only one at a time can.

        Raises:
            StorageBusyError: If its turn has not come by *deadline*, on the loop's
                clock.
        """
        if not self.dialect.serialises_writers:
            yield
            return
        lock = engine_state(self.engine).write_lock
        # One that is not locked may have been released just now, to the next in line.
        if not acquire_now(lock):
            busy = StorageBusyError("another writer of this process has the write lock")
            async with in_time(deadline, busy):
                await lock.acquire()
        try:
            yield
        finally:
            lock.release()

    async def aclose(self) -> None:
        """
        Wait for whatever goes on after its caller was cancelled.
        """
        while self._under_way:
            await asyncio.wait(self._under_way)

    def is_final(self, error: StorageError) -> bool:
        """
        Return whether another try would only fail again, on another connection too.

        A primary that was demoted has a successor, which new connections find; a
        caller that began on a standby is to hear at once that it is one.
        """
        return self.is_read_only and is_read_only(error)

    def new_call(self) -> Call:
        """
        Begin a call, which has to be over within the timeout.
        """
        if self._deadline is not None:
            return Call(self._deadline)
        timeout, first_calls = self.timeout, self.first_calls
        if first_calls.deadlines:
            timeout = first_calls.take_seconds(timeout)
        return Call(asyncio.get_running_loop().time() + timeout)

    @asynccontextmanager
    async def connection(self, call: Call) -> AsyncGenerator[AsyncConnection]:
        """
        Lend a connection and see to it that no transaction stays open on it.

        The pool's own reset may be switched off, and does not know of a transaction
        that was begun in SQL: somebody else's may be open on it already.
        """
        clock = asyncio.get_running_loop().time
        async with AsyncExitStack() as stack:
            conn = await self.connections.connect(call.deadline)
            call.driver = driver_of(conn)
            stack.callback(setattr, call, "driver", None)
            end = max(call.deadline, clock() + self._min_seconds)
            ending = self.connections.ends_at(call.driver, end)
            postpone = stack.enter_context(ending)
            stack.push_async_exit(conn)
            conn.info[_PROLONG] = postpone, self.timeout
            stack.callback(conn.info.pop, _PROLONG)
            try:
                await self.dialect.leave_transaction(conn)
                call.is_working = True
                yield conn
            except BaseException as error:
                call.is_working = False
                await self._abandon(conn, error)
                raise
            call.is_working = False
            # What was done is done: it does not fail because of what comes after it.
            await self._abandon(conn, None)

    async def _abandon(
        self, conn: AsyncConnection, error: BaseException | None
    ) -> None:
        """
        Leave no transaction open, or give the connection up.
        """
        if conn.invalidated:
            return
        try:
            await self.dialect.roll_back(conn)
            driver = driver_of(conn)
            self.connections.give_up_if_read_only(driver, error)
            if self.dialect.direct.is_lost(driver):
                await conn.invalidate()
        except Exception as second:  # noqa: BLE001 - the connection goes, and so does this
            await conn.invalidate()
            self.call_log.note_given_up(second)
            if error is not None:
                error.add_note(f"and the connection was given up: {second!r}")

    async def _until_done(
        self, attempt: Callable[[], Awaitable[T]], call: Call, *, is_repeatable: bool
    ) -> T:
        """
        Make attempts until one succeeds, fails for good, or timeout runs out.
        """
        clock = asyncio.get_running_loop().time
        collisions = cut_short = 0
        for failures in itertools.count(1):
            try:
                with translated_errors():
                    result = await attempt()
                if self.call_log.is_out_of_reach:
                    self.call_log.note_success()
            except StorageError as error:
                call.has_begun = False
                call.may_be_committed |= error.outcome_unknown
                collisions += is_collision(error)
                cut_short += is_cut_short(error)
                is_hopeless = self.is_final(error) or cut_short > MAX_CUT_SHORT
                is_transient = error.retryable or 0 < collisions <= _MAX_COLLISIONS
                is_transient &= not is_hopeless
                may_repeat = is_repeatable or not call.may_be_committed
                pause = pause_after(failures)
                is_late = self._tries_once or clock() + pause > call.deadline
                is_over = is_late or (call.is_withdrawn and not call.has_effect)
                if is_over or not (is_transient and may_repeat):
                    self.call_log.note_failure(error, call.deadline)
                    raise call.with_outcome(error) from error.__cause__
                self.call_log.note_retry(error)
                if (observer := self.observation.observer) is not None:
                    observer.note_retry(error)
            else:
                return result
            await asyncio.sleep(pause)
        raise AssertionError  # there is no end to counting

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            # A caller that was cancelled leaves an error that nobody else looks at.
            task.exception()

    async def _settled(self, trying: Coroutine[Any, Any, T], call: Call) -> T:
        """
        Await *trying* in a task of its own, which outlives the caller's cancellation.
        """
        task = asyncio.ensure_future(trying)
        self._under_way.add(task)
        task.add_done_callback(self._forget)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            call.is_withdrawn = True
            if call.writes:
                if not call.has_effect:
                    task.cancel()
                await wait_uninterruptible(task, call.deadline + GRACE_SECONDS)
            else:
                await self._interrupt(task, call)
            raise

    async def _interrupt(self, task: asyncio.Task[Any], call: Call) -> None:
        """
        End what only reads, and wait until its connection is free.

        To cancel the task would close it, and with it a database in memory; so would
        a rollback that is interrupted.
        """
        clock = asyncio.get_running_loop().time
        start = clock()
        if call.driver is None:
            task.cancel()
        while not task.done() and clock() < start + _MAX_SECONDS_TO_END:
            is_stuck = clock() >= start + _INTERRUPT_INTERVAL
            if call.driver is not None and (call.is_working or is_stuck):
                self.dialect.direct.interrupt(call.driver)
            await wait_uninterruptible(task, clock() + _INTERRUPT_INTERVAL)


def prolong(conn: AsyncConnection, seconds: float | None = None) -> None:
    """
    Let work of many statements go on for another timeout, since it makes progress.

    Args:
        conn: On which a :class:`Transactions` has it done.

        seconds: For how long, if not for the timeout; ``inf`` is no bound.
    """
    postpone, timeout = conn.info[_PROLONG]
    now = asyncio.get_running_loop().time()
    postpone(now + (timeout if seconds is None else seconds))
