"""
The artifact registry over an AsyncEngine.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.errors import ArtifactNotFoundError
from asm_async.fronts.artifact_registry import ArtifactRegistryFront
from asm_async.fronts.maintenance import do_all
from asm_async.fronts.observing import Observation
from asm_async.sql.core import rows
from asm_async.sql.core.deadlines import check_timeout
from asm_async.sql.core.tables import artifacts
from asm_async.sql.retention.batches import Rows, ThrottledWriter
from asm_async.sql.retention.orphans import remove_deleted_artifacts
from asm_async.sql.runtime.lifecycle import Lifecycle
from asm_async.sql.transactions.transaction import Transaction, Transactions
from asm_async.sql.writes.artifact_work import ArtifactWork
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
        self.observation: Observation | None = self._transactions.observation
        self._lifecycle = Lifecycle(self._transactions)

    async def _register(self, artifact: Artifact) -> Artifact:
        async def work(transaction: Transaction) -> Artifact:
            if artifact.session_id is not None:
                await _lock_live_session(transaction, artifact.session_id)
            query = sa.select(artifacts).where(
                (artifacts.c.id == artifact.id) | (artifacts.c.key == artifact.key)
            )
            found = (await transaction.conn.execute(query)).all()
            work = ArtifactWork([*map(rows.artifact_of, found)])
            (stored,), new = work.registrations([artifact])
            for each in new:
                insert = sa.insert(artifacts).values(rows.artifact_row(each))
                await transaction.conn.execute(insert)
            return stored

        async with self._lifecycle:
            return await self._transactions.write(work, is_repeatable=True)

    async def _get(self, artifact_id: str) -> Artifact:
        return await self._only(artifacts.c.id, artifact_id)

    async def _get_by_key(self, key: str) -> Artifact:
        return await self._only(artifacts.c.key, key)

    async def _list_by_session(
        self, session_id: str, *, include_deleted: bool, limit: int | None
    ) -> list[Artifact]:
        query = (
            sa.select(artifacts)
            .where(artifacts.c.session_id == session_id)
            .order_by(artifacts.c.created_at, artifacts.c.id)
            .limit(limit)
        )
        if not include_deleted:
            query = query.where(artifacts.c.deleted_at.is_(None))
        return [rows.artifact_of(row) for row in await self._rows(query)]

    async def _session_stats(self, session_id: str) -> ArtifactStats:
        total = self._transactions.dialect.exact_sum(artifacts.c.byte_size)
        (row,) = await self._rows(
            sa.select(
                sa.func.count().label("artifact_count"), total.label("total_bytes")
            ).where(
                artifacts.c.session_id == session_id, artifacts.c.deleted_at.is_(None)
            )
        )
        return ArtifactStats(
            artifact_count=row.artifact_count, total_bytes=row.total_bytes or 0
        )

    async def _soft_delete(self, artifact_id: str) -> Artifact:
        # An artifact never changes its session.
        session_id = (await self._get(artifact_id)).session_id

        async def work(transaction: Transaction) -> Artifact:
            if session_id is not None:
                await transaction.lock_sessions({session_id})
            is_it = artifacts.c.id == artifact_id
            await transaction.conn.execute(
                sa.update(artifacts)
                .where(is_it, artifacts.c.deleted_at.is_(None))
                .values(deleted_at=datetime.now(UTC))
            )
            found = await transaction.conn.execute(sa.select(artifacts).where(is_it))
            return _only_one(found.all(), artifact_id)

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
        return {row.checksum_sha256 for row in found}

    async def _only(self, column: sa.Column[str], value: str) -> Artifact:
        found = await self._rows(sa.select(artifacts).where(column == value))
        return _only_one(found, value)

    async def _rows(self, query: sa.Select[*tuple[Any, ...]]) -> Rows:
        async def read(conn: AsyncConnection) -> Rows:
            return (await conn.execute(query)).all()

        async with self._lifecycle:
            return await self._transactions.read(read)


async def _lock_live_session(transaction: Transaction, session_id: str) -> None:
    gates = await lock_gates(transaction, {session_id})
    UnitOfWork(gates=gates).check_live(session_id)


def _only_one(found: Rows, wanted: str) -> Artifact:
    if not found:
        raise ArtifactNotFoundError(wanted)
    return rows.artifact_of(found[0])
