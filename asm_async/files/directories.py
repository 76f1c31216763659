"""
Directories by descriptor: never through a symbolic link, locked, and synced.
"""

from __future__ import annotations

import logging
import os
import random
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from asm_async.errors import StorageBusyError, UnsupportedOperationError

if sys.platform != "win32":
    import fcntl

_LOG = logging.getLogger(__name__)

_FOR_OWNER_ALONE = 0o700


def check_platform(subject: str) -> None:
    """
    Refuse a system on which the promises cannot be kept.

    Args:
        subject: What makes them, for the error.

    Raises:
        UnsupportedOperationError: On Windows, which has neither file locks that a
            killed process lets go of at once nor a way to sync a directory.
    """
    if sys.platform == "win32":
        raise UnsupportedOperationError(f"{subject} needs a POSIX system")


def make_directory(path: Path) -> None:
    """
    Make a directory, for its owner alone, and those above it, to stay after a crash.
    """
    if path.is_dir():
        return
    make_directory(path.parent)
    path.mkdir(_FOR_OWNER_ALONE, exist_ok=True)
    with open_directory(path.parent) as parent:
        sync(parent)


@contextmanager
def open_directory(
    name: str | Path, parent: int | None = None, *, create: bool = False
) -> Generator[int]:
    """
    Lend a descriptor of a directory, which is made, for its owner alone, if need be.

    Its *name* is its path, or that within *parent*, the descriptor of the directory it
    lies in; there a symbolic link of this name is refused.
    """
    if create:
        with suppress(FileExistsError):
            os.mkdir(name, _FOR_OWNER_ALONE, dir_fd=parent)
    no_link = 0 if parent is None else os.O_NOFOLLOW
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | no_link
    descriptor = os.open(name, flags, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def names_in(descriptor: int) -> list[str]:
    """
    Return the names in a directory, in ascending order.
    """
    with os.scandir(descriptor) as entries:
        return sorted(entry.name for entry in entries)


def sync(descriptor: int) -> None:
    """
    Wait until a file's content, or a directory's entries, would survive a power cut.
    """
    if sys.platform == "darwin":
        # Plain fsync leaves the data in the drive's cache there.
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fsync(descriptor)


def touch(descriptor: int) -> None:
    """
    Set a file's time of modification to now, by the clock that programs read.

    The kernel's own for this purpose runs some milliseconds behind it.
    """
    now = time.time_ns()
    os.utime(descriptor, ns=(now, now))


def try_to_lock(descriptor: int) -> bool:
    """
    Lock a file or directory against all other descriptors, if it is free.

    The lock holds between processes and goes with this one, however it ends.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def locked(descriptor: int, timeout: float) -> Generator[None]:
    """
    Hold the lock of :func:`try_to_lock`.

    Raises:
        StorageBusyError: If it is not free within *timeout* seconds.
    """
    deadline = time.monotonic() + timeout
    while not try_to_lock(descriptor):
        if time.monotonic() > deadline:
            _LOG.warning("the lock of a directory was not free within %g s", timeout)
            raise StorageBusyError("another process holds the lock of the directory")
        time.sleep(random.uniform(0.001, 0.01))  # noqa: S311 - nothing is secret here
    try:
        yield
    finally:
        # A child that was forked meanwhile holds the descriptor, and the lock, too.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
