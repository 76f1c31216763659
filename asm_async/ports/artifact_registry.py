"""
The port through which artifacts are registered and looked up.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Protocol, runtime_checkable

from asm_async.values.artifact import Artifact, ArtifactStats

MAX_CHECKSUMS = 1000
"""
How many checksums one call of ``named_checksums`` may ask about.
"""


@runtime_checkable
class ArtifactRegistry(Protocol):
    """
    The records of artifacts; their contents are in an ``ArtifactStore``.

    **Order.** First the content is put, then the artifact is registered. A crash in
    between leaves a content that no artifact names, which is harmless and is cleaned;
    never an artifact without content.

    **Keys.** Ids and keys are each unique in the whole database, including those of
    soft-deleted artifacts. An artifact never changes: a new version has a new key.

    **Sessions.** An artifact belongs to a session or to none. It is registered under
    the session's lock, like everything that is written to a session. When the session
    is removed, so are its artifacts; while it is soft-deleted they can be read.

    **Soft deletion.** A soft-deleted artifact can be read by id and by key and is left
    out of lists and statistics. It is removed with its session, or by
    :meth:`hard_delete_expired`; until then its content is named, and stays.

    **Atomicity and cancellation.** Each method is one transaction, and
    :meth:`hard_delete_expired` one for each batch. A call that is cancelled before its
    transaction begins is withdrawn; after that the caller waits until the outcome is
    known.

    **Errors.** Every method raises ``ValidationError`` for a bad argument before
    anything is read or written, ``StoreClosedError`` from another event loop than the
    one that first used it, and the family of ``StorageError`` if the database fails.
    """

    async def register(self, artifact: Artifact) -> Artifact:
        """
        Register an artifact whose content has been put.

        Repeating it is safe: an artifact of this id with the same content is not
        written again, nor is one of this key that differs in nothing but its id and
        *created_at*. The stored one is returned instead, as it is, including
        *deleted_at*: registering again restores nothing.

        It is not checked whether the artifact store really holds the content.

        Returns:
            The stored artifact.

        Raises:
            ValidationError: If the artifact has *deleted_at*.

            SessionNotFoundError: If it belongs to a session that does not exist.

            SessionDeletedError: If that session is soft-deleted.

            ArtifactConflictError: If its id or its key belongs to another artifact.
        """
        ...

    async def get(self, artifact_id: str) -> Artifact:
        """
        Return the artifact, soft-deleted or not.

        Raises:
            ArtifactNotFoundError: If no artifact of this id is stored.
        """
        ...

    async def get_by_key(self, key: str) -> Artifact:
        """
        Return the artifact of this key, soft-deleted or not.

        Raises:
            ArtifactNotFoundError: If no artifact of this key is stored.
        """
        ...

    async def list_by_session(
        self,
        session_id: str,
        *,
        include_deleted: bool = False,
        limit: int | None = None,
    ) -> list[Artifact]:
        """
        List the session's artifacts in the order they were created, then by id.

        Args:
            session_id: The session; an unknown one has no artifacts.

            include_deleted: Whether to include soft-deleted ones.

            limit: The most to return, from the oldest on; None for all.
        """
        ...

    async def session_stats(self, session_id: str) -> ArtifactStats:
        """
        Add up the session's artifacts, without the soft-deleted ones.

        An unknown session has none.
        """
        ...

    async def soft_delete(self, artifact_id: str) -> Artifact:
        """
        Mark an artifact deleted, whatever the state of its session.

        One that is soft-deleted already keeps its *deleted_at*.

        Returns:
            The stored artifact.

        Raises:
            ArtifactNotFoundError: If no artifact of this id is stored.
        """
        ...

    async def hard_delete_expired(self, deleted_before: datetime) -> int:
        """
        Remove the artifacts that were soft-deleted before a time, permanently.

        Their ids and keys are free again. Their contents stay, until contents without
        an artifact are removed.

        Args:
            deleted_before: The time; what was deleted exactly then stays.

        Returns:
            How many artifacts were removed, of all sessions and of none.
        """
        ...

    async def named_checksums(self, checksums: Collection[str]) -> set[str]:
        """
        Return which of these contents an artifact names, soft-deleted or not.

        Args:
            checksums: At most 1,000.
        """
        ...
