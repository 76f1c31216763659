"""
The statements of the artifact registry.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from asm_async.sql.core.tables import artifacts
from asm_async.values.artifact import ArtifactStats

# Sizes are added up in two parts, neither of which outgrows SQLite's integers: the sum
# of a thousand of the largest sizes would.
_LOW = 2**27


def artifact_by_id(artifact_id: str) -> sa.Select[*tuple[Any, ...]]:
    """
    Select one artifact, soft-deleted or not.
    """
    return sa.select(artifacts).where(artifacts.c.id == artifact_id)


def artifact_by_key(key: str) -> sa.Select[*tuple[Any, ...]]:
    """
    Select one artifact, soft-deleted or not.
    """
    return sa.select(artifacts).where(artifacts.c.key == key)


def artifacts_of(
    session_id: str, *, include_deleted: bool, limit: int | None
) -> sa.Select[*tuple[Any, ...]]:
    """
    Select a session's artifacts in the order they were created.
    """
    query = sa.select(artifacts).where(artifacts.c.session_id == session_id)
    if not include_deleted:
        query = query.where(artifacts.c.deleted_at.is_(None))
    in_order = query.order_by(artifacts.c.created_at, artifacts.c.id)
    return in_order.limit(limit)


def stats_of(session_id: str) -> sa.Select[*tuple[Any, ...]]:
    """
    Select how many artifacts a session has, and their sizes added up, in two parts.
    """
    size = artifacts.c.byte_size
    return sa.select(
        sa.func.count().label("artifact_count"),
        sa.func.coalesce(sa.func.sum(size // _LOW), 0).label("high"),
        sa.func.coalesce(sa.func.sum(size % _LOW), 0).label("low"),
    ).where(artifacts.c.session_id == session_id, artifacts.c.deleted_at.is_(None))


def stats_from_row(row: sa.RowMapping) -> ArtifactStats:
    """
    Put the parts of :func:`stats_of` together.
    """
    total = int(row["high"]) * _LOW + int(row["low"])
    return ArtifactStats(artifact_count=row["artifact_count"], total_bytes=total)


def soft_deletion(artifact_id: str, at: datetime) -> sa.Update:
    """
    Mark one artifact deleted, if it is not already.
    """
    return (
        sa.update(artifacts)
        .where(artifacts.c.id == artifact_id, artifacts.c.deleted_at.is_(None))
        .values(deleted_at=at)
    )
