"""
Puts and reads that are cancelled at whatever moment.
"""

from __future__ import annotations

import asyncio

import pytest

from asm_async.errors import ArtifactNotFoundError
from asm_async.ports.artifact_store import ArtifactStore
from asm_async.testing.artifacts.contents import in_pieces
from asm_async.testing.artifacts.contract import ArtifactStoreContract
from asm_async.testing.backend import ArtifactStoreBackend
from asm_async.testing.concurrency import cancel_after

__all__ = ["TestContentCancellations"]

_SOON_SECONDS = 10


class TestContentCancellations(ArtifactStoreContract):
    """
    A cancelled call leaves a whole content or none, and nothing unfinished.
    """

    @pytest.mark.parametrize("is_in_pieces", [True, False])
    async def test_a_cancelled_put_leaves_nothing_unfinished(
        self,
        artifact_store: ArtifactStore,
        artifact_store_backend: ArtifactStoreBackend,
        is_in_pieces: bool,  # noqa: FBT001 - pytest gives it by name
    ) -> None:
        """
        Whenever it is cancelled; what is there when it returns is whole.
        """
        turns, result = 0, None
        while result is None:
            content = b"%d" % turns * 400_000
            pieces = [content[:99], content[99:-1], content[-1:]]
            given = in_pieces(pieces) if is_in_pieces else content
            async with asyncio.timeout(_SOON_SECONDS):
                result = await cancel_after(turns, artifact_store.put(given))
            assert await artifact_store_backend.leftovers() == 0
            for checksum in await artifact_store.list_checksums():
                assert await artifact_store.get(checksum)
                await artifact_store.delete(checksum)
            turns += 1 + turns // 12
        with pytest.raises(ArtifactNotFoundError):
            await artifact_store.get(result.checksum_sha256)

    async def test_a_put_whose_source_stalls_can_be_cancelled(
        self,
        artifact_store: ArtifactStore,
        artifact_store_backend: ArtifactStoreBackend,
    ) -> None:
        """
        It waits for nothing but its own cleaning up.
        """
        is_waiting = asyncio.Event()

        async def stalling() -> None:
            is_waiting.set()
            await asyncio.Event().wait()

        class Pieces:
            """
            A piece, and then nothing forever.
            """

            def __init__(self) -> None:
                self.is_first = True

            def __aiter__(self) -> Pieces:
                return self

            async def __anext__(self) -> bytes:
                if not self.is_first:
                    await stalling()
                self.is_first = False
                return b"x" * 2**20

        async with asyncio.timeout(_SOON_SECONDS):
            put = asyncio.ensure_future(artifact_store.put(Pieces()))
            await is_waiting.wait()
            put.cancel()
            await asyncio.wait({put})
        assert put.cancelled()
        assert await artifact_store_backend.leftovers() == 0
        assert await artifact_store.list_checksums() == []

    async def test_a_cancelled_read_leaves_nothing_open(
        self,
        artifact_store: ArtifactStore,
        artifact_store_backend: ArtifactStoreBackend,
    ) -> None:
        """
        Whenever it is cancelled; the content is still there.
        """
        content = b"hello" * 500_000
        put = await artifact_store.put(content)
        turns, result = 0, None
        while result is None:
            async with asyncio.timeout(_SOON_SECONDS):
                get = artifact_store.get(put.checksum_sha256)
                result = await cancel_after(turns, get)
            assert await artifact_store_backend.leftovers() == 0
            turns += 1 + turns // 12
        assert result == content
