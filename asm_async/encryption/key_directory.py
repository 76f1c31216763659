"""
A key store in a local directory.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncGenerator
from pathlib import Path

from asm_async.encryption.key_stores import KeyStore, StoredRecord
from asm_async.files.directories import (
    check_platform,
    locked,
    make_directory,
    names_in,
    open_directory,
    sync,
)
from asm_async.files.threads import in_thread
from asm_async.values import fields

_TEMPORARY = "new"
_NAME = re.compile(r"[a-z2-7]{26}", re.ASCII)
_FOR_OWNER_ALONE = 0o600
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


class DirectoryKeyStore(KeyStore):
    """
    A :class:`KeyStore` of one file for each owner, for the processes of one host.

    A record is written to a temporary file, synced, and renamed. Writers exclude each
    other by a lock of the directory, which goes with its process. Directory and files
    are for their owner alone. A change is seen at once by all processes of the host.

    Args:
        directory: Made, with those above it, when the first key is. Keep it where
            backups of the database do not reach it.

        timeout: How long, in seconds, to wait for another process's lock before
            ``StorageBusyError`` is raised.

    Raises:
        UnsupportedOperationError: On Windows.
    """

    def __init__(
        self, directory: str | os.PathLike[str], *, timeout: float = 30.0
    ) -> None:
        check_platform("a key directory")
        self.directory: Path = Path(directory).absolute()
        self._timeout = fields.amount(timeout, "timeout")

    async def read(self, name: str) -> StoredRecord | None:
        """
        Read a file.
        """
        return await in_thread(self._read, name)

    async def write(
        self, name: str, content: bytes, *, expected_version: str | None
    ) -> bool:
        """
        Replace a file, if it is as it was.
        """
        return await in_thread(self._write, name, content, expected_version)

    def is_current(self, name: str, version: str) -> bool | None:
        """
        Ask the file system for the file's inode, size and time.
        """
        try:
            return _version(os.stat(self._path(name))) == version  # noqa: PTH116 - a path would be made for each use of a key
        except OSError:
            return False

    async def names(self) -> AsyncGenerator[str]:
        """
        Yield the names of the files.
        """
        for name in await in_thread(self._names):
            yield name

    def _path(self, name: str) -> str:
        return f"{self.directory}/{name}"

    def _names(self) -> list[str]:
        try:
            with open_directory(self.directory) as root:
                return [name for name in names_in(root) if _NAME.fullmatch(name)]
        except FileNotFoundError:
            return []

    def _read(self, name: str) -> StoredRecord | None:
        try:
            descriptor = os.open(self._path(name), _READ)
        except FileNotFoundError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            return StoredRecord(file.read(), _version(os.fstat(descriptor)))

    def _write(self, name: str, content: bytes, expected: str | None) -> bool:
        make_directory(self.directory)
        with open_directory(self.directory) as root, locked(root, self._timeout):
            try:
                found = _version(os.stat(name, dir_fd=root, follow_symlinks=False))
            except FileNotFoundError:
                found = None
            if found != expected:
                return False
            # A killed writer's file is overwritten here: no key outlives its drop.
            descriptor = os.open(_TEMPORARY, _CREATE, _FOR_OWNER_ALONE, dir_fd=root)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                sync(descriptor)
            os.replace(_TEMPORARY, name, src_dir_fd=root, dst_dir_fd=root)
            sync(root)
            return True


def _version(found: os.stat_result) -> str:
    return f"{found.st_ino}.{found.st_size}.{found.st_mtime_ns}"
