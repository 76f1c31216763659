"""
The files of a source: one, all of a folder, or standard input.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, nullcontext
from io import BufferedIOBase
from pathlib import Path
from typing import cast

import attrs

from asm_async.errors import NotFoundError, ValidationError
from asm_async.importers.compression import opened, uncompressed_name

STANDARD_INPUT = "-"
"""
The path that stands for standard input.
"""


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

    @property
    def is_compressed(self) -> bool:
        """
        Whether its name says that it is compressed.
        """
        return uncompressed_name(self.path.name) != self.path.name

    def opened(self) -> AbstractContextManager[BufferedIOBase]:
        """
        Open it to read bytes; uncompressed if its name ends with ``.gz`` or ``.zst``.

        Raises:
            OSError: If it cannot be opened.

            MissingDependencyError: If what uncompresses it is not installed.
        """
        if self.is_standard_input:
            # Python has none if it was closed when the process began.
            if sys.stdin is None:
                raise OSError("standard input is closed")
            return nullcontext(cast("BufferedIOBase", sys.stdin.buffer))
        return opened(self.path)


def files_of(path: str, accepts: Callable[[str], bool]) -> Generator[SourceFile]:
    """
    Yield the files of a source in an order that does not change: by their names.

    Links to folders are not followed. A file that is named itself is yielded whatever
    its name is.

    Args:
        path: A file, a folder, or ``-``.

        accepts: Called with the path of a file below the folder, ``/`` between its
            parts, without ``.gz`` or ``.zst``.

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
        elif accepts(uncompressed_name(shown)) and entry.is_file():
            yield SourceFile(folder / entry.name, shown)
