"""
An artifact registry over several primaries.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from asm_async.fronts.artifact_registry import ArtifactRegistryFront
from asm_async.sharding.router import Router, Shards
from asm_async.sql.artifact_registry import SQLArtifactRegistry
from asm_async.values.artifact import Artifact, ArtifactStats


class ShardedArtifactRegistry(ArtifactRegistryFront):
    """
    An :class:`~asm_async.ports.artifact_registry.ArtifactRegistry` over primaries.

    An artifact is where its session is; one of none is of the shard of its key. Ids and
    keys are looked for on all primaries, and are unique within a shard alone.

    Args:
        router: Knows where each shard is.

        registries: The primaries' registries, by name.
    """

    def __init__(
        self, router: Router, registries: Mapping[str, SQLArtifactRegistry]
    ) -> None:
        self._shards = Shards(router, registries)

    async def _register(self, artifact: Artifact) -> Artifact:
        return await self._shards.on(
            artifact.session_id or artifact.key,
            lambda registry: registry._register(artifact),
        )

    async def _get(self, artifact_id: str) -> Artifact:
        return await self._shards.find(lambda registry: registry._get(artifact_id))

    async def _get_by_key(self, key: str) -> Artifact:
        return await self._shards.find(lambda registry: registry._get_by_key(key))

    async def _list_by_session(
        self, session_id: str, *, include_deleted: bool, limit: int | None
    ) -> list[Artifact]:
        return await self._shards.on(
            session_id,
            lambda registry: registry._list_by_session(
                session_id, include_deleted=include_deleted, limit=limit
            ),
            bool,
        )

    async def _session_stats(self, session_id: str) -> ArtifactStats:
        return await self._shards.on(
            session_id,
            lambda registry: registry._session_stats(session_id),
            lambda stats: stats.artifact_count,
        )

    async def _soft_delete(self, artifact_id: str) -> Artifact:
        return await self._shards.find(
            lambda registry: registry._soft_delete(artifact_id)
        )

    async def _hard_delete_expired(self, deleted_before: datetime) -> int:
        counts = await self._shards.everywhere(
            lambda registry: registry._hard_delete_expired(deleted_before)
        )
        return sum(counts)

    async def _named_checksums(self, checksums: frozenset[str]) -> set[str]:
        named = await self._shards.everywhere(
            lambda registry: registry._named_checksums(checksums)
        )
        return set[str]().union(*named)
