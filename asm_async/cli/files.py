"""
Files that hold an export, plain or compressed.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import tempfile
import zlib
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import (
    AbstractContextManager,
    ExitStack,
    contextmanager,
    nullcontext,
)
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from asm_async.cli.streams import standard_input, standard_output
from asm_async.cli.texts import on_one_line
from asm_async.errors import ASMError, ValidationError

STANDARD = "-"
"""
The name that stands for standard input or standard output.
"""

_PIECE_BYTES = 1 << 16


class DamagedFileError(ASMError):
    """
    A file does not hold what it should.
    """

    code = "damaged_file"


@contextmanager
def written_file(name: str) -> Generator[BinaryIO]:
    """
    Open what is to be written; a file appears under its name only when it is whole.

    It is written under another name in the same directory, and may be read by its
    owner alone; but what is no regular file, such as a pipe or a device, is written to
    as it is. A name that ends with ``.gz`` is compressed.

    Raises:
        ValidationError: If it lies in no directory, or is one.
    """
    if name == STANDARD:
        output = standard_output().buffer
        yield output
        output.flush()
        return
    path = _path(name)
    if path.exists() and not path.is_file() and not path.is_dir():
        # A device or a pipe is written to: it cannot be replaced by a file.
        with path.open("wb") as device, _compressed(name, device) as output:
            yield output
        return
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


def pieces_of(name: str) -> AsyncGenerator[bytes]:
    """
    Read a file piece by piece; one whose name ends with ``.gz`` is uncompressed.

    Raises:
        ValidationError: If there cannot be such a file.

        DamagedFileError: While reading, if it is compressed and damaged.
    """
    if name == STANDARD:
        file = standard_input()
        return _pieces(name, lambda: nullcontext(file))
    opened: Any = gzip.open if name.endswith(".gz") else open
    return _pieces(name, partial(opened, _path(name), "rb"))


async def _pieces(
    name: str, opened: Callable[[], AbstractContextManager[BinaryIO]]
) -> AsyncGenerator[bytes]:
    with opened() as file:
        while piece := await asyncio.to_thread(_read, file, name):
            yield piece


def _path(name: str) -> Path:
    if "\0" in name:
        raise ValidationError(
            f"{on_one_line(name)}: there cannot be a file of this name"
        )
    return Path(name)


def _read(file: BinaryIO, name: str) -> bytes:
    try:
        return file.read(_PIECE_BYTES)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DamagedFileError(f"{name}: {error}") from error
