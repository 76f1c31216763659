"""
What the operating system raises, as our errors: by its error number.
"""

from __future__ import annotations

import errno
from collections.abc import Generator
from contextlib import contextmanager

from asm_async.errors import StorageBusyError, StorageError, StorageUnavailableError

__all__ = ["translated_os_errors"]

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
