"""
Contents that are listed and deleted, and stay where somebody puts them again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from asm_async.errors import ArtifactNotFoundError, ValidationError
from asm_async.ports.artifact_store import ArtifactStore
from asm_async.testing.artifacts.contents import in_pieces
from asm_async.testing.artifacts.contract import ArtifactStoreContract
from asm_async.testing.backend import ArtifactStoreBackend
from asm_async.testing.concurrency import run_together

__all__ = ["TestContentDeletions"]

# The clock of a store may be a little off, but not so much.
_EARLIER, _LATER = timedelta(hours=-1), timedelta(hours=1)


def now() -> datetime:
    """
    Read the clock.
    """
    return datetime.now(UTC)


async def after_now(store: ArtifactStore) -> datetime:
    """
    Wait until a content that is put gets a later time than any before; give that time.
    """
    marker = (await store.put(b"marker")).checksum_sha256
    earlier = now()
    while marker in await store.list_checksums(last_put_before=earlier):
        await store.put(b"marker")
    await store.delete(marker)
    return earlier


class TestContentDeletions(ArtifactStoreContract):
    """
    A content is deleted when it is told, and only if it is as old as was thought.
    """

    async def test_a_deleted_content_is_gone(
        self, artifact_store: ArtifactStore
    ) -> None:
        """
        Deleting it again does nothing, and it can be put again.
        """
        checksum = (await artifact_store.put(b"hello")).checksum_sha256
        other = (await artifact_store.put(b"other")).checksum_sha256
        assert await artifact_store.delete(checksum) is True
        assert await artifact_store.delete(checksum) is False
        with pytest.raises(ArtifactNotFoundError):
            await artifact_store.get(checksum)
        assert await artifact_store.list_checksums() == [other]
        assert (await artifact_store.put(b"hello")).checksum_sha256 == checksum
        assert await artifact_store.get(checksum) == b"hello"

    async def test_a_damaged_content_can_be_deleted(
        self,
        artifact_store: ArtifactStore,
        artifact_store_backend: ArtifactStoreBackend,
    ) -> None:
        """
        As any other.
        """
        checksum = (await artifact_store.put(b"hello")).checksum_sha256
        await artifact_store_backend.damage(checksum, b"other")
        assert await artifact_store.delete(checksum) is True
        assert await artifact_store.list_checksums() == []

    async def test_a_young_content_stays(self, artifact_store: ArtifactStore) -> None:
        """
        If the deletion is bound to its age.
        """
        checksum = (await artifact_store.put(b"hello")).checksum_sha256
        for time in (now() + _EARLIER, datetime.min.replace(tzinfo=UTC)):
            assert not await artifact_store.delete(checksum, last_put_before=time)
            assert await artifact_store.list_checksums(last_put_before=time) == []
        time = datetime.max.replace(tzinfo=UTC)
        assert await artifact_store.list_checksums(last_put_before=time) == [checksum]
        assert await artifact_store.delete(checksum, last_put_before=time) is True
        assert await artifact_store.delete(checksum, last_put_before=time) is False

    @pytest.mark.parametrize("is_in_pieces", [True, False])
    async def test_putting_a_content_again_makes_it_young(
        self,
        artifact_store: ArtifactStore,
        is_in_pieces: bool,  # noqa: FBT001 - pytest gives it by name
    ) -> None:
        """
        A deletion that was decided before then leaves it alone.
        """
        checksum = (await artifact_store.put(b"hello")).checksum_sha256
        decided = await after_now(artifact_store)
        await artifact_store.put(in_pieces([b"hello"]) if is_in_pieces else b"hello")
        assert await artifact_store.list_checksums(last_put_before=decided) == []
        assert not await artifact_store.delete(checksum, last_put_before=decided)
        assert await artifact_store.get(checksum) == b"hello"

    async def test_a_put_beside_a_deletion_is_kept(
        self,
        artifact_store: ArtifactStore,
        artifact_store_backend: ArtifactStoreBackend,
    ) -> None:
        """
        The deletion finds the old content or a young one, never one in between.
        """
        another = await artifact_store_backend.open_artifact_store()
        for _ in range(10):
            checksum = (await artifact_store.put(b"hello")).checksum_sha256
            decided = await after_now(artifact_store)
            calls: list[Coroutine[Any, Any, object]] = [
                artifact_store.put(b"hello"),
                another.delete(checksum, last_put_before=decided),
                another.put(in_pieces([b"he", b"llo"])),
                artifact_store.delete(checksum, last_put_before=decided),
            ]
            await run_together(calls)
            assert await artifact_store.get(checksum) == b"hello"

    async def test_checksums_are_listed_in_order(
        self, artifact_store: ArtifactStore
    ) -> None:
        """
        Page by page, each behind the last of the one before.
        """
        assert await artifact_store.list_checksums() == []
        puts = await asyncio.gather(
            *(artifact_store.put(b"%d" % number) for number in range(50))
        )
        expected = sorted(put.checksum_sha256 for put in puts)
        assert await artifact_store.list_checksums() == expected
        assert await artifact_store.list_checksums(limit=0) == []
        listed, after = list[str](), None
        while page := await artifact_store.list_checksums(after=after, limit=7):
            assert len(page) <= 7
            listed += page
            after = page[-1]
        assert listed == expected
        unknown = "8" * 64
        behind = await artifact_store.list_checksums(
            after=unknown, last_put_before=now() + _LATER
        )
        assert behind == [checksum for checksum in expected if checksum > unknown]

    async def test_there_is_nothing_to_clean_after_puts(
        self, artifact_store: ArtifactStore
    ) -> None:
        """
        Neither before the first nor after them.
        """
        assert await artifact_store.remove_leftovers() == 0
        await artifact_store.put(b"hello")
        assert await artifact_store.remove_leftovers() == 0
        assert len(await artifact_store.list_checksums()) == 1

    async def test_a_bad_argument_is_refused(
        self, artifact_store: ArtifactStore
    ) -> None:
        """
        By its name, and nothing is deleted.
        """
        checksum = (await artifact_store.put(b"hello")).checksum_sha256
        naive = datetime(2026, 1, 1)  # noqa: DTZ001 - it is to be refused
        for call, name in (
            (artifact_store.delete(checksum, last_put_before=naive), "last_put_before"),
            (artifact_store.list_checksums(last_put_before=naive), "last_put_before"),
            (artifact_store.list_checksums(after="a"), "after"),
            (artifact_store.list_checksums(limit=-1), "limit"),
        ):
            with pytest.raises(ValidationError, match=f"^{name}: "):
                await call
        assert await artifact_store.list_checksums() == [checksum]
