"""
The artifact registry over what is kept in memory.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

import attrs

from asm_async.errors import (
    ArtifactConflictError,
    ArtifactNotFoundError,
)
from asm_async.memory.database import InMemoryDatabase
from asm_async.memory.lifecycle import Lifecycle
from asm_async.memory.orphaned_artifacts import remove_deleted_artifacts
from asm_async.ports.artifact_arguments import (
    ArtifactFilter,
    check_artifact,
    check_checksums,
)
from asm_async.values import fields
from asm_async.values.artifact import Artifact, ArtifactStats

__all__ = ["InMemoryArtifactRegistry"]


class InMemoryArtifactRegistry:
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

    async def register(self, artifact: Artifact) -> Artifact:
        """
        Remember an artifact whose content has been put.
        """
        artifact = check_artifact(artifact)
        self._lifecycle.check_usable()
        if artifact.session_id is not None:
            self._database.check_live(artifact.session_id)
        stored = self._registered_before(artifact)
        if stored is None:
            stored = self._database.artifacts[artifact.id] = artifact
        return attrs.evolve(stored)

    async def get(self, artifact_id: str) -> Artifact:
        """
        Give the artifact, soft-deleted or not.
        """
        artifact_id = fields.text(artifact_id, "artifact_id")
        self._lifecycle.check_usable()
        return attrs.evolve(self._existing(artifact_id))

    async def get_by_key(self, key: str) -> Artifact:
        """
        Give the artifact of this key, soft-deleted or not.
        """
        key = fields.text(key, "key")
        self._lifecycle.check_usable()
        found = self._of_key(key)
        if found is None:
            raise ArtifactNotFoundError(key)
        return attrs.evolve(found)

    async def list_by_session(
        self,
        session_id: str,
        *,
        include_deleted: bool = False,
        limit: int | None = None,
    ) -> list[Artifact]:
        """
        List the session's artifacts in the order they were created, then by id.
        """
        session_id = fields.text(session_id, "session_id")
        wanted = ArtifactFilter(include_deleted=include_deleted, limit=limit)
        self._lifecycle.check_usable()
        found = self._of_session(session_id, include_deleted=wanted.include_deleted)
        found.sort(key=lambda artifact: (artifact.created_at, artifact.id))
        return [attrs.evolve(artifact) for artifact in found[: wanted.limit]]

    async def session_stats(self, session_id: str) -> ArtifactStats:
        """
        Add up the session's artifacts, without the soft-deleted ones.
        """
        session_id = fields.text(session_id, "session_id")
        self._lifecycle.check_usable()
        sizes = [artifact.byte_size for artifact in self._of_session(session_id)]
        return ArtifactStats(artifact_count=len(sizes), total_bytes=sum(sizes))

    async def soft_delete(self, artifact_id: str) -> Artifact:
        """
        Mark an artifact deleted, whatever the state of its session.
        """
        artifact_id = fields.text(artifact_id, "artifact_id")
        self._lifecycle.check_usable()
        stored = self._existing(artifact_id)
        if stored.deleted_at is None:
            stored = attrs.evolve(stored, deleted_at=datetime.now(UTC))
            self._database.artifacts[artifact_id] = stored
        return attrs.evolve(stored)

    async def hard_delete_expired(self, deleted_before: datetime) -> int:
        """
        Remove for ever the artifacts that were soft-deleted before a time.
        """
        before = fields.utc_time(deleted_before, "deleted_before")
        self._lifecycle.check_usable()
        return remove_deleted_artifacts(self._database, deleted_before=before)

    async def named_checksums(self, checksums: Collection[str]) -> set[str]:
        """
        Tell which of these contents an artifact names, soft-deleted or not.
        """
        asked = check_checksums(checksums)
        self._lifecycle.check_usable()
        known = self._database.artifacts.values()
        return {artifact.checksum_sha256 for artifact in known} & asked

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
        Give what is stored if this very artifact was registered already.
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
