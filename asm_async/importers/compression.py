"""
Compressed files, opened to read what was compressed.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from io import BufferedIOBase
from pathlib import Path
from types import MappingProxyType
from typing import Any

from asm_async.errors import MissingDependencyError

UNREADABLE_ERRORS = (OSError, EOFError, zlib.error, MissingDependencyError)
"""
What is raised where a file cannot be read, or is damaged.
"""

# From Python 3.14 on it is in the standard library, and a package backports it.
_MODULES = ("compression.zstd", "backports.zstd")


def opened(path: Path) -> BufferedIOBase:
    """
    Open a file to read bytes, uncompressed if its name says that it is compressed.

    Raises:
        MissingDependencyError: If what uncompresses it is not installed.

        OSError: If it cannot be opened.
    """
    opener = _OPENERS.get(path.suffix)
    return path.open("rb") if opener is None else opener(path)


def uncompressed_name(name: str) -> str:
    """
    Return the name that a file had before it was compressed.
    """
    for suffix in _OPENERS:
        name = name.removesuffix(suffix)
    return name


def _opened_gzip(path: Path) -> BufferedIOBase:
    return gzip.GzipFile(path, "rb")


def _opened_zstandard(path: Path) -> BufferedIOBase:
    for name in _MODULES:
        package = name.partition(".")[0]
        if find_spec(package) is not None and find_spec(name) is not None:
            return io.BufferedReader(_Zstandard(import_module(name), path))
    raise MissingDependencyError("backports.zstd", "zstd")


class _Zstandard(io.RawIOBase):
    """
    A file that was compressed by Zstandard, whose damage is an ``OSError``.
    """

    def __init__(self, module: Any, path: Path) -> None:
        self._damage: type[Exception] = module.ZstdError
        self._file: Any = module.ZstdFile(path, "rb")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            return int(self._file.readinto(buffer))
        except self._damage as error:
            raise OSError(str(error)) from error

    def close(self) -> None:
        self._file.close()
        super().close()


_OPENERS: Mapping[str, Callable[[Path], BufferedIOBase]] = MappingProxyType(
    {".gz": _opened_gzip, ".zst": _opened_zstandard}
)
