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
from typing import Any, TypeVar

import attrs
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.errors import StorageBusyError, StorageError
from asm_async.fronts.loop_share import in_pieces
from asm_async.sql.core.deadlines import in_time, pause_after, wait_uninterruptible
from asm_async.sql.core.engine_state import engine_state
from asm_async.sql.core.error_translation import (
    is_collision,
    is_cut_short,
    translated_errors,
    with_outcome,
)
from asm_async.sql.core.prepared import Prepared, Row
from asm_async.sql.dialects import Dialect, dialect_of
from asm_async.sql.transactions.connections import DriverConnections

T = TypeVar("T")

_MAX_COLLISIONS = 3

# What takes too long for the server mostly does so again.
_MAX_CUT_SHORT = 2


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


@attrs.define
class _Call:
    deadline: float
    has_begun: bool = False
    is_withdrawn: bool = False
    may_be_committed: bool = False

    @property
    def has_effect(self) -> bool:
        """
        Whether something was done whose outcome must be waited for.
        """
        return self.has_begun or self.may_be_committed


class Transactions:
    """
    Runs reads and writes on an engine, and tries again what may succeed later.

    Args:
        engine: Whose connections to use; not disposed here.

        timeout:
            How long, in seconds, a call goes on trying while the database is busy or
            out of reach.
    """

    def __init__(self, engine: AsyncEngine, timeout: float) -> None:
        self.engine = engine
        self.timeout = timeout
        self.dialect: Dialect = dialect_of(engine)
        self.connections: DriverConnections = DriverConnections(engine, self.dialect)
        self._under_way: set[asyncio.Task[Any]] = set()

    async def fetch(
        self, query: Prepared, parameters: Mapping[str, Any]
    ) -> list[list[Any]]:
        """
        Return the rows of one query, on a connection of the driver's.
        """
        call, step = self._new_call(), query.one(parameters)

        async def attempt() -> Sequence[Row]:
            async with self.connections.lend(call.deadline) as driver:
                return await self.dialect.direct.fetch(driver, step)

        rows = await self._until_done(attempt, call, is_repeatable=True)
        return await in_pieces(query.read_row, rows)

    async def read(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """
        Do *work*, which writes nothing, on a connection.
        """
        call = self._new_call()

        async def attempt() -> T:
            async with self.connection(call.deadline) as conn:
                return await work(conn)

        trying = self._until_done(attempt, call, is_repeatable=True)
        if self.dialect.can_cancel_statements:
            return await trying
        call.has_begun = True
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
        call = self._new_call()

        async def attempt() -> T:
            async with (
                self.write_lock(call.deadline),
                self.connection(call.deadline) as conn,
            ):
                call.has_begun = True
                left = call.deadline - asyncio.get_running_loop().time()
                await self.dialect.begin_write(conn)
                result = await work(
                    Transaction(conn=conn, dialect=self.dialect, timeout=left)
                )
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
        turn = engine_state(self.engine).write_lock
        if turn.locked():
            busy = StorageBusyError("another writer of this process has the turn")
            async with in_time(deadline, busy):
                await turn.acquire()
        else:
            # This does not suspend.
            await turn.acquire()
        try:
            yield
        finally:
            turn.release()

    async def aclose(self) -> None:
        """
        Wait for whatever goes on after its caller was cancelled.
        """
        while self._under_way:
            await asyncio.wait(self._under_way)

    def _new_call(self) -> _Call:
        return _Call(asyncio.get_running_loop().time() + self.timeout)

    @asynccontextmanager
    async def connection(self, deadline: float) -> AsyncGenerator[AsyncConnection]:
        """
        Lend a connection and see to it that no transaction stays open on it.

        The pool's own reset may be switched off, and does not know of a transaction
        that was begun in SQL: somebody else's may be open on it already.
        """
        async with AsyncExitStack() as stack:
            conn = await self.connections.connect(deadline)
            stack.push_async_exit(conn)
            try:
                await self.dialect.leave_transaction(conn)
                yield conn
            except BaseException as error:
                await self._abandon(conn, error)
                raise
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
            raw = await conn.get_raw_connection()
            if self.dialect.direct.is_lost(raw.driver_connection):
                await conn.invalidate()
        except Exception as second:  # noqa: BLE001 - the connection goes, and so does this
            await conn.invalidate()
            if error is not None:
                error.add_note(f"and the connection was given up: {second!r}")

    async def _until_done(
        self, attempt: Callable[[], Awaitable[T]], call: _Call, *, is_repeatable: bool
    ) -> T:
        """
        Make attempts until one succeeds, fails for good, or timeout runs out.
        """
        clock = asyncio.get_running_loop().time
        collisions = cut_short = 0
        for failures in itertools.count(1):
            try:
                with translated_errors():
                    return await attempt()
            except StorageError as error:
                call.has_begun = False
                call.may_be_committed |= error.outcome_unknown
                collisions += is_collision(error)
                cut_short += is_cut_short(error)
                is_transient = error.retryable or 0 < collisions <= _MAX_COLLISIONS
                is_transient &= cut_short <= _MAX_CUT_SHORT
                may_repeat = is_repeatable or not call.may_be_committed
                pause = pause_after(failures)
                is_late = clock() + pause > call.deadline
                is_over = is_late or (call.is_withdrawn and not call.has_effect)
                if is_over or not (is_transient and may_repeat):
                    raise _with_outcome(error, call) from error.__cause__
            await asyncio.sleep(pause)
        raise AssertionError  # there is no end to counting

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            # A caller that was cancelled leaves an error that nobody else looks at.
            task.exception()

    async def _settled(self, trying: Coroutine[Any, Any, T], call: _Call) -> T:
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
            if not call.has_effect:
                task.cancel()
            await wait_uninterruptible(task, call.deadline)
            raise


def _with_outcome(error: StorageError, call: _Call) -> StorageError:
    if error.outcome_unknown or not call.may_be_committed:
        return error
    return with_outcome(error, outcome_unknown=True)
