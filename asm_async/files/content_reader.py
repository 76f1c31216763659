"""
A content while it is being read; opening and reading block.
"""

from __future__ import annotations

import hashlib
import os

from asm_async.errors import ArtifactDamagedError
from asm_async.files.content_directory import ContentDirectory

__all__ = ["BLOCK_BYTES", "ContentReader"]

BLOCK_BYTES = 1 << 20
"""
How much is read or written at a time.
"""


class ContentReader:
    """
    Reads a content from its beginning to its end, and compares it with its checksum.

    Args:
        directory: Where it lies.

        checksum: Which content.
    """

    def __init__(self, directory: ContentDirectory, checksum: str) -> None:
        self._directory = directory
        self._checksum = checksum
        self._digest = hashlib.sha256()
        self._descriptor: int | None = None

    def open(self) -> None:
        """
        Open the content.

        Raises:
            ArtifactNotFoundError: If there is none of this checksum.

            ArtifactDamagedError: If what is there is no file.
        """
        self._descriptor = self._directory.open(self._checksum)

    def read(self) -> bytes:
        """
        Give the next block; nothing at the end.

        Raises:
            ArtifactDamagedError: At the end, if that was not what was put.
        """
        block = os.read(self._opened(), BLOCK_BYTES)
        self._digest.update(block)
        if not block and self._digest.hexdigest() != self._checksum:
            raise ArtifactDamagedError(f"content {self._checksum} is not what was put")
        return block

    def renew(self) -> bool:
        """
        Make the content young again; tell whether it still is the one that was read.
        """
        return self._directory.renew(self._checksum, self._opened())

    def close(self) -> None:
        """
        Close the content; it need not be open.
        """
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _opened(self) -> int:
        if self._descriptor is None:
            raise ValueError("the content is not open")
        return self._descriptor
