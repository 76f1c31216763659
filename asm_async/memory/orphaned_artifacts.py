"""
How artifacts that nobody can want any more are removed for ever.

Their contents stay: :func:`asm_async.artifacts.remove_unnamed_contents` removes those
that no artifact names any more.
"""

from __future__ import annotations

from datetime import datetime

from asm_async.memory.database import InMemoryDatabase

__all__ = ["remove_deleted_artifacts", "remove_orphaned_artifacts"]


def remove_orphaned_artifacts(database: InMemoryDatabase) -> int:
    """
    Remove the artifacts whose session does not exist; those of no session stay.

    Returns:
        How many were removed.
    """
    orphans = [
        artifact.id
        for artifact in database.artifacts.values()
        if artifact.session_id is not None
        if artifact.session_id not in database.sessions
    ]
    return _remove(database, orphans)


def remove_deleted_artifacts(
    database: InMemoryDatabase, *, deleted_before: datetime
) -> int:
    """
    Remove the artifacts that were soft-deleted before a time, whatever their session.

    Args:
        database: Which one.

        deleted_before: The time; exactly then is not before.

    Returns:
        How many were removed.
    """
    old = [
        artifact.id
        for artifact in database.artifacts.values()
        if artifact.deleted_at is not None
        if artifact.deleted_at < deleted_before
    ]
    return _remove(database, old)


def _remove(database: InMemoryDatabase, artifact_ids: list[str]) -> int:
    for artifact_id in artifact_ids:
        del database.artifacts[artifact_id]
    return len(artifact_ids)
