"""
The files of a source: one, all of a folder, or standard input.
"""

from __future__ import annotations

import gzip
import os
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import BinaryIO, cast

import attrs

from asm_async.errors import NotFoundError, ValidationError

STANDARD_INPUT = "-"
"""
The path that stands for standard input.
"""

_HEAD_BYTES = 1_024
_COMPRESSED = ".gz"


@attrs.frozen
class SourceFile:
    """
    One file of a source.
    """

    path: Path
    shown: str
    """
    Its path below the folder that is imported, with ``/``; or its name.
    """

    @property
    def is_standard_input(self) -> bool:
        """
        Whether it is no file, but standard input.
        """
        return self.shown == STANDARD_INPUT

    def opened(self) -> BinaryIO:
        """
        Open it to read bytes; uncompressed if its name ends with ``.gz``.

        Raises:
            OSError: If it cannot be opened.
        """
        if self.is_standard_input:
            return sys.stdin.buffer
        if self.path.suffix == _COMPRESSED:
            return cast("BinaryIO", gzip.open(self.path, "rb"))
        return self.path.open("rb")


def files_of(path: str, accepts: Callable[[str], bool]) -> Generator[SourceFile]:
    """
    Yield the files of a source in an order that does not change: by their names.

    Links to folders are not followed. A file that is named itself is yielded whatever
    its name is.

    Args:
        path: A file, a folder, or ``-``.

        accepts: Called with the path of a file below the folder, ``/`` between its
            parts, without ``.gz``.

    Raises:
        NotFoundError: If there is no such file or folder.
    """
    if path == STANDARD_INPUT:
        yield SourceFile(Path(path), STANDARD_INPUT)
        return
    if not path or "\0" in path:
        raise ValidationError(f"path: there cannot be a file {path!r}")
    root = Path(path).expanduser()
    if root.is_dir():
        yield from _below(root, "", accepts)
    elif root.exists():
        yield SourceFile(root, root.name)
    else:
        raise NotFoundError(f"{path}: there is no such file or folder")


def _below(
    folder: Path, prefix: str, accepts: Callable[[str], bool]
) -> Generator[SourceFile]:
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        # It was removed meanwhile, or may not be looked into, like files of others.
        return
    for entry in entries:
        shown = prefix + entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from _below(folder / entry.name, f"{shown}/", accepts)
        elif accepts(shown.removesuffix(_COMPRESSED)) and entry.is_file():
            yield SourceFile(folder / entry.name, shown)


@attrs.frozen
class FileState:
    """
    What tells a file that has grown from one that is another now.
    """

    identity: tuple[int, int]
    size: int
    head: bytes

    @classmethod
    def of(cls, file: BinaryIO) -> FileState:
        """
        Look at an open file, and leave its position as it is.
        """
        status = os.fstat(file.fileno())
        position = file.tell()
        file.seek(0)
        head = file.read(_HEAD_BYTES)
        file.seek(position)
        return cls((status.st_dev, status.st_ino), status.st_size, head)

    def has_grown_from(self, earlier: FileState, offset: int) -> bool:
        """
        Return whether it is the same file, with all that was read up to *offset*.
        """
        return (
            self.identity == earlier.identity
            and self.size >= offset
            and self.head.startswith(earlier.head)
        )
