"""
Artifacts of a session: in order, added up, and soft-deleted.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from asm_async.ports.artifact_registry import ArtifactRegistry
from asm_async.ports.session_store import SessionStore
from asm_async.testing.artifacts.contract import ArtifactRegistryContract
from asm_async.testing.backend import ArtifactRegistryBackend
from asm_async.testing.concurrency import run_together
from asm_async.testing.factories import NOON, make_artifact, make_session
from asm_async.values.artifact import Artifact, ArtifactStats
from asm_async.values.fields import MAX_COUNT

__all__ = ["TestArtifactLists"]


async def register_some(registry: ArtifactRegistry, count: int) -> list[Artifact]:
    """
    Register artifacts ``art_0``, ``art_1`` and so on, the last one created first.
    """
    return [
        await registry.register(
            make_artifact(
                id=f"art_{number}",
                key=f"key_{number}",
                byte_size=10**number,
                created_at=NOON - timedelta(microseconds=number),
            )
        )
        for number in range(count)
    ]


@pytest.mark.usefixtures("session")
class TestArtifactLists(ArtifactRegistryContract):
    """
    A session's artifacts are listed and added up without the soft-deleted ones.
    """

    async def test_artifacts_are_listed_in_the_order_they_were_created(
        self, registry: ArtifactRegistry
    ) -> None:
        """
        Those of one moment by their ids.
        """
        registered = await register_some(registry, 3)
        twin = make_artifact(id="art_10", key="twin", created_at=NOON)
        registered[:1] = [await registry.register(twin), registered[0]]
        [twin, first, second, third] = registered
        assert await registry.list_by_session("ses_1") == [third, second, first, twin]

    async def test_a_limit_keeps_the_oldest(self, registry: ArtifactRegistry) -> None:
        """
        0 gives nothing, None all.
        """
        oldest_first = (await register_some(registry, 3))[::-1]
        for limit in (0, 1, 2, 3, 4, None):
            found = await registry.list_by_session("ses_1", limit=limit)
            assert found == oldest_first[:limit]

    async def test_sessions_have_lists_of_their_own(
        self, registry: ArtifactRegistry, store: SessionStore
    ) -> None:
        """
        An unknown session has none, and an artifact of no session is in none.
        """
        await store.save_session(make_session(id="ses_2"))
        first = await registry.register(make_artifact())
        other = await registry.register(
            make_artifact(id="art_2", key="b", session_id="ses_2")
        )
        await registry.register(make_artifact(id="art_3", key="c", session_id=None))
        assert await registry.list_by_session("ses_1") == [first]
        assert await registry.list_by_session("ses_2") == [other]
        assert await registry.list_by_session("ses_3") == []
        assert await registry.session_stats("ses_2") == ArtifactStats(
            artifact_count=1, total_bytes=0
        )

    async def test_a_soft_deleted_artifact_is_left_out(
        self, registry: ArtifactRegistry
    ) -> None:
        """
        Of lists, unless asked for, and of statistics; by id it is still there.
        """
        [first, second] = (await register_some(registry, 2))[::-1]
        deleted = await registry.soft_delete(first.id)
        assert deleted.deleted_at is not None
        assert deleted.is_repeat_of(first)
        assert await registry.get(first.id) == deleted
        assert await registry.list_by_session("ses_1") == [second]
        both = await registry.list_by_session("ses_1", include_deleted=True)
        assert both == [deleted, second]
        assert await registry.session_stats("ses_1") == ArtifactStats(
            artifact_count=1, total_bytes=1
        )

    async def test_deleting_again_keeps_the_first_time(
        self, registry: ArtifactRegistry, backend: ArtifactRegistryBackend
    ) -> None:
        """
        Also when several delete at once, and when the session is soft-deleted.
        """
        await register_some(registry, 1)
        others = [await backend.open_artifact_registry() for _ in range(4)]
        await backend.soft_delete("ses_1")
        deleted = await run_together(other.soft_delete("art_0") for other in others)
        [deleted_at] = {artifact.deleted_at for artifact in deleted}
        again = await registry.soft_delete("art_0")
        assert again.deleted_at == deleted_at is not None

    async def test_what_was_deleted_before_a_time_is_removed(
        self, registry: ArtifactRegistry
    ) -> None:
        """
        For good, of all sessions and of none; exactly then is not before.
        """
        [living, first, second] = await register_some(registry, 3)
        other = await registry.register(
            make_artifact(id="art_9", key="key_9", session_id=None)
        )
        deleted = [
            await registry.soft_delete(artifact.id)
            for artifact in (first, other, second)
        ]
        latest = deleted[-1].deleted_at
        assert latest is not None
        count = sum(one.deleted_at != latest for one in deleted)
        assert await registry.hard_delete_expired(latest) == count
        assert await registry.get(second.id) == deleted[-1]
        later = latest + timedelta(microseconds=1)
        assert await registry.hard_delete_expired(later) == 3 - count
        found = await registry.list_by_session("ses_1", include_deleted=True)
        assert found == [living]
        again = make_artifact(id=second.id, key=first.key, byte_size=3)
        assert await registry.register(again) == again

    async def test_an_artifact_of_no_session_can_be_deleted(
        self, registry: ArtifactRegistry
    ) -> None:
        """
        As any other.
        """
        await registry.register(make_artifact(session_id=None))
        deleted = await registry.soft_delete("art_1")
        assert deleted.deleted_at is not None
        assert await registry.get("art_1") == deleted

    async def test_the_largest_sizes_are_added_up(
        self, registry: ArtifactRegistry
    ) -> None:
        """
        To the last byte; a session without artifacts has 0.
        """
        nothing = ArtifactStats(artifact_count=0, total_bytes=0)
        assert await registry.session_stats("ses_1") == nothing
        for number in range(3):
            await registry.register(
                make_artifact(
                    id=f"art_{number}", key=f"key_{number}", byte_size=MAX_COUNT
                )
            )
        assert await registry.session_stats("ses_1") == ArtifactStats(
            artifact_count=3, total_bytes=3 * MAX_COUNT
        )
