"""
Blocking work beside the event loop, and what the operating system raises there.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import ParamSpec, TypeVar

from asm_async.errors import StorageBusyError, StorageError, StorageUnavailableError

P = ParamSpec("P")
T = TypeVar("T")

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
    the work still makes what is to be cleaned up. So *work* should be short.
    """

    def call() -> T:
        return work(*args, **kwargs)

    # A future, not a task: a loop that cancels all its tasks does not let go of it.
    future = asyncio.get_running_loop().run_in_executor(None, call)
    with translated_os_errors():
        try:
            await asyncio.wait({future})
        except asyncio.CancelledError:
            while not future.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait({future})
            # Nobody else asks what went wrong.
            future.exception()
            raise
        return future.result()


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
