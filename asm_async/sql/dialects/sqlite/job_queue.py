"""
What the thread of a connection is to do, and who waits for it.

A thread that is in a call of the system's, on a disk that does not answer, cannot be
interrupted: whoever waits for it is told so, and the connection is left to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

Job: TypeAlias = tuple[asyncio.Future[Any] | None, Callable[[], Any]]
"""
As aiosqlite has it: what is to be done, and where to tell of it.
"""

# An interrupted statement ends within milliseconds where its thread is not in the disk.
# Callers are to be told within a second of their deadline; a group of writes is
# interrupted up to 0.75 s after it.
_SECONDS_TO_END = 0.15

_STUCK = "the disk did not answer, and the connection is left to its thread"


class JobQueue:
    """
    Stands before the queue from which a thread takes its jobs.

    One task at a time uses a connection, so that one waits for it at most.
    """

    def __init__(self, queue: Any) -> None:
        self._queue = queue
        self._waiting: asyncio.Future[Any] | None = None
        self._tell: Callable[[BaseException], None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_given_up = False

    def put_nowait(self, job: Job) -> None:
        """
        Take a job for the thread.
        """
        future, function = job
        if self._is_given_up:
            # It is done if ever the thread comes back. Nobody waits for that.
            if future is not None and not future.done():
                future.set_result(None)
            self._queue.put_nowait((None, function))
            return
        self._waiting = future
        self._queue.put_nowait(job)

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
        self._queue.put_nowait((None, job))

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
        Give the thread up unless what it does, which was interrupted, ends soon.

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


def jobs_of(driver: Any) -> JobQueue:
    """
    Return the queue of a driver's connection, which is put before its own if need be.
    """
    jobs = driver._tx  # noqa: SLF001 - aiosqlite's, as in the driver's module
    if not isinstance(jobs, JobQueue):
        jobs = driver._tx = JobQueue(jobs)  # noqa: SLF001
    return jobs
