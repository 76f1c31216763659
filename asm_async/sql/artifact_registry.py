"""
The artifact registry over an AsyncEngine.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.errors import ArtifactConflictError, ArtifactNotFoundError
from asm_async.fronts.artifact_registry import ArtifactRegistryFront
from asm_async.fronts.maintenance_run import do_all
from asm_async.sql.core import rows
from asm_async.sql.core.deadlines import check_timeout
from asm_async.sql.core.tables import artifacts
from asm_async.sql.reads import artifact_queries
from asm_async.sql.retention.orphans import remove_deleted_artifacts
from asm_async.sql.retention.throttled_writer import ThrottledWriter
from asm_async.sql.runtime.lifecycle import Lifecycle
from asm_async.sql.transactions.transaction import Transaction, Transactions
from asm_async.sql.writes.gates import lock_gates
from asm_async.sql.writes.unit_of_work import UnitOfWork
from asm_async.values.artifact import Artifact, ArtifactStats


class SQLArtifactRegistry(ArtifactRegistryFront):
    """
    An :class:`~asm_async.ports.ArtifactRegistry` on SQLite or PostgreSQL.

    The engine stays the caller's: it is neither reconfigured nor disposed, and it may
    be shared with stores. It is used within one event loop.

    Args:
        engine:
            Made by :func:`~asm_async.sql.create_engine`, or any AsyncEngine over
            aiosqlite or asyncpg.

        timeout:
            How long, in seconds, a call goes on trying while the database is busy or
            out of reach, before it raises ``StorageBusyError`` or
            ``StorageUnavailableError``.

    Raises:
        UnsupportedOperationError: If the engine speaks to another database or driver.
    """

    def __init__(self, engine: AsyncEngine, *, timeout: float = 30.0) -> None:
        self.engine = engine
        self._transactions = Transactions(engine, check_timeout(timeout))
        self._lifecycle = Lifecycle(self._transactions)

    async def _register(self, artifact: Artifact) -> Artifact:
        async def work(transaction: Transaction) -> Artifact:
            if artifact.session_id is not None:
                await _lock_live_session(transaction, artifact.session_id)
            stored = await _registered_before(transaction.conn, artifact)
            if stored is None:
                insert = sa.insert(artifacts).values(rows.artifact_row(artifact))
                await transaction.conn.execute(insert)
            return stored or artifact

        async with self._lifecycle:
            return await self._transactions.write(work, is_repeatable=True)

    async def _get(self, artifact_id: str) -> Artifact:
        query = artifact_queries.artifact_by_id(artifact_id)
        return await self._only(query, artifact_id)

    async def _get_by_key(self, key: str) -> Artifact:
        return await self._only(artifact_queries.artifact_by_key(key), key)

    async def _list_by_session(
        self, session_id: str, *, include_deleted: bool, limit: int | None
    ) -> list[Artifact]:
        query = artifact_queries.artifacts_of(
            session_id, include_deleted=include_deleted, limit=limit
        )
        found = await self._rows(query)
        return [rows.artifact_from_row(row) for row in found]

    async def _session_stats(self, session_id: str) -> ArtifactStats:
        (row,) = await self._rows(artifact_queries.stats_of(session_id))
        return artifact_queries.stats_from_row(row)

    async def _soft_delete(self, artifact_id: str) -> Artifact:
        # An artifact never changes its session.
        session_id = (await self._get(artifact_id)).session_id

        async def work(transaction: Transaction) -> Artifact:
            if session_id is not None:
                await transaction.lock_sessions({session_id})
            now = datetime.now(UTC)
            update = artifact_queries.soft_deletion(artifact_id, now)
            await transaction.conn.execute(update)
            return await _stored(transaction.conn, artifact_id)

        async with self._lifecycle:
            return await self._transactions.write(work, is_repeatable=True)

    async def _hard_delete_expired(self, deleted_before: datetime) -> int:
        writes = ThrottledWriter(self._transactions)
        async with self._lifecycle:
            return await do_all(remove_deleted_artifacts(writes, deleted_before))

    async def _named_checksums(self, checksums: frozenset[str]) -> set[str]:
        dialect = self._transactions.dialect
        checksum = artifacts.c.checksum_sha256
        is_asked = dialect.is_one_of(checksum, checksums)
        found = await self._rows(sa.select(checksum).where(is_asked).distinct())
        return {row["checksum_sha256"] for row in found}

    async def _only(self, query: sa.Select[*tuple[Any, ...]], wanted: str) -> Artifact:
        for row in await self._rows(query):
            return rows.artifact_from_row(row)
        raise ArtifactNotFoundError(wanted)

    async def _rows(
        self, query: sa.Select[*tuple[Any, ...]]
    ) -> Sequence[sa.RowMapping]:
        async def read(conn: AsyncConnection) -> Sequence[sa.RowMapping]:
            return list((await conn.execute(query)).mappings())

        async with self._lifecycle:
            return await self._transactions.read(read)


async def _lock_live_session(transaction: Transaction, session_id: str) -> None:
    gates = await lock_gates(transaction, {session_id})
    UnitOfWork(gates=gates, sessions={}, runs={}, events={}).check_live(session_id)


async def _registered_before(conn: AsyncConnection, new: Artifact) -> Artifact | None:
    """
    Return what is stored if this very artifact was registered already.
    """
    for subject, query in (
        (f"artifact {new.id!r}", artifact_queries.artifact_by_id(new.id)),
        (f"key {new.key!r}", artifact_queries.artifact_by_key(new.key)),
    ):
        row = (await conn.execute(query)).mappings().one_or_none()
        if row is not None:
            stored = rows.artifact_from_row(row)
            if not new.is_repeat_of(stored):
                raise ArtifactConflictError(subject)
            return stored
    return None


async def _stored(conn: AsyncConnection, artifact_id: str) -> Artifact:
    query = artifact_queries.artifact_by_id(artifact_id)
    row = (await conn.execute(query)).mappings().one_or_none()
    if row is None:
        raise ArtifactNotFoundError(artifact_id)
    return rows.artifact_from_row(row)
