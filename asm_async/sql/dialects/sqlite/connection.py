"""
Connections and cursors of aiosqlite that need one hop for a statement.

For one statement SQLAlchemy asks the driver for a cursor, has it execute, fetches the
rows and closes it: four hops to the connection's thread, each of which costs more than
the statement itself. :class:`OneHopConnection` does with the first the work of all
four; engines of our own are made with it, through SQLAlchemy's ``async_creator_fn``.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, TypeAlias, cast

import attrs
from aiosqlite import Connection, Cursor
from aiosqlite.context import contextmanager

from asm_async.sql.dialects.sqlite.driver import (
    hand_over,
    interrupt,
    interrupt_and_wait,
    jobs_of,
)

Work: TypeAlias = Callable[[sqlite3.Connection], None]

_ROWS_PER_CHUNK = 64

# Of a file that is being opened, by a thread that may be in the disk.
_MAX_SECONDS_TO_STOP = 0.2

# The last connection copies the log into the file, up to 16 MiB of it. If that takes
# longer, the thread goes on with it, and nothing is lost if the process ends before.
_MAX_SECONDS_TO_CLOSE = 5.0


def has_living_thread(driver: Any) -> bool:
    """
    Return whether there is a thread that does what the connection is given.

    It dies with a fork, and when it has to answer an event loop that was closed.
    """
    thread = getattr(driver, "_thread", None)
    return thread is None or bool(thread.is_alive())


def close_left(driver: Any) -> None:
    """
    Close an idle connection whose thread is not there any more.
    """
    driver._conn.close()  # noqa: SLF001 - see the driver's
    # Collected, it would say that nobody has closed it.
    driver._connection = None  # noqa: SLF001 - see the driver's


def connect(database: str, **options: Any) -> OneHopConnection:
    """
    Make a connection that opens when it is awaited, as ``aiosqlite.connect`` does.
    """
    connection = OneHopConnection(lambda: sqlite3.connect(database, **options))
    connection.forbid_to_outlive_the_process()
    return connection


class OneHopConnection(Connection):
    """
    A connection whose cursors need no hop of their own.
    """

    closes_at: float | None = None
    """
    Until when to wait for its file to be closed, on the loop's clock.
    """

    is_in_memory: bool = False
    """
    Whether its database is lost with it.
    """

    _file: sqlite3.Connection | None = None
    _stopping: asyncio.Future[Any] | None = None
    _is_stopped: bool = False

    def __init__(self, open_file: Callable[[], sqlite3.Connection]) -> None:
        def keep() -> sqlite3.Connection:
            self._file = open_file()
            return self._file

        super().__init__(keep, _ROWS_PER_CHUNK)
        jobs_of(self)

    def forbid_to_outlive_the_process(self) -> None:
        """
        Let a process that forgets to close it exit all the same, as SQLAlchemy does.
        """
        self._thread.daemon = True

    def stop(self) -> asyncio.Future[Any] | None:
        """
        End the thread, some time after this.

        It closes the file first, also one that was opened for a caller who was
        cancelled meanwhile, of which the driver knows nothing.
        """
        # The thread ends at the first time, and would answer no second one.
        if self._is_stopped:
            return self._stopping
        self._is_stopped = True
        hand_over(self, self._close_file)
        self._stopping = super().stop()  # pyright: ignore[reportUnknownMemberType] - of what
        return self._stopping

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()

    async def _connect(self) -> Connection:
        try:
            return await super()._connect()
        except BaseException:
            # The thread tells the loop that it ends, so the loop must still be there.
            if self._stopping is not None:
                await asyncio.wait({self._stopping}, timeout=_MAX_SECONDS_TO_STOP)
            raise

    async def close(self) -> None:
        """
        Close the file, or leave that to the thread if the disk does not answer.
        """
        loop = asyncio.get_running_loop()
        end = self.closes_at or loop.time() + _MAX_SECONDS_TO_CLOSE
        timer = loop.call_at(end, interrupt, self)
        try:
            with suppress(TimeoutError):
                if not self._is_stopped:
                    await super().close()
                elif (stopping := self._stopping) and stopping.get_loop() is loop:
                    await asyncio.shield(stopping)
        finally:
            self._connection = None
            timer.cancel()

    @contextmanager
    async def cursor(self) -> Cursor:
        return _OneHopCursor(self, self._hop)

    async def _hop(self, work: Work) -> None:
        # See start: here the thread keeps the future, too, and so an error with all the
        # frames that it has passed, until it has something else to keep.
        handed = [work]

        def work_once(file: sqlite3.Connection) -> None:
            handed.pop()(file)

        try:
            await self._execute(work_once, self._conn)  # type: ignore[no-untyped-call] # as it is
        except BaseException as error:
            hand_over(self, _nothing)
            if self.is_in_memory and isinstance(error, asyncio.CancelledError):
                await self._land()
            raise

    async def _land(self) -> None:
        """
        Wait until the thread is done with a statement whose caller is cancelled.

        What it does must not take effect later, when others use the connection.
        """
        loop, landed = asyncio.get_running_loop(), asyncio.Event()
        hand_over(self, partial(loop.call_soon_threadsafe, landed.set))
        await interrupt_and_wait(self, landed)

    async def rollback(self) -> None:
        """
        Roll back, and hop only if there is something to roll back.
        """
        if self.in_transaction:
            await super().rollback()


def _nothing() -> None:
    """
    Do nothing: the thread forgets what it has done before.
    """


@attrs.frozen(kw_only=True)
class _Executed:
    """
    What is left of a cursor of ``sqlite3`` after its statement.
    """

    description: Any = None
    rowcount: int = -1
    lastrowid: int | None = None
    arraysize: int = 1


class _OneHopCursor(Cursor):
    """
    A cursor that holds all rows by the time its statement is executed.
    """

    def __init__(
        self, connection: Connection, hop: Callable[[Work], Awaitable[None]]
    ) -> None:
        super().__init__(connection, cast("sqlite3.Cursor", _Executed()))
        self._hop = hop
        self._rows: list[Any] = []

    async def execute(
        self, sql: str, parameters: Iterable[Any] | None = None
    ) -> Cursor:
        bound = () if parameters is None else tuple(parameters)
        await self._hop(lambda connection: self._keep(connection.execute(sql, bound)))
        return self

    async def executemany(
        self, sql: str, parameters: Iterable[Iterable[Any]]
    ) -> Cursor:
        bound = cast("Iterable[tuple[Any, ...]]", parameters)
        await self._hop(
            lambda connection: self._keep(connection.executemany(sql, bound))
        )
        return self

    def _keep(self, cursor: sqlite3.Cursor) -> None:
        self._rows = cursor.fetchall() if cursor.description else []
        self._cursor = cast(
            "sqlite3.Cursor",
            _Executed(
                description=cursor.description,
                rowcount=cursor.rowcount,
                lastrowid=cursor.lastrowid,
            ),
        )
        cursor.close()

    async def fetchone(self) -> Any:
        return self._rows.pop(0) if self._rows else None

    async def fetchmany(self, size: int | None = None) -> list[Any]:
        size = 1 if size is None else size
        taken, self._rows = self._rows[:size], self._rows[size:]
        return taken

    async def fetchall(self) -> list[Any]:
        taken, self._rows = self._rows, []
        return taken

    async def close(self) -> None:
        self._rows = []
