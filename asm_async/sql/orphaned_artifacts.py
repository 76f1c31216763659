"""
How artifacts that nobody can want any more are removed for ever.

Their contents stay: :mod:`asm_async.artifact_contents` removes what no artifact names.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.ports.maintenance_run import Batch, Batches
from asm_async.sql.brief_writes import BriefWrites
from asm_async.sql.candidates import Rows
from asm_async.sql.ledger_rows import read_gates
from asm_async.sql.tables import artifacts, sessions
from asm_async.sql.transactions import Transaction, Transactions

__all__ = ["remove_deleted_artifacts", "remove_orphaned_artifacts"]

_MOST_A_BATCH = 100


async def remove_orphaned_artifacts(writes: BriefWrites) -> Batches:
    """
    Remove the artifacts whose session does not exist; those of no session stay.
    """
    owner = artifacts.c.session_id
    has_none = ~sa.exists().where(sessions.c.id == owner)
    is_orphan = owner.is_not(None) & has_none
    orphans = sa.select(artifacts.c.id, owner).where(is_orphan).order_by(owner)
    query = orphans.limit(_MOST_A_BATCH)
    while batch := await _rows(writes.transactions, query):
        yield await _remove(writes, batch, is_orphan)
        # What lies before the last session that was seen is not looked at again.
        query = orphans.where(owner >= batch[-1].session_id).limit(_MOST_A_BATCH)


async def remove_deleted_artifacts(
    writes: BriefWrites, deleted_before: datetime
) -> Batches:
    """
    Remove the artifacts that were soft-deleted before a time, whatever their session.
    """
    is_old = artifacts.c.deleted_at < deleted_before
    query = (
        sa.select(artifacts.c.id, artifacts.c.session_id)
        .where(is_old)
        .order_by(artifacts.c.deleted_at, artifacts.c.id)
        .limit(_MOST_A_BATCH)
    )
    while batch := await _rows(writes.transactions, query):
        yield await _remove(writes, batch, is_old)


async def _rows(transactions: Transactions, query: sa.Select[str, str | None]) -> Rows:
    async def read(conn: AsyncConnection) -> Rows:
        return (await conn.execute(query)).all()

    return await transactions.read(read)


async def _remove(
    writes: BriefWrites, batch: Rows, condition: sa.ColumnElement[bool]
) -> Batch:
    """
    Remove a batch under the locks of its sessions, where *condition* still holds.
    """
    session_ids = {row.session_id for row in batch} - {None}

    async def work(transaction: Transaction) -> int:
        if session_ids:
            await transaction.lock_sessions(session_ids)
            await read_gates(transaction, session_ids)
        ids = transaction.dialect.members([row.id for row in batch])
        # Artifacts of no session have no lock: whoever removes them takes them in one
        # order, lest two wait for each other.
        is_in_batch = artifacts.c.id.in_(ids)
        rows = sa.select(artifacts.c.id).where(is_in_batch).order_by(artifacts.c.id)
        await transaction.conn.execute(transaction.dialect.locked(rows))
        delete = sa.delete(artifacts).where(is_in_batch, condition)
        return (await transaction.conn.execute(delete)).rowcount

    return Batch(await writes.write(work))
