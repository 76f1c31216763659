"""
Blocking work beside the event loop, and what the operating system raises there.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from asm_async.errors import StorageBusyError, StorageError, StorageUnavailableError
from asm_async.fronts.cancellation import wait_uninterruptible

P = ParamSpec("P")
T = TypeVar("T")

_MAX_SECONDS_TO_END = 10.0

_BUSY = frozenset({errno.EBUSY, errno.EDEADLK, errno.ETXTBSY})

# What passes by itself. A full disk, a missing right or a broken medium does not.
_UNAVAILABLE = frozenset(
    {
        errno.EAGAIN,
        errno.EINTR,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOBUFS,
        errno.ENOLCK,
        errno.ENOMEM,
        errno.ESTALE,
        errno.ETIMEDOUT,
    }
)


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """
    Do *work* in a thread, and be done with it before a cancellation goes on.

    A thread cannot be interrupted: a caller that went on at once would clean up while
    the work still makes what is to be cleaned up. So *work* should be short; a caller
    that was cancelled waits for it for some seconds, and no longer where a disk hangs.
    """

    def call() -> T:
        return work(*args, **kwargs)

    loop = asyncio.get_running_loop()
    # A future, not a task: a loop that cancels all its tasks does not let go of it.
    future = loop.run_in_executor(None, call)
    with translated_os_errors():
        try:
            await asyncio.wait({future})
        except asyncio.CancelledError:
            # Nobody else asks what went wrong.
            future.add_done_callback(_ignore_error)
            await wait_uninterruptible(future, loop.time() + _MAX_SECONDS_TO_END)
            raise
        return future.result()


def _ignore_error(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()


@contextmanager
def translated_os_errors() -> Generator[None]:
    """
    Turn an ``OSError`` inside into a ``StorageError``; everything else passes.
    """
    try:
        yield
    except OSError as error:
        message = f"{type(error).__name__}: {error.strerror or error}"
        raise _translation(error)(message) from error


def _translation(error: OSError) -> type[StorageError]:
    if error.errno in _BUSY:
        return StorageBusyError
    return StorageUnavailableError if error.errno in _UNAVAILABLE else StorageError
