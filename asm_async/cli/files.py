"""
Files that hold an export, plain or compressed.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import sys
import tempfile
import zlib
from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from asm_async.errors import ValidationError

__all__ = ["STANDARD", "pieces_of", "written_file"]

STANDARD = "-"
"""
The name that stands for standard input or standard output.
"""

_PIECE_BYTES = 1 << 16


@contextmanager
def written_file(name: str) -> Generator[BinaryIO]:
    """
    Open what is to be written; a file appears under its name only when it is whole.

    It is written under another name in the same directory, and may be read by its
    owner alone. A name that ends with ``.gz`` is compressed.

    Raises:
        ValidationError: If it lies in no directory, or is one.
    """
    if name == STANDARD:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(name)
    if not path.parent.is_dir() or path.is_dir():
        raise ValidationError(f"{name}: there cannot be a file of this name")
    with ExitStack() as stack:
        file = stack.enter_context(
            tempfile.NamedTemporaryFile(
                dir=path.parent, prefix=f".{path.name}.", delete=False
            )
        )
        stack.callback(Path(file.name).unlink, missing_ok=True)
        with _compressed(name, cast("BinaryIO", file)) as output:
            yield output
        file.flush()
        os.fsync(file.fileno())
        Path(file.name).replace(path)


@contextmanager
def _compressed(name: str, file: BinaryIO) -> Generator[BinaryIO]:
    if not name.endswith(".gz"):
        yield file
        return
    # Without name and time, so that the same export gives the same file.
    with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as output:
        yield cast("BinaryIO", output)


async def pieces_of(name: str) -> AsyncGenerator[bytes]:
    """
    Read a file piece by piece; one whose name ends with ``.gz`` is uncompressed.

    Raises:
        ValidationError: If it is compressed and damaged.
    """
    with _read_file(name) as file:
        while piece := await asyncio.to_thread(_read, file, name):
            yield piece


@contextmanager
def _read_file(name: str) -> Generator[BinaryIO]:
    if name == STANDARD:
        yield sys.stdin.buffer
        return
    with Path(name).open("rb") as file:
        if not name.endswith(".gz"):
            yield file
            return
        with gzip.GzipFile(fileobj=file) as uncompressed:
            yield cast("BinaryIO", uncompressed)


def _read(file: BinaryIO, name: str) -> bytes:
    try:
        return file.read(_PIECE_BYTES)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValidationError(f"{name}: {error}") from error
