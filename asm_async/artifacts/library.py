"""
Artifacts with their contents: saved in the right order, and verified when read.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from contextlib import aclosing
from typing import Any

import attrs

from asm_async.errors import ArtifactDamagedError, ArtifactNotFoundError
from asm_async.ports.artifact_registry import ArtifactRegistry
from asm_async.ports.artifact_store import ArtifactStore
from asm_async.values.artifact import Artifact, ArtifactContent

_NO_CONTENT = ArtifactContent(
    byte_size=0, checksum_sha256="0" * 64, storage_backend="none", storage_ref="none"
)


class ArtifactLibrary:
    """
    A registry and the store that holds what it names.

    Args:
        registry: Where the artifacts are registered.

        store: The store of all their contents.
    """

    def __init__(self, registry: ArtifactRegistry, store: ArtifactStore) -> None:
        self.registry = registry
        self.store = store

    async def save(
        self,
        content: bytes | AsyncIterable[bytes],
        *,
        key: str | None = None,
        session_id: str | None = None,
        run_id: str | None = None,
        content_type: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Artifact:
        """
        Put a content, then register an artifact of it.

        With a *key*, repeating the call is safe: the artifact of that key comes back.
        After a crash in between there is no artifact, and
        :func:`~asm_async.artifacts.remove_unnamed_contents` removes the content.

        Args:
            content: All of it, or its pieces in order.

            key: The application's name of it, unique; the artifact's id unless given.

            session_id: The session it belongs to, if any.

            run_id: The run that made it, if any.

            content_type: A media type, such as ``text/markdown``.

            metadata: A JSON object.

        Returns:
            The stored artifact.

        Raises:
            ValidationError: If an argument is wrong; nothing was put.

            SessionNotFoundError: If the session does not exist.

            SessionDeletedError: If the session is soft-deleted.

            ArtifactConflictError: If the key is that of another artifact.
        """
        draft = Artifact.new(
            content=_NO_CONTENT,
            key=key,
            session_id=session_id,
            run_id=run_id,
            content_type=content_type,
            metadata=metadata,
        )
        stored = await self.store.put(content)
        return await self.registry.register(attrs.evolve(draft, **attrs.asdict(stored)))

    async def read(self, artifact_id: str) -> bytes:
        """
        Return an artifact's content, verified; also that of a soft-deleted artifact.

        Raises:
            ArtifactNotFoundError: If no artifact of this id is stored.

            ArtifactDamagedError: If the content is not what was put, or is gone.
        """
        async with aclosing(self.stream(artifact_id)) as pieces:
            return b"".join([piece async for piece in pieces])

    async def stream(self, artifact_id: str) -> AsyncGenerator[bytes]:
        """
        Yield an artifact's content piece by piece, as ``ArtifactStore.stream`` does.

        Raises:
            ArtifactNotFoundError: If no artifact of this id is stored.

            ArtifactDamagedError: If the content is not what was put, or is gone.
        """
        artifact = await self.registry.get(artifact_id)
        try:
            async with aclosing(self.store.stream(artifact.checksum_sha256)) as pieces:
                async for piece in pieces:
                    yield piece
        except ArtifactNotFoundError as error:
            raise ArtifactDamagedError(
                f"the content of artifact {artifact.id!r} is missing: restore it from a"
                " backup"
            ) from error
