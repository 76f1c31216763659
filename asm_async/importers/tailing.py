"""
How far a file was read, and whether it still is that file.
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterable
from io import BufferedIOBase

import attrs

from asm_async.importers.lines import Line, LineSplitter

_PIECE_BYTES = 1 << 18
_HEAD_BYTES = 1_024
_SECONDS_TO_WAIT = 0.2


@attrs.frozen
class _FileState:
    """
    What tells a file that has grown from one that is another now.
    """

    identity: tuple[int, int]
    head: bytes


class FileTail:
    """
    Reads one file, in as many goes as it is written in.

    Args:
        shown: How the file is shown.

        max_line_bytes: The longest line to accept.
    """

    def __init__(self, shown: str, max_line_bytes: int) -> None:
        self._splitter = LineSplitter(shown, max_line_bytes)
        self._state: _FileState | None = None
        self._offset = 0

    def goes_on(self, opened: BufferedIOBase) -> bool:
        """
        Go to where reading goes on, if the file holds what was read of it.

        Returns:
            Whether it does. What was written in place over what was read is noticed
            only in the first 1,024 bytes.
        """
        status = os.fstat(opened.fileno())
        end = opened.seek(0, os.SEEK_END)
        opened.seek(0)
        head = opened.read(_HEAD_BYTES)
        state = _FileState((status.st_dev, status.st_ino), head)
        earlier, self._state = self._state, state
        if earlier is not None and (
            state.identity != earlier.identity
            or end < self._offset
            or not head.startswith(earlier.head)
        ):
            return False
        opened.seek(self._offset)
        return True

    def next_piece(self, opened: BufferedIOBase) -> bytes:
        """
        Return the next bytes of the file; none at its end.
        """
        # A pipe gives what it has; read would wait until it is as much as asked for.
        piece = opened.read1(_PIECE_BYTES)
        self._offset += len(piece)
        return piece

    def lines_of(self, piece: bytes) -> Iterable[Line]:
        """
        Return the lines that a piece ends.
        """
        return self._splitter.take(piece)

    def rest(self) -> Iterable[Line]:
        """
        Return what stands behind the last end of a line.
        """
        return self._splitter.end()


def is_readable(opened: BufferedIOBase) -> bool:
    """
    Wait a moment for something to read, and return whether there is.

    A thread that waits for a terminal cannot be cancelled: it waits a little at a time.
    """
    try:
        ready, _, _ = select.select([opened.fileno()], [], [], _SECONDS_TO_WAIT)
    except (OSError, ValueError):
        # It is none that the system can wait for, such as one in memory.
        return True
    return bool(ready)
