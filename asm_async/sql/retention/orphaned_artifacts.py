"""
How artifacts that nobody can want any more are removed for ever.

Their contents stay: :func:`asm_async.artifacts.remove_unnamed_contents` removes those
that no artifact names any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from asm_async.ports.maintenance_run import Batch, Batches
from asm_async.sql.core.tables import artifacts, sessions
from asm_async.sql.retention.keyset_pages import Rows, pages
from asm_async.sql.retention.throttled_writer import ThrottledWriter
from asm_async.sql.transactions.transaction import Transaction
from asm_async.sql.writes.unit_of_work_rows import lock_gates

__all__ = ["remove_deleted_artifacts", "remove_orphaned_artifacts"]

_MAX_PER_BATCH = 100


def remove_orphaned_artifacts(writes: ThrottledWriter) -> Batches:
    """
    Remove the artifacts whose session does not exist; those of no session stay.
    """
    owner = artifacts.c.session_id
    has_none = ~sa.exists().where(sessions.c.id == owner)
    order = [owner, artifacts.c.created_at, artifacts.c.id]
    return _removals(writes, sa.select(*order), order, owner.is_not(None) & has_none)


def remove_deleted_artifacts(
    writes: ThrottledWriter, deleted_before: datetime
) -> Batches:
    """
    Remove the artifacts that were soft-deleted before a time, whatever their session.
    """
    order = [artifacts.c.deleted_at, artifacts.c.id]
    query = sa.select(*order, artifacts.c.session_id)
    return _removals(writes, query, order, artifacts.c.deleted_at < deleted_before)


async def _removals(
    writes: ThrottledWriter,
    query: sa.Select[*tuple[Any, ...]],
    order: Sequence[sa.Column[Any]],
    condition: sa.ColumnElement[bool],
) -> Batches:
    """
    Remove the artifacts that meet *condition*, a page at a time.
    """
    found = pages(writes.transactions, query.where(condition), order, _MAX_PER_BATCH)
    async with aclosing(found):
        async for page in found:
            yield await _remove(writes, page, condition)


async def _remove(
    writes: ThrottledWriter, batch: Rows, condition: sa.ColumnElement[bool]
) -> Batch:
    """
    Remove a batch under the locks of its sessions, where *condition* still holds.
    """
    session_ids = {row.session_id for row in batch} - {None}

    async def work(transaction: Transaction) -> int:
        if session_ids:
            await lock_gates(transaction, session_ids)
        ids = transaction.dialect.members([row.id for row in batch])
        # Artifacts of no session have no lock: whoever removes them takes them in one
        # order, lest two wait for each other.
        is_in_batch = artifacts.c.id.in_(ids)
        rows = sa.select(artifacts.c.id).where(is_in_batch).order_by(artifacts.c.id)
        await transaction.conn.execute(transaction.dialect.locked(rows))
        delete = sa.delete(artifacts).where(is_in_batch, condition)
        return (await transaction.conn.execute(delete)).rowcount

    return Batch(await writes.write(work))
