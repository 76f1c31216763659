"""
A buffer for a session's lines: in memory while they are few, else in a temporary file.

An export reads a session as of one moment and then hands it to a writer that may be
slow; an import checks a session whole and then stores it in one transaction. Neither
may keep a transaction open while it waits for others, nor the session in memory.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Callable
from typing import IO, ParamSpec, Self, TypeVar

import attrs

from asm_async.errors import StorageError

_BYTES_IN_MEMORY = 1 << 22

P = ParamSpec("P")
T = TypeVar("T")


@attrs.frozen
class Chunk:
    """
    Some whole lines of an export, and how many of them are of each kind.
    """

    data: bytes
    run_count: int = 0
    artifact_count: int = 0
    item_count: int = 0
    event_count: int = 0


class Spool:
    """
    Chunks that come out in the order in which they were put in.

    The temporary file has no name that others could open it by, and is removed when
    the spool is cleared or the process ends.
    """

    def __init__(self) -> None:
        self._kept: list[Chunk] = []
        self._filed: list[tuple[int, Chunk]] = []
        self._size = 0
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def clear(self) -> None:
        """
        Forget everything.
        """
        self._kept, self._filed, self._size = [], [], 0
        if self._file is not None:
            self._file.close()
            self._file = None

    async def put(self, chunk: Chunk) -> None:
        """
        Add a chunk.
        """
        self._size += len(chunk.data)
        if self._size <= _BYTES_IN_MEMORY:
            self._kept.append(chunk)
            return
        if self._file is None:
            self._file = await _in_thread(tempfile.TemporaryFile)
        await _in_thread(self._file.write, chunk.data)
        self._filed.append((len(chunk.data), attrs.evolve(chunk, data=b"")))

    async def chunks(self) -> AsyncGenerator[Chunk]:
        """
        Yield what was put in, from the start; nothing may be added meanwhile.
        """
        for chunk in self._kept:
            yield chunk
        if self._file is None:
            return
        await _in_thread(self._file.seek, 0)
        for length, chunk in self._filed:
            data = await _in_thread(self._file.read, length)
            yield attrs.evolve(chunk, data=data)


async def _in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return await asyncio.to_thread(function, *args, **kwargs)
    except OSError as error:
        raise StorageError(
            f"a temporary file cannot be written or read: {error}"
        ) from error
