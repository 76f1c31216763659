"""
A content while it is being written; every call blocks.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress

from asm_async.files.content_directory import ContentDirectory
from asm_async.files.directories import sync, touch, try_to_lock

__all__ = ["TemporaryFile"]

_FOR_OWNER_ALONE = 0o600


class TemporaryFile:
    """
    A file that becomes a content, or nothing.

    As long as it is held open it is locked: by that whoever cleans up knows it from
    what a killed process has left behind.

    Args:
        directory: Where it is to be kept.
    """

    def __init__(self, directory: ContentDirectory) -> None:
        self._directory = directory
        self._digest = hashlib.sha256()
        self._descriptor: int | None = None
        self._name: str | None = None
        self.byte_size: int = 0

    @property
    def checksum(self) -> str:
        """
        The digest of what was written so far.
        """
        return self._digest.hexdigest()

    def open(self) -> None:
        """
        Make the file.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with self._directory.temporaries() as temporaries:
            while self._descriptor is None:
                name = secrets.token_hex(16)
                opened = os.open(name, flags, _FOR_OWNER_ALONE, dir_fd=temporaries)
                self._descriptor, self._name = opened, name
                # Who cleaned up may have come before the lock: then there is no file.
                if not (try_to_lock(opened) and os.fstat(opened).st_nlink):
                    self.discard()

    def write(self, block: bytes | memoryview) -> None:
        """
        Add to the file.
        """
        descriptor, rest = self._opened(), memoryview(block)
        self._digest.update(rest)
        self.byte_size += len(rest)
        while rest:
            rest = rest[os.write(descriptor, rest) :]

    def keep(self) -> None:
        """
        Let the file be the content of its checksum.
        """
        descriptor = self._opened()
        touch(descriptor)
        sync(descriptor)
        with self._directory.temporaries() as temporaries:
            self._directory.keep(str(self._name), temporaries, self.checksum)
        self._name = None

    def discard(self) -> None:
        """
        Close the file, and remove it unless it was kept.
        """
        try:
            if self._name is not None:
                with (
                    suppress(FileNotFoundError),
                    self._directory.temporaries() as temporaries,
                ):
                    os.unlink(self._name, dir_fd=temporaries)
        finally:
            if self._descriptor is not None:
                os.close(self._descriptor)
            self._descriptor = self._name = None

    def _opened(self) -> int:
        if self._descriptor is None:
            raise ValueError("the file is not open")
        return self._descriptor
