"""
An artifact registry over several primaries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from asm_async.fronts.artifact_registry import ArtifactRegistryFront
from asm_async.sharding.router import Router
from asm_async.sharding.routing import (
    Shards,
    everywhere,
    found_by,
    never,
    on_shard,
    total,
)
from asm_async.sql.artifact_registry import SQLArtifactRegistry
from asm_async.values.artifact import Artifact


def _place_of(artifact: Artifact) -> str:
    return artifact.session_id or artifact.key


def _union(named: Sequence[set[str]], _: object) -> set[str]:
    return set[str]().union(*named)


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

    async def _soft_delete(self, artifact_id: str) -> Artifact:
        # Which of several primaries has it is known once it is found.
        artifact = await self._get(artifact_id)
        return await self._shards.on(
            _place_of(artifact), lambda registry: registry._soft_delete(artifact_id)
        )

    _register = on_shard(SQLArtifactRegistry._register, _place_of)
    _get = found_by(SQLArtifactRegistry._get, _place_of)
    _get_by_key = found_by(SQLArtifactRegistry._get_by_key, _place_of)
    _list_by_session = on_shard(SQLArtifactRegistry._list_by_session, is_final=never)
    _session_stats = on_shard(SQLArtifactRegistry._session_stats, is_final=never)
    _hard_delete_expired = everywhere(SQLArtifactRegistry._hard_delete_expired, total)
    _named_checksums = everywhere(SQLArtifactRegistry._named_checksums, _union)
