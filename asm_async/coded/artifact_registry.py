"""
An artifact registry whose records are stored in another form than callers see.
"""

from __future__ import annotations

from datetime import datetime

from asm_async.coded.coder import Coder
from asm_async.coded.coding import Coding
from asm_async.errors import ArtifactConflictError, ArtifactNotFoundError
from asm_async.fronts.artifact_registry import ArtifactRegistryFront
from asm_async.ports.artifact_registry import ArtifactRegistry
from asm_async.values import fields
from asm_async.values.artifact import Artifact, ArtifactStats


class CodedArtifactRegistry(ArtifactRegistryFront):
    """
    An :class:`~asm_async.ports.ArtifactRegistry` in front of another one.

    The records of artifacts are encoded and decoded, not their contents. Those that
    the coder registers itself are not listed.

    Args:
        registry: Where the records go.

        coder: Encodes them, and decodes them again.

    Raises:
        ValidationError: If *registry* or *coder* is something else.
    """

    def __init__(self, registry: ArtifactRegistry, coder: Coder) -> None:
        if not callable(getattr(registry, "register", None)):
            raise fields.unexpected("registry", "an ArtifactRegistry", registry)
        self.behind: ArtifactRegistry = registry
        """
        The registry that it wraps.
        """
        self._coding = Coding(fields.instance(coder, "coder", Coder))

    async def _register(self, artifact: Artifact) -> Artifact:
        (encoded,) = await self._coding.encoded([artifact])
        try:
            stored = await self.behind.register(encoded)
        except ArtifactConflictError as conflict:
            if not self._coding.coder.is_reversible:
                raise
            return await self._registered_before(artifact, conflict)
        return await self._coding.decoded_one(stored)

    async def _registered_before(
        self, artifact: Artifact, conflict: ArtifactConflictError
    ) -> Artifact:
        """
        Return the stored artifact, if callers see the same as they want to register.
        """
        try:
            stored = await self._get(artifact.id)
        except ArtifactNotFoundError:
            stored = await self._get_by_key(artifact.key)
        differing = artifact.difference_to(stored)
        if differing:
            raise ArtifactConflictError(conflict.subject, differing) from None
        return stored

    async def _get(self, artifact_id: str) -> Artifact:
        return await self._coding.decoded_one(await self.behind.get(artifact_id))

    async def _get_by_key(self, key: str) -> Artifact:
        return await self._coding.decoded_one(await self.behind.get_by_key(key))

    async def _list_by_session(
        self, session_id: str, *, include_deleted: bool, limit: int | None
    ) -> list[Artifact]:
        coder = self._coding.coder
        stored = await self.behind.list_by_session(
            session_id,
            include_deleted=include_deleted,
            limit=None if coder.registers_artifacts else limit,
        )
        wanted = [artifact for artifact in stored if not coder.is_own(artifact)]
        return await self._coding.shown(wanted[:limit])

    async def _session_stats(self, session_id: str) -> ArtifactStats:
        if not self._coding.coder.registers_artifacts:
            return await self.behind.session_stats(session_id)
        found = await self._list_by_session(
            session_id, include_deleted=False, limit=None
        )
        return ArtifactStats(
            artifact_count=len(found),
            total_bytes=sum(artifact.byte_size for artifact in found),
        )

    async def _soft_delete(self, artifact_id: str) -> Artifact:
        return await self._coding.decoded_one(
            await self.behind.soft_delete(artifact_id)
        )

    async def _hard_delete_expired(self, deleted_before: datetime) -> int:
        return await self.behind.hard_delete_expired(deleted_before)

    async def _named_checksums(self, checksums: frozenset[str]) -> set[str]:
        return await self.behind.named_checksums(checksums)
