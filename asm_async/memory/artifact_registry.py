"""
The artifact registry over what is kept in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

import attrs

from asm_async.errors import ArtifactNotFoundError
from asm_async.fronts.artifact_registry import ArtifactRegistryFront
from asm_async.fronts.observing import Observation
from asm_async.fronts.registering import register_all
from asm_async.memory.database import DatabaseAccess, InMemoryDatabase
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
        self._access = DatabaseAccess(database, "registry")
        self.observation: Observation | None = Observation()

    async def _register(self, artifact: Artifact) -> Artifact:
        database = self._access.database
        if artifact.session_id is not None:
            database.check_live(artifact.session_id)
        (stored,), new = registrations(database, [artifact])
        database.add_artifacts(new)
        return attrs.evolve(stored)

    async def _get(self, artifact_id: str) -> Artifact:
        return attrs.evolve(_existing(self._access.database, artifact_id))

    async def _get_by_key(self, key: str) -> Artifact:
        found = artifact_of_key(self._access.database, key)
        if found is None:
            raise ArtifactNotFoundError(key)
        return attrs.evolve(found)

    async def _list_by_session(
        self, session_id: str, *, include_deleted: bool, limit: int | None
    ) -> list[Artifact]:
        found = artifacts_of(
            self._access.database, session_id, include_deleted=include_deleted
        )
        return [attrs.evolve(artifact) for artifact in found[:limit]]

    async def _session_stats(self, session_id: str) -> ArtifactStats:
        database = self._access.database
        found = artifacts_of(database, session_id, include_deleted=False)
        total_bytes = sum(artifact.byte_size for artifact in found)
        return ArtifactStats(artifact_count=len(found), total_bytes=total_bytes)

    async def _soft_delete(self, artifact_id: str) -> Artifact:
        database = self._access.database
        stored = _existing(database, artifact_id)
        if stored.deleted_at is None:
            stored = attrs.evolve(stored, deleted_at=datetime.now(UTC))
            database.artifacts[artifact_id] = stored
        return attrs.evolve(stored)

    async def _hard_delete_expired(self, deleted_before: datetime) -> int:
        return self._access.database.remove_artifacts(
            lambda artifact: (
                artifact.deleted_at is not None and artifact.deleted_at < deleted_before
            )
        )

    async def _named_checksums(self, checksums: frozenset[str]) -> set[str]:
        known = self._access.database.artifacts.values()
        return {artifact.checksum_sha256 for artifact in known} & checksums


def registrations(
    database: InMemoryDatabase, artifacts: Sequence[Artifact]
) -> tuple[list[Artifact], list[Artifact]]:
    """
    Return what is stored once artifacts are registered, and which of them are new.
    """
    return register_all(
        artifacts, database.artifacts.get, partial(artifact_of_key, database)
    )


def artifact_of_key(database: InMemoryDatabase, key: str) -> Artifact | None:
    """
    Return the artifact that has a key.
    """
    known = database.artifacts.values()
    return next((artifact for artifact in known if artifact.key == key), None)


def artifacts_of(
    database: InMemoryDatabase, session_id: str, *, include_deleted: bool = True
) -> list[Artifact]:
    """
    List a session's artifacts in the order they were created, then by id.
    """
    found = [
        artifact
        for artifact in database.artifacts.values()
        if artifact.session_id == session_id
        if include_deleted or artifact.deleted_at is None
    ]
    return sorted(found, key=lambda artifact: (artifact.created_at, artifact.id))


def _existing(database: InMemoryDatabase, artifact_id: str) -> Artifact:
    if artifact_id not in database.artifacts:
        raise ArtifactNotFoundError(artifact_id)
    return database.artifacts[artifact_id]
