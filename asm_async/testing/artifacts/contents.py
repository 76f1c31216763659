"""
Contents that are put and read.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from contextlib import aclosing
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asm_async.errors import (
    ArtifactDamagedError,
    ArtifactNotFoundError,
    ValidationError,
)
from asm_async.ports.artifact_store import ArtifactStore
from asm_async.testing.artifacts.contract import ArtifactStoreContract
from asm_async.testing.backend import ArtifactStoreBackend
from asm_async.testing.concurrency import run_together

__all__ = ["TestContents", "in_pieces"]

_NO_CHECKSUMS: Mapping[str, object] = {
    "path": "../../etc/passwd",
    "absolute": f"/{'a' * 63}",
    "short": "a" * 63,
    "long": "a" * 65,
    "capitals": "A" * 64,
    "other digits": "\u0661" * 64,
    "new line": "a" * 64 + "\n",
    "bytes": b"a" * 64,
    "nothing": None,
}

_LARGE = bytes(range(256)) * 12_345


async def in_pieces(
    pieces: Iterable[bytes], *, error: Exception | None = None
) -> AsyncIterator[bytes]:
    """
    Yield pieces as a stream would, each in a turn of its own, and then *error*.
    """
    for piece in pieces:
        await asyncio.sleep(0)
        yield piece
    if error is not None:
        raise error


async def all_of(store: ArtifactStore, checksum: str) -> list[bytes]:
    """
    Return the pieces of a content.
    """
    async with aclosing(store.stream(checksum)) as pieces:
        return [piece async for piece in pieces]


class TestContents(ArtifactStoreContract):
    """
    What was put comes back, whole and verified, or not at all.
    """

    @pytest.mark.parametrize("content", [b"", b"hello", _LARGE], ids=["0", "5", "3M"])
    async def test_a_content_comes_back(
        self,
        artifact_store: ArtifactStore,
        artifact_store_backend: ArtifactStoreBackend,
        content: bytes,
    ) -> None:
        """
        Whole and in pieces, also from another store.
        """
        put = await artifact_store.put(content)
        checksum = await artifact_store_backend.checksum_of(content)
        assert put.checksum_sha256 == checksum
        assert put.byte_size == len(content)
        another = await artifact_store_backend.open_artifact_store()
        for opened in (artifact_store, another):
            assert await opened.get(put.checksum_sha256) == content
            assert b"".join(await all_of(opened, put.checksum_sha256)) == content

    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(pieces=st.lists(st.binary(max_size=2**11), max_size=8))
    async def test_any_pieces_are_one_content(
        self,
        artifact_store: ArtifactStore,
        artifact_store_backend: ArtifactStoreBackend,
        pieces: list[bytes],
    ) -> None:
        """
        However a content is cut, it is the same content.
        """
        whole = b"".join(pieces)
        put = await artifact_store.put(in_pieces(pieces))
        assert await artifact_store.put(whole) == put
        assert await artifact_store.get(put.checksum_sha256) == whole
        assert put.checksum_sha256 == await artifact_store_backend.checksum_of(whole)

    async def test_large_pieces_are_put(self, artifact_store: ArtifactStore) -> None:
        """
        Larger ones than are written at once, and small ones in between.
        """
        pieces = [b"a", _LARGE, b"", b"b" * 1000, _LARGE]
        put = await artifact_store.put(in_pieces(pieces))
        assert put.byte_size == 2 * len(_LARGE) + 1001
        assert await artifact_store.get(put.checksum_sha256) == b"".join(pieces)

    async def test_what_is_like_bytes_is_put_as_it_was(
        self, artifact_store: ArtifactStore
    ) -> None:
        """
        A bytearray or a memoryview that is changed meanwhile changes nothing.
        """
        changing = bytearray(b"before")
        putting = asyncio.ensure_future(
            artifact_store.put(cast("bytes", memoryview(changing)))
        )
        await asyncio.sleep(0)
        changing[:] = b"after!"
        put = await putting
        assert await artifact_store.get(put.checksum_sha256) == b"before"

    async def test_the_same_content_is_kept_once(
        self,
        artifact_store: ArtifactStore,
        artifact_store_backend: ArtifactStoreBackend,
    ) -> None:
        """
        However often it is put, one after the other or at once, whole or in pieces.
        """
        first = await artifact_store.put(b"hello")
        another = await artifact_store_backend.open_artifact_store()
        puts = await run_together(
            call
            for store in (artifact_store, another)
            for call in (
                store.put(b"hello"),
                store.put(in_pieces([b"he", b"llo"])),
                store.put(b"hello"),
            )
        )
        assert set(puts) == {first}
        assert await artifact_store.list_checksums() == [first.checksum_sha256]

    @pytest.mark.parametrize("content", ["text", None, 1, ["a"], {}])
    async def test_what_is_no_content_is_refused(
        self, artifact_store: ArtifactStore, content: object
    ) -> None:
        """
        Alone or as a piece; nothing is kept.
        """
        with pytest.raises(ValidationError, match=r"^content: expected bytes"):
            await artifact_store.put(cast("bytes", content))
        pieces = in_pieces([b"a", cast("bytes", content)])
        with pytest.raises(ValidationError, match=r"^content\[1\]: expected bytes"):
            await artifact_store.put(pieces)
        assert await artifact_store.list_checksums() == []

    async def test_what_the_iterator_raises_goes_through(
        self, artifact_store: ArtifactStore
    ) -> None:
        """
        Untouched, though it be an error of the operating system; nothing is kept.
        """
        error = ConnectionResetError("the source is gone")
        with pytest.raises(ConnectionResetError) as caught:
            await artifact_store.put(in_pieces([b"a", _LARGE], error=error))
        assert caught.value is error
        assert await artifact_store.list_checksums() == []

    async def test_an_unknown_content_is_not_found(
        self, artifact_store: ArtifactStore
    ) -> None:
        """
        The error tells its checksum.
        """
        unknown = "ab" * 32
        reads: list[Coroutine[Any, Any, object]] = [
            artifact_store.get(unknown),
            all_of(artifact_store, unknown),
        ]
        for read in reads:
            with pytest.raises(ArtifactNotFoundError) as caught:
                await read
            assert caught.value.key == unknown

    @pytest.mark.parametrize("case", _NO_CHECKSUMS)
    async def test_what_is_no_checksum_is_refused(
        self, artifact_store: ArtifactStore, case: str
    ) -> None:
        """
        Wherever one is asked for: no name leads out of the store.
        """
        wrong = cast("str", _NO_CHECKSUMS[case])
        for call in (
            artifact_store.get(wrong),
            all_of(artifact_store, wrong),
            artifact_store.delete(wrong),
        ):
            with pytest.raises(ValidationError, match=r"^checksum_sha256: "):
                await call

    @pytest.mark.parametrize(
        "damaged",
        [b"", _LARGE[:-1], _LARGE + b"\0", b"\1" + _LARGE[1:], _LARGE[:-1] + b"\0"],
        ids=["emptied", "cut", "extended", "first byte", "last byte"],
    )
    async def test_a_damaged_content_is_not_given_out(
        self,
        artifact_store: ArtifactStore,
        artifact_store_backend: ArtifactStoreBackend,
        damaged: bytes,
    ) -> None:
        """
        Not whole, and in pieces never the last one.
        """
        put = await artifact_store.put(_LARGE)
        await artifact_store_backend.damage(put.checksum_sha256, damaged)
        with pytest.raises(ArtifactDamagedError, match=put.checksum_sha256):
            await artifact_store.get(put.checksum_sha256)
        given_out = list[bytes]()

        async def stream() -> None:
            async for piece in artifact_store.stream(put.checksum_sha256):
                given_out.append(piece)

        with pytest.raises(ArtifactDamagedError, match=put.checksum_sha256):
            await stream()
        assert sum(map(len, given_out)) < max(1, len(damaged))

    @pytest.mark.parametrize("is_in_pieces", [True, False])
    async def test_putting_a_damaged_content_again_mends_it(
        self,
        artifact_store: ArtifactStore,
        artifact_store_backend: ArtifactStoreBackend,
        is_in_pieces: bool,  # noqa: FBT001 - pytest gives it by name
    ) -> None:
        """
        A put that succeeds means that the content can be read.
        """
        put = await artifact_store.put(_LARGE)
        await artifact_store_backend.damage(put.checksum_sha256, b"other")
        content = in_pieces([_LARGE]) if is_in_pieces else _LARGE
        assert await artifact_store.put(content) == put
        assert await artifact_store.get(put.checksum_sha256) == _LARGE

    async def test_a_stream_that_is_given_up_leaves_nothing_open(
        self, artifact_store: ArtifactStore
    ) -> None:
        """
        Once it is closed, wherever it stood.
        """
        put = await artifact_store.put(_LARGE)
        async with aclosing(artifact_store.stream(put.checksum_sha256)) as pieces:
            assert await anext(pieces)
        async with aclosing(artifact_store.stream(put.checksum_sha256)):
            pass

    async def test_many_at_once_do_no_harm(self, artifact_store: ArtifactStore) -> None:
        """
        Many contents are put, and read while others are put.
        """

        async def put_and_get(number: int) -> None:
            content = b"%d" % number * 1000
            put = await artifact_store.put(content)
            assert await artifact_store.get(put.checksum_sha256) == content

        await run_together(put_and_get(number) for number in range(40))
        assert len(await artifact_store.list_checksums()) == 40

    async def test_one_store_serves_several_loops(
        self, artifact_store: ArtifactStore
    ) -> None:
        """
        It belongs to none.
        """
        put = await artifact_store.put(b"hello")

        def elsewhere() -> bytes:
            return asyncio.run(artifact_store.get(put.checksum_sha256))

        assert await asyncio.to_thread(elsewhere) == b"hello"
