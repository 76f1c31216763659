from __future__ import annotations

import errno
import tempfile
from collections.abc import AsyncGenerator
from typing import IO

import pytest

from asm_async.errors import StorageError
from asm_async.transfer.spool import Chunk, Spool

# A little more than what is kept in memory, in parts.
CHUNKS = [Chunk(bytes([65 + number]) * (1 << 20), number, 1) for number in range(6)]


@pytest.fixture
async def spool() -> AsyncGenerator[Spool]:
    """
    Yield an empty spool.
    """
    with Spool() as spool:
        yield spool


async def read(spool: Spool) -> list[Chunk]:
    """
    Return everything that is in a spool.
    """
    return [chunk async for chunk in spool.chunks()]


@pytest.mark.parametrize("count", range(len(CHUNKS) + 1))
async def test_chunks_come_out_as_they_went_in(spool: Spool, count: int) -> None:
    """
    Whether all fit into memory or not, and as often as wanted.
    """
    for chunk in CHUNKS[:count]:
        await spool.put(chunk)

    assert await read(spool) == CHUNKS[:count]
    assert await read(spool) == CHUNKS[:count]


async def test_a_little_needs_no_file(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Up to four mebibytes are kept in memory.
    """

    def refuse() -> IO[bytes]:
        raise AssertionError

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    for chunk in CHUNKS[:4]:
        await spool.put(chunk)

    assert await read(spool) == CHUNKS[:4]


async def test_a_spool_can_be_used_again(spool: Spool) -> None:
    """
    After it was cleared, it is empty.
    """
    for chunk in CHUNKS:
        await spool.put(chunk)
    spool.clear()

    assert await read(spool) == []
    await spool.put(CHUNKS[1])
    assert await read(spool) == [CHUNKS[1]]


async def test_a_full_disk_is_told_as_an_error_of_ours(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    It cannot be cured by trying again, unlike a database that is out of reach.
    """

    def refuse() -> IO[bytes]:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)

    for chunk in CHUNKS[:4]:
        await spool.put(chunk)
    with pytest.raises(StorageError, match=r"temporary file.*No space left") as caught:
        await spool.put(CHUNKS[4])
    assert type(caught.value) is StorageError
    assert isinstance(caught.value.__cause__, OSError)
