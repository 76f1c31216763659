"""
What is used of aiosqlite below its public interface.

All of it stands in this file, and in the one of our own connections.
:func:`start` and :func:`run` do a whole transaction in one hop, on any connection of
aiosqlite's. Where :func:`has_thread` finds their private names gone, the dialect uses
the public interface, which makes a hop for each statement.

:class:`OpenFile` is kept on a connection, since it lives as long.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeAlias, TypeVar, cast

import attrs

from asm_async.errors import StorageError, StorageUnavailableError
from asm_async.fronts.cancellation import wait_uninterruptible
from asm_async.sql.dialects.sqlite.forks import new_gate

_Identity: TypeAlias = tuple[int, int]
_Job: TypeAlias = tuple[asyncio.Future[Any] | None, Callable[[], Any]]

T = TypeVar("T")

# An interrupted statement ends as soon as SQLite looks, every few thousand steps.
_MAX_SECONDS_TO_LAND = 5.0

# One whose thread is in a call of the system's, on a disk that does not answer, does
# not. Callers are to be told within a second of their deadline, and a group of writes
# is interrupted up to 0.75 s after it.
_SECONDS_TO_END = 0.15

_STUCK = "the disk did not answer, and the connection is left to its thread"

_FILE = "_asm_async_file"

# Short, since nothing can end it: timeout is spent between tries, where it can be.
MAX_BUSY_MILLISECONDS = 100
"""
How long a statement waits for the lock of another process.
"""


def has_thread(driver: object) -> bool:
    """
    Return whether work can be given to the thread of a driver's connection.
    """
    return hasattr(driver, "_tx") and hasattr(driver, "_conn")


class JobQueue:
    """
    Stands before the queue from which a thread takes its jobs.

    One task at a time uses a connection, so that one waits for it at most.
    """

    def __init__(self, queue: Any) -> None:
        self._queue = queue
        self._gate = new_gate()
        self._waiting: asyncio.Future[Any] | None = None
        self._tell: Callable[[BaseException], None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_given_up = False

    def put_nowait(self, job: _Job) -> None:
        """
        Take a job for the thread.
        """
        future, function = job
        if not self._is_given_up:
            self._waiting = future
        elif future is not None:
            # It is done if ever the thread comes back. Nobody waits for that.
            if not future.done():
                future.set_result(None)
            future = None
        self._queue.put_nowait((future, partial(_do_within, self._gate, function)))

    def begin(
        self, job: Callable[[], None], tell: Callable[[BaseException], None]
    ) -> None:
        """
        Take a job that tells by itself how it has ended, and calls :meth:`end` then.

        Args:
            job: What the thread does.

            tell: Called in the event loop if the thread does not come back.
        """
        self._tell = tell
        self._queue.put_nowait((None, partial(_do_within, self._gate, job)))

    def end(self) -> None:
        """
        Note that what was begun has ended.
        """
        self._tell = None

    @property
    def _awaited(self) -> object:
        if self._tell is not None:
            return self._tell
        waiting = self._waiting
        return None if waiting is None or waiting.done() else waiting

    def give_up_later(self, leave: Callable[[], None]) -> None:
        """
        Abandon the thread unless what it does, which was interrupted, ends soon.

        Args:
            leave: Called before anybody is told, so that nobody uses the connection.
        """
        awaited = self._awaited
        if awaited is None or self._timer is not None:
            return

        def look() -> None:
            self._timer = None
            if self._awaited is awaited:
                self._give_up(leave)

        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_SECONDS_TO_END, look)

    def _give_up(self, leave: Callable[[], None]) -> None:
        self._is_given_up = True
        leave()
        waiting, tell, self._tell = self._waiting, self._tell, None
        error = TimeoutError(_STUCK)
        if waiting is not None and not waiting.done():
            waiting.set_exception(error)
        if tell is not None:
            tell(error)


def _do_within(gate: threading.Lock, function: Callable[[], T]) -> T:
    """
    Do a job, which no fork of the process interrupts.
    """
    with gate:
        return function()


def jobs_of(driver: Any) -> JobQueue:
    """
    Return the queue of a driver's connection, which is put before its own if need be.
    """
    jobs = driver._tx  # noqa: SLF001 - see the module
    if not isinstance(jobs, JobQueue):
        jobs = driver._tx = JobQueue(jobs)  # noqa: SLF001 - see the module
    return jobs


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
    # connection would stay open forever where an engine is forgotten.
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


def hand_over(driver: Any, job: Callable[[], object]) -> None:
    """
    Have a job done by the thread of a driver's connection; nobody waits for it.
    """
    driver._tx.put_nowait((None, job))  # noqa: SLF001 - see the module


def interrupt(driver: Any) -> None:
    """
    Interrupt the statement that a driver's connection executes, if it does.

    If it does not end, its thread is in the disk: the connection is left to the thread,
    and the caller that waits for it gets a ``TimeoutError``.
    """
    # It never suspends; one that is closed refuses, or SQLite does as it is closing.
    with suppress(StopIteration, ValueError, sqlite3.ProgrammingError):
        driver.interrupt().send(None)
    file = file_of(driver)
    # One in memory waits for no disk, and is lost with its connection.
    is_in_memory = file is not None and not file.path
    if hasattr(driver, "_tx") and not getattr(driver, "is_in_memory", is_in_memory):
        jobs_of(driver).give_up_later(partial(_leave, driver))


def _leave(driver: Any) -> None:
    """
    Leave a connection to its thread, which closes it and ends when it comes back.
    """
    # One that is being closed needs no more than to be waited for no longer.
    if not is_left(driver):
        hand_over(driver, driver._conn.close)  # noqa: SLF001 - see the module
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
            await interrupt_and_wait(driver, has_landed)
        raise


async def interrupt_and_wait(driver: Any, has_landed: asyncio.Event) -> None:
    """
    Interrupt a statement, and wait until it *has_landed*, even if cancelled.

    The connection is not to be used by anybody else before that.
    """
    interrupt(driver)
    waiting = asyncio.ensure_future(has_landed.wait())
    end = asyncio.get_running_loop().time() + _MAX_SECONDS_TO_LAND
    await wait_uninterruptible(waiting, end)
    waiting.cancel()


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

    busy_timeout: int = 0
    """
    How many milliseconds its connection waits for locks by itself.
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
        ((file.busy_timeout,),) = connection.execute("PRAGMA busy_timeout")
        setattr(driver, _FILE, file)
    return file
