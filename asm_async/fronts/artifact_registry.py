"""
The front of an artifact registry: what every call checks before anything else.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection
from datetime import datetime

from asm_async.errors import ValidationError
from asm_async.fronts.observing import Observation, observed
from asm_async.fronts.registering import checked_artifact
from asm_async.ports.artifact_registry import MAX_CHECKSUMS, ArtifactRegistry
from asm_async.values import fields
from asm_async.values.artifact import Artifact, ArtifactStats, sha256_checksum


@observed
class ArtifactRegistryFront(ArtifactRegistry):
    """
    An artifact registry in front of a backend, which implements the abstract methods.
    """

    observation: Observation | None = None
    """
    Where it stands who observes it; None where nobody can.
    """

    async def register(self, artifact: Artifact) -> Artifact:
        return await self._register(checked_artifact(artifact, "artifact"))

    async def get(self, artifact_id: str) -> Artifact:
        return await self._get(fields.text(artifact_id, "artifact_id"))

    async def get_by_key(self, key: str) -> Artifact:
        return await self._get_by_key(fields.text(key, "key"))

    async def list_by_session(
        self,
        session_id: str,
        *,
        include_deleted: bool = False,
        limit: int | None = None,
    ) -> list[Artifact]:
        return await self._list_by_session(
            fields.text(session_id, "session_id"),
            include_deleted=fields.boolean(include_deleted, "include_deleted"),
            limit=fields.optional(limit, "limit", fields.count),
        )

    async def session_stats(self, session_id: str) -> ArtifactStats:
        return await self._session_stats(fields.text(session_id, "session_id"))

    async def soft_delete(self, artifact_id: str) -> Artifact:
        return await self._soft_delete(fields.text(artifact_id, "artifact_id"))

    async def hard_delete_expired(self, deleted_before: datetime) -> int:
        return await self._hard_delete_expired(
            fields.utc_time(deleted_before, "deleted_before")
        )

    async def named_checksums(self, checksums: Collection[str]) -> set[str]:
        return await self._named_checksums(_checked_checksums(checksums))

    @abstractmethod
    async def _register(self, artifact: Artifact) -> Artifact: ...

    @abstractmethod
    async def _get(self, artifact_id: str) -> Artifact: ...

    @abstractmethod
    async def _get_by_key(self, key: str) -> Artifact: ...

    @abstractmethod
    async def _list_by_session(
        self, session_id: str, *, include_deleted: bool, limit: int | None
    ) -> list[Artifact]: ...

    @abstractmethod
    async def _session_stats(self, session_id: str) -> ArtifactStats: ...

    @abstractmethod
    async def _soft_delete(self, artifact_id: str) -> Artifact: ...

    @abstractmethod
    async def _hard_delete_expired(self, deleted_before: datetime) -> int: ...

    @abstractmethod
    async def _named_checksums(self, checksums: frozenset[str]) -> set[str]: ...


def _checked_checksums(checksums: object) -> frozenset[str]:
    found = frozenset(fields.tuple_of(checksums, "checksums", sha256_checksum))
    if len(found) > MAX_CHECKSUMS:
        raise ValidationError(
            f"checksums: expected at most {MAX_CHECKSUMS}, got {len(found)}"
        )
    return found
