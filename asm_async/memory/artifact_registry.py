"""
The artifact registry over what is kept in memory.
"""

from __future__ import annotations

from datetime import UTC, datetime

import attrs

from asm_async.errors import (
    ArtifactConflictError,
    ArtifactNotFoundError,
)
from asm_async.fronts.artifact_registry import ArtifactRegistryFront
from asm_async.memory.database import InMemoryDatabase
from asm_async.memory.lifecycle import Lifecycle
from asm_async.memory.retention import remove_deleted_artifacts
from asm_async.values.artifact import Artifact, ArtifactStats


class InMemoryArtifactRegistry(ArtifactRegistryFront):
    """
    An :class:`~asm_async.ports.artifact_registry.ArtifactRegistry` without a database.

    No method awaits, so that each call is atomic.

    Args:
        database: What the registry works on, together with the stores that are given
            the same one.
    """

    def __init__(self, database: InMemoryDatabase) -> None:
        self._database = database
        self._lifecycle = Lifecycle("registry")

    async def _register(self, artifact: Artifact) -> Artifact:
        self._lifecycle.check_usable()
        if artifact.session_id is not None:
            self._database.check_live(artifact.session_id)
        stored = self._registered_before(artifact)
        if stored is None:
            stored = self._database.artifacts[artifact.id] = artifact
        return attrs.evolve(stored)

    async def _get(self, artifact_id: str) -> Artifact:
        self._lifecycle.check_usable()
        return attrs.evolve(self._existing(artifact_id))

    async def _get_by_key(self, key: str) -> Artifact:
        self._lifecycle.check_usable()
        found = self._of_key(key)
        if found is None:
            raise ArtifactNotFoundError(key)
        return attrs.evolve(found)

    async def _list_by_session(
        self, session_id: str, *, include_deleted: bool, limit: int | None
    ) -> list[Artifact]:
        self._lifecycle.check_usable()
        found = self._of_session(session_id, include_deleted=include_deleted)
        found.sort(key=lambda artifact: (artifact.created_at, artifact.id))
        return [attrs.evolve(artifact) for artifact in found[:limit]]

    async def _session_stats(self, session_id: str) -> ArtifactStats:
        self._lifecycle.check_usable()
        sizes = [artifact.byte_size for artifact in self._of_session(session_id)]
        return ArtifactStats(artifact_count=len(sizes), total_bytes=sum(sizes))

    async def _soft_delete(self, artifact_id: str) -> Artifact:
        self._lifecycle.check_usable()
        stored = self._existing(artifact_id)
        if stored.deleted_at is None:
            stored = attrs.evolve(stored, deleted_at=datetime.now(UTC))
            self._database.artifacts[artifact_id] = stored
        return attrs.evolve(stored)

    async def _hard_delete_expired(self, deleted_before: datetime) -> int:
        self._lifecycle.check_usable()
        return remove_deleted_artifacts(self._database, deleted_before=deleted_before)

    async def _named_checksums(self, checksums: frozenset[str]) -> set[str]:
        self._lifecycle.check_usable()
        known = self._database.artifacts.values()
        return {artifact.checksum_sha256 for artifact in known} & checksums

    def _existing(self, artifact_id: str) -> Artifact:
        if artifact_id not in self._database.artifacts:
            raise ArtifactNotFoundError(artifact_id)
        return self._database.artifacts[artifact_id]

    def _of_key(self, key: str) -> Artifact | None:
        known = self._database.artifacts.values()
        return next((artifact for artifact in known if artifact.key == key), None)

    def _of_session(
        self, session_id: str, *, include_deleted: bool = False
    ) -> list[Artifact]:
        return [
            artifact
            for artifact in self._database.artifacts.values()
            if artifact.session_id == session_id
            if include_deleted or artifact.deleted_at is None
        ]

    def _registered_before(self, artifact: Artifact) -> Artifact | None:
        """
        Return what is stored if this very artifact was registered already.
        """
        found = {
            f"artifact {artifact.id!r}": self._database.artifacts.get(artifact.id),
            f"key {artifact.key!r}": self._of_key(artifact.key),
        }
        for subject, stored in found.items():
            if stored is not None:
                if not artifact.is_repeat_of(stored):
                    raise ArtifactConflictError(subject)
                return stored
        return None
