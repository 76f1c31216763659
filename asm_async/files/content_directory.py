"""
Where contents lie in a directory, and what is done to them; every call blocks.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
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
from asm_async.fronts.artifact_store import ChecksumFilter

_TEMPORARY = "tmp"
_SHARD = re.compile(r"[0-9a-f]{2}", re.ASCII)
_CHECKSUM = re.compile(r"[0-9a-f]{64}", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_FOR_OWNER_ALONE = 0o600
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class ContentDirectory:
    """
    Contents as files ``ab/ab12...``, and ``tmp`` beside them for what is not done yet.

    A content's age is its file's time of modification. The directory has one lock, held
    for a few system calls: while a content takes its place, is made young again or is
    removed, and while a temporary file is made or the left ones are removed. What is
    long, such as writing, reading and syncing, is done without it.
    """

    def __init__(self, path: Path, timeout: float) -> None:
        self._path = path
        self._timeout = timeout

    @contextmanager
    def locked(self) -> Generator[int]:
        """
        Lend the directory while it is locked; make it if need be.
        """
        make_directory(self._path)
        with open_directory(self._path) as root, locked(root, self._timeout):
            yield root

    def keep(self, name: str, parent: int, checksum: str) -> None:
        """
        Make a synced temporary file the content, in place of any before it.
        """
        with self._shard(checksum, create=True) as (root, shard):
            with locked(root, self._timeout):
                os.replace(name, checksum, src_dir_fd=parent, dst_dir_fd=shard)
            sync(shard)
            sync(root)

    def open(self, checksum: str, closing: ExitStack) -> int:
        """
        Open a content for reading, until *closing* is closed.

        Raises:
            ArtifactNotFoundError: If there is none.

            ArtifactDamagedError: If what is there is no file.
        """
        try:
            with self._shard(checksum) as (_, shard):
                descriptor = os.open(checksum, _READ, dir_fd=shard)
        except FileNotFoundError:
            raise ArtifactNotFoundError(checksum) from None
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            raise ArtifactDamagedError(
                f"content {checksum} is not a regular file"
            ) from error
        closing.callback(os.close, descriptor)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ArtifactDamagedError(f"content {checksum} is not a regular file")
        return descriptor

    def renew(self, checksum: str, descriptor: int) -> bool:
        """
        Make a content young again, as if it were put now.

        Return whether the file that was found to be whole still is the content.
        """
        with self._shard(checksum) as (root, shard):
            with locked(root, self._timeout):
                try:
                    found = os.stat(checksum, dir_fd=shard, follow_symlinks=False)
                except FileNotFoundError:
                    return False
                if not os.path.samestat(found, os.fstat(descriptor)):
                    return False
                touch(descriptor)
            # The process that put it first may not have come so far yet.
            for opened in (descriptor, shard, root):
                sync(opened)
        return True

    def delete(self, checksum: str, last_put_before: datetime | None) -> bool:
        """
        Remove a content if it is there and old enough; return whether it was.
        """
        with suppress(FileNotFoundError), self._shard(checksum) as (root, shard):
            with locked(root, self._timeout):
                if not _is_older(checksum, shard, last_put_before):
                    return False
                os.unlink(checksum, dir_fd=shard)
            sync(shard)
            return True
        return False

    def checksums(self, wanted: ChecksumFilter) -> list[str]:
        """
        Return the checksums of the contents that are wanted, in ascending order.
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
        Remove the temporary files that no process holds; return how many there were.
        """
        with (
            suppress(FileNotFoundError),
            open_directory(self._path) as root,
            locked(root, self._timeout),
            open_directory(_TEMPORARY, root) as parent,
        ):
            return sum(_remove_if_free(name, parent) for name in names_in(parent))
        return 0

    @contextmanager
    def _shard(
        self, checksum: str, *, create: bool = False
    ) -> Generator[tuple[int, int]]:
        with (
            open_directory(self._path) as root,
            open_directory(checksum[:2], root, create=create) as shard,
        ):
            yield root, shard


class TemporaryFile:
    """
    A file that becomes a content of a directory, or nothing.
    """

    def __init__(self, directory: ContentDirectory) -> None:
        self._directory = directory
        self._digest = hashlib.sha256()
        self._closing = ExitStack()
        self.byte_size: int = 0

    @property
    def checksum(self) -> str:
        """
        The digest of what was written so far.
        """
        return self._digest.hexdigest()

    def open(self) -> None:
        """
        Make the file, which stays locked for as long as it is open.
        """
        with self._directory.locked() as root:
            temporary = open_directory(_TEMPORARY, root, create=True)
            self._parent = self._closing.enter_context(temporary)
            self._name = secrets.token_hex(16)
            self._descriptor = os.open(
                self._name, _CREATE, _FOR_OWNER_ALONE, dir_fd=self._parent
            )
            self._closing.callback(os.close, self._descriptor)
            self._closing.callback(_unlink, self._name, self._parent)
            # Its lock distinguishes a file that is being written from one that a killed
            # process has left. Who looks for those needs the directory's lock, and so
            # finds no file between its beginning and this line.
            try_to_lock(self._descriptor)

    def write(self, block: bytes | memoryview) -> None:
        """
        Add to the file.
        """
        rest = memoryview(block)
        self._digest.update(rest)
        self.byte_size += len(rest)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def keep(self) -> None:
        """
        Make the file the content of its checksum.
        """
        touch(self._descriptor)
        sync(self._descriptor)
        self._directory.keep(self._name, self._parent, self.checksum)

    def discard(self) -> None:
        """
        Close the file, and remove it unless it was kept; it need not be open.
        """
        self._closing.close()


def _names(shard: int, prefix: str, wanted: ChecksumFilter) -> Iterator[str]:
    """
    Yield the checksums in one shard that are wanted, in ascending order.
    """
    for name in filter(_CHECKSUM.fullmatch, names_in(shard)):
        if name.startswith(prefix) and name > (wanted.after or ""):
            # It may be deleted at this moment.
            with suppress(FileNotFoundError):
                if _is_older(name, shard, wanted.last_put_before):
                    yield name


def _is_older(name: str, parent: int, time: datetime | None) -> bool:
    """
    Return whether a file was last modified before *time*; if that is None, any was.
    """
    found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if time is None:
        return True
    return found.st_mtime_ns < (time - _EPOCH) // timedelta(microseconds=1) * 1000


def _unlink(name: str, parent: int) -> bool:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=parent)
        return True
    return False


def _remove_if_free(name: str, parent: int) -> bool:
    """
    Remove a file unless a process holds its lock or it is not ours.
    """
    try:
        descriptor = os.open(name, _READ, dir_fd=parent)
    except OSError:
        return False
    try:
        # A writer that was done meanwhile has removed it itself.
        return try_to_lock(descriptor) and _unlink(name, parent)
    finally:
        os.close(descriptor)
