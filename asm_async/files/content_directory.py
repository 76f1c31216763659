"""
Where contents lie in a directory, and what is done to them; every call blocks.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from asm_async.errors import ArtifactDamagedError, ArtifactNotFoundError
from asm_async.files.directories import (
    locked,
    make_directory,
    names_in,
    open_directory,
    sync,
    touch,
    try_to_lock,
)
from asm_async.ports.artifact_arguments import ChecksumFilter

__all__ = ["ContentDirectory"]

_TEMPORARY = "tmp"
_SHARD = re.compile(r"[0-9a-f]{2}", re.ASCII)
_CHECKSUM = re.compile(r"[0-9a-f]{64}", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ContentDirectory:
    """
    Contents as files ``ab/ab12...``, and ``tmp`` beside them for what is not done yet.

    A content's age is its file's time of modification. It is changed, and a content is
    removed, under the lock of the shard: the directory ``ab``.

    Args:
        path: Of the directory; made when the first content is put.

        timeout: How long, in seconds, to wait for a lock.
    """

    def __init__(self, path: Path, timeout: float) -> None:
        self._path = path
        self._timeout = timeout

    @contextmanager
    def temporaries(self) -> Generator[int]:
        """
        Lend the directory for what is not done yet; make it if need be.
        """
        make_directory(self._path)
        with (
            open_directory(self._path) as root,
            open_directory(_TEMPORARY, root, create=True) as temporaries,
        ):
            yield temporaries

    def keep(self, name: str, temporaries: int, checksum: str) -> None:
        """
        Let a synced file of :meth:`temporaries` be the content, and any before it go.
        """
        with (
            open_directory(self._path) as root,
            open_directory(checksum[:2], root, create=True) as shard,
        ):
            with locked(shard, self._timeout):
                os.replace(name, checksum, src_dir_fd=temporaries, dst_dir_fd=shard)
            sync(shard)
            sync(root)

    def open(self, checksum: str) -> int:
        """
        Open a content for reading.

        Raises:
            ArtifactNotFoundError: If there is none.

            ArtifactDamagedError: If what is there is no file.
        """
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            with self._shard(checksum) as shard:
                descriptor = os.open(checksum, flags, dir_fd=shard)
        except FileNotFoundError:
            raise ArtifactNotFoundError(checksum) from None
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            raise ArtifactDamagedError(f"content {checksum} is no file") from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise ArtifactDamagedError(f"content {checksum} is no file")
        return descriptor

    def renew(self, checksum: str, descriptor: int) -> bool:
        """
        Make a content young again, as if it were put now.

        Args:
            checksum: Which content.

            descriptor: The file that was found to be whole.

        Returns:
            Whether that file still is the content.
        """
        with (
            open_directory(self._path) as root,
            open_directory(checksum[:2], root) as shard,
        ):
            with locked(shard, self._timeout):
                try:
                    found = os.stat(checksum, dir_fd=shard, follow_symlinks=False)
                except FileNotFoundError:
                    return False
                if not os.path.samestat(found, os.fstat(descriptor)):
                    return False
                touch(descriptor)
            # Whoever put it first may not have come so far yet.
            for opened in (descriptor, shard, root):
                sync(opened)
        return True

    def delete(self, checksum: str, last_put_before: datetime | None) -> bool:
        """
        Remove a content if it is there and old enough; tell whether it was.
        """
        with suppress(FileNotFoundError), self._shard(checksum) as shard:
            with locked(shard, self._timeout):
                if not _is_older(checksum, shard, last_put_before):
                    return False
                os.unlink(checksum, dir_fd=shard)
            sync(shard)
            return True
        return False

    def checksums(self, wanted: ChecksumFilter) -> list[str]:
        """
        Give the checksums of the contents that are wanted, in ascending order.
        """
        found: list[str] = []
        with suppress(FileNotFoundError), open_directory(self._path) as root:
            first = (wanted.after or "")[:2]
            for name in filter(_SHARD.fullmatch, names_in(root)):
                if name >= first and len(found) < wanted.limit:
                    with open_directory(name, root) as shard:
                        inside = _names(shard, name, wanted)
                        found += islice(inside, wanted.limit - len(found))
        return found

    def remove_leftovers(self) -> int:
        """
        Remove the temporary files that nobody holds, and tell how many there were.
        """
        count = 0
        with (
            suppress(FileNotFoundError),
            open_directory(self._path) as root,
            open_directory(_TEMPORARY, root) as temporaries,
        ):
            for name in names_in(temporaries):
                count += _remove_if_free(name, temporaries)
        return count

    @contextmanager
    def _shard(self, checksum: str) -> Generator[int]:
        with (
            open_directory(self._path) as root,
            open_directory(checksum[:2], root) as shard,
        ):
            yield shard


def _names(shard: int, prefix: str, wanted: ChecksumFilter) -> Iterator[str]:
    """
    Give the checksums in one shard that are wanted, in ascending order.
    """
    for name in filter(_CHECKSUM.fullmatch, names_in(shard)):
        if name.startswith(prefix) and name > (wanted.after or ""):
            # It may be deleted at this moment.
            with suppress(FileNotFoundError):
                if _is_older(name, shard, wanted.last_put_before):
                    yield name


def _is_older(name: str, parent: int, time: datetime | None) -> bool:
    """
    Tell whether a file was last modified before *time*; if that is None, any was.
    """
    found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if time is None:
        return True
    return found.st_mtime_ns < (time - _EPOCH) // timedelta(microseconds=1) * 1000


def _remove_if_free(name: str, parent: int) -> bool:
    """
    Remove a file unless somebody holds its lock or it is not ours.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(name, flags, dir_fd=parent)
    except OSError:
        return False
    try:
        if not try_to_lock(descriptor):
            return False
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=parent)
            return True
        return False
    finally:
        os.close(descriptor)
