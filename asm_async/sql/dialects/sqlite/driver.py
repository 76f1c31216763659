"""
What is used of aiosqlite below its public interface: all of it stands in this file.

For one statement SQLAlchemy asks the driver for a cursor, has it execute, fetches the
rows and closes it: four hops to the connection's thread, each of which costs more than
the statement itself. :class:`OneHopConnection` does with the first the work of all
four; engines of our own are made with it, through SQLAlchemy's ``async_creator_fn``.
:func:`start` and :func:`run` do a whole transaction in one hop, on any connection of
aiosqlite's. Where :func:`has_thread` finds their private names gone, the dialect uses
the public interface, which makes a hop for each statement.

:class:`OpenFile` is kept on a connection, since it lives as long.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeAlias, TypeVar, cast

import attrs
from aiosqlite import Connection, Cursor
from aiosqlite.context import contextmanager

from asm_async.errors import StorageError, StorageUnavailableError
from asm_async.fronts.cancellation import wait_uninterruptible
from asm_async.sql.dialects.sqlite.cursor import OneHopCursor, Work
from asm_async.sql.dialects.sqlite.job_queue import jobs_of

_Identity: TypeAlias = tuple[int, int]

T = TypeVar("T")

_ROWS_PER_CHUNK = 64

# An interrupted statement ends as soon as SQLite looks, every few thousand steps.
_MAX_SECONDS_TO_LAND = 5.0

# Of a file that is being opened, by a thread that may be in the disk.
_MAX_SECONDS_TO_STOP = 0.2

# The last connection copies the log into the file. If that takes longer, the thread
# goes on with it, and nothing is lost if the process ends before.
_MAX_SECONDS_TO_CLOSE = 0.5

_FILE = "_asm_async_file"


def has_thread(driver: object) -> bool:
    """
    Return whether work can be given to the thread of a driver's connection.
    """
    return hasattr(driver, "_tx") and hasattr(driver, "_conn")


def has_living_thread(driver: Any) -> bool:
    """
    Return whether there is a thread that does what the connection is given.

    It dies with a fork, and when it has to answer an event loop that was closed.
    """
    return bool(driver._thread.is_alive())  # noqa: SLF001 - see the module


def close_left(driver: Any) -> None:
    """
    Close an idle connection whose thread is not there any more.
    """
    connection: sqlite3.Connection = driver._conn  # noqa: SLF001 - see the module
    connection.close()
    # Collected, it would say that nobody has closed it.
    driver._connection = None  # noqa: SLF001 - see the module


def start(
    driver: Any,
    work: Callable[[sqlite3.Connection], T],
    done: Callable[[T | None, BaseException | None], None],
) -> None:
    """
    Have *work* done in the thread of a driver's connection, and return at once.

    Args:
        driver: A connection that :func:`has_thread`.

        work: Is given the connection of ``sqlite3``.

        done: Called in the event loop with what *work* returned or raised; with a
            ``TimeoutError`` if the thread was given up, see :func:`interrupt`.

    Raises:
        ValueError: If the connection is closed.
    """
    loop, connection = asyncio.get_running_loop(), driver._conn  # noqa: SLF001 - see the module
    jobs, is_over = jobs_of(driver), False

    def end(result: T | None, failure: BaseException | None) -> None:
        nonlocal is_over
        if not is_over:
            is_over = True
            jobs.end()
            done(result, failure)

    # The waiting thread keeps the last job, which must not keep the driver in turn: its
    # connection would stay open for ever where an engine is forgotten.
    handed = [(work, end)]

    def job() -> None:
        work, end = handed.pop()
        result: T | None = None
        failure: BaseException | None = None
        try:
            result = work(connection)
        except BaseException as error:  # noqa: BLE001 - the thread must go on
            failure = error
        # A loop that was closed meanwhile has nobody left who waits.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(end, result, failure)

    jobs.begin(job, partial(end, None))


def _hand_over(driver: Any, job: Callable[[], None]) -> None:
    driver._tx.put_nowait((None, job))  # noqa: SLF001 - see the module


def interrupt(driver: Any) -> None:
    """
    Interrupt the statement that a driver's connection executes, if it does.

    If it does not end, its thread is in the disk: the connection is left to the thread,
    and whoever waits for it gets a ``TimeoutError``.
    """
    # It never suspends; one that is closed refuses, or SQLite does as it is closing.
    with suppress(StopIteration, ValueError, sqlite3.ProgrammingError):
        driver.interrupt().send(None)
    file = file_of(driver)
    # A database in memory waits for no disk, and is lost with its connection.
    if hasattr(driver, "_tx") and (file is None or file.path):
        jobs_of(driver).give_up_later(partial(_leave, driver))


def _leave(driver: Any) -> None:
    """
    Leave a connection to its thread, which closes it and ends when it comes back.
    """
    _hand_over(driver, driver._conn.close)  # noqa: SLF001 - see the module
    driver.stop()
    # So everybody finds it closed, and waits for nothing.
    driver._connection = None  # noqa: SLF001 - see the module


def is_left(driver: object) -> bool:
    """
    Return whether a connection was closed, or left to its thread.
    """
    return getattr(driver, "_connection", driver) is None


async def run(driver: Any, work: Callable[[sqlite3.Connection], T]) -> T:
    """
    Have *work*, which writes nothing, done in the thread of a driver's connection.

    Cancelled, it interrupts the statement and waits until the thread is done with it,
    since the connection is not to be used by anybody else before that.
    """
    loop = asyncio.get_running_loop()
    landed: asyncio.Future[T] = loop.create_future()
    # What a cancellation does not take with it, unlike what is waited for.
    has_landed = asyncio.Event()

    def done(result: T | None, failure: BaseException | None) -> None:
        has_landed.set()
        if landed.done():
            return
        if failure is None:
            landed.set_result(cast("T", result))
        else:
            landed.set_exception(failure)

    start(driver, work, done)
    try:
        return await landed
    except asyncio.CancelledError:
        if not has_landed.is_set():
            interrupt(driver)
            waiting = asyncio.ensure_future(has_landed.wait())
            await wait_uninterruptible(waiting, loop.time() + _MAX_SECONDS_TO_LAND)
            waiting.cancel()
        raise


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

    _file: sqlite3.Connection | None = None
    _stopping: asyncio.Future[Any] | None = None

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
        _hand_over(self, self._close_file)
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
        timer = loop.call_later(_MAX_SECONDS_TO_CLOSE, interrupt, self)
        try:
            with suppress(TimeoutError):
                await super().close()
        finally:
            timer.cancel()

    @contextmanager
    async def cursor(self) -> Cursor:
        return OneHopCursor(self, self._hop)

    async def _hop(self, work: Work) -> None:
        # See start: here the thread keeps the future, too, and so an error with all the
        # frames that it has passed, until it has something else to keep.
        handed = [work]

        def work_once(file: sqlite3.Connection) -> None:
            handed.pop()(file)

        try:
            await self._execute(work_once, self._conn)  # type: ignore[no-untyped-call] # as it is
        except BaseException:
            _hand_over(self, _nothing)
            raise

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


def identity_of(path: str) -> _Identity | None:
    """
    Return what tells the file at *path* from any other, None if there is none.

    Raises:
        StorageError: If the file has a second name.
    """
    try:
        found = os.stat(path)  # noqa: PTH116 - twice as fast as a Path, and asked often
    except (FileNotFoundError, NotADirectoryError):
        return None
    if found.st_nlink > 1:
        raise StorageError(
            f"{path} is one of {found.st_nlink} names of one file (hard links). SQLite"
            " keeps a log for each name, and writes through one are lost through"
            " another: remove the other names, or make them symbolic links"
        )
    return found.st_dev, found.st_ino


@attrs.define
class OpenFile:
    """
    The file that one connection has open, by its identity.

    A file that is moved away or removed while it is open takes what is written to it as
    before, and nobody will ever find it there. SQLite itself looks for that only where
    the journal is no write-ahead log ("How To Corrupt An SQLite Database File", on
    unlinking or renaming a database file while in use). It happens to developers, who
    remove the file under a running server, so one look is made before each group of
    writes.
    """

    path: str
    """
    Of the database; nothing if it is in memory.
    """

    is_stale: bool = False
    """
    Whether nothing can be done with the connection any more, though with another.
    """

    _known: _Identity | None = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._known = identity_of(self.path) if self.path else None

    def check(self) -> None:
        """
        Refuse to go on with a file that is not where it was.

        Raises:
            StorageError: If there is none, which may come back and be the same, or it
                has a second name.

            StorageUnavailableError: If another has its place, for another connection.
        """
        if self._known is None:
            return
        found = identity_of(self.path)
        if found == self._known:
            return
        if found is None:
            raise StorageError(
                f"{self.path} is missing: it was moved or removed while it was open."
                " Put it back: until then nothing is written, since it would be lost"
            )
        self.is_stale = True
        raise StorageUnavailableError(
            f"{self.path} is not the file that was opened: it was moved, removed or"
            " replaced meanwhile. Open it again"
        )


def file_of(driver: object) -> OpenFile | None:
    """
    Return what is known of the file of a driver's connection, None if nothing is yet.
    """
    return cast("OpenFile | None", getattr(driver, _FILE, None))


def find_file(driver: Any, connection: sqlite3.Connection) -> OpenFile:
    """
    Return the file of a driver's connection, in whose thread this is.
    """
    file = file_of(driver)
    if file is None:
        found = connection.execute("PRAGMA database_list").fetchall()
        file = OpenFile(next((path for _, name, path in found if name == "main"), ""))
        setattr(driver, _FILE, file)
    return file
