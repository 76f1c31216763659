"""
How artifacts are removed that nobody can want any more, and stray counters closed.

The contents of artifacts stay: :func:`asm_async.artifacts.remove_unnamed_contents`
removes those that no artifact names any more.
"""

from __future__ import annotations

from contextlib import aclosing
from datetime import datetime
from functools import partial

import sqlalchemy as sa

from asm_async.fronts.maintenance import Batch, Batches
from asm_async.fronts.retention import sessions_per_batch
from asm_async.sql.core.tables import GateState, artifacts, session_sequences, sessions
from asm_async.sql.retention.batches import Rows, ThrottledWriter, chained
from asm_async.sql.retention.deleting import finish_removal, set_gates
from asm_async.sql.transactions.transaction import Transaction
from asm_async.sql.writes.gates import lock_gates
from asm_async.values.retention import RetentionPolicy

_MAX_ARTIFACTS_PER_BATCH = 100


def remove_orphaned_artifacts(writes: ThrottledWriter) -> Batches:
    """
    Remove the artifacts whose session does not exist; those of no session stay.
    """
    owner = artifacts.c.session_id
    is_ownerless = owner.is_not(None) & ~sa.exists().where(sessions.c.id == owner)
    order = [owner, artifacts.c.created_at, artifacts.c.id]
    query = sa.select(*order).where(is_ownerless)
    remove = partial(_remove_artifacts, condition=is_ownerless)
    return writes.write_pages(query, order, _MAX_ARTIFACTS_PER_BATCH, remove)


def remove_deleted_artifacts(
    writes: ThrottledWriter, deleted_before: datetime
) -> Batches:
    """
    Remove the artifacts that were soft-deleted before a time, whatever their session.
    """
    is_old = artifacts.c.deleted_at < deleted_before
    order = [artifacts.c.deleted_at, artifacts.c.id]
    query = sa.select(*order, artifacts.c.session_id).where(is_old)
    remove = partial(_remove_artifacts, condition=is_old)
    return writes.write_pages(query, order, _MAX_ARTIFACTS_PER_BATCH, remove)


def close_orphaned_counters(
    writes: ThrottledWriter, policy: RetentionPolicy
) -> Batches:
    """
    Close the counters without a session, a page at a time.

    And remove what is left of sessions whose removal in parts was broken off.
    """
    order = [session_sequences.c.session_id]
    query = sa.select(*order).where(is_orphaned())
    size = sessions_per_batch(policy)
    closing = writes.write_pages(query, order, size, _close)
    return chained([closing, finish_removals(writes, size)])


async def finish_removals(writes: ThrottledWriter, size: int) -> Batches:
    """
    Remove what is left of sessions whose own row is gone, *size* of them at a time.
    """
    order = [session_sequences.c.session_id]
    query = sa.select(*order).where(
        session_sequences.c.state == GateState.DELETING.value, ~_has_session()
    )
    async with aclosing(writes.pages(query, order, size)) as pages:
        async for page in pages:
            for (session_id,) in page:
                remove = partial(finish_removal, session_id=session_id)
                while not await writes.write(remove):
                    yield Batch(0)
            yield Batch(len(page))


def is_orphaned() -> sa.ColumnElement[bool]:
    """
    Make the condition that a counter is open though its session does not exist.

    That of a session which is being removed in parts is not open any more.
    """
    closed = [GateState.DELETING.value, GateState.DELETED.value]
    return session_sequences.c.state.not_in(closed) & ~_has_session()


def _has_session() -> sa.ColumnElement[bool]:
    return sa.exists().where(sessions.c.id == session_sequences.c.session_id)


async def _remove_artifacts(
    page: Rows, transaction: Transaction, *, condition: sa.ColumnElement[bool]
) -> int:
    """
    Remove artifacts under the locks of their sessions, where *condition* still holds.
    """
    if session_ids := {row.session_id for row in page} - {None}:
        await lock_gates(transaction, session_ids)
    ids = [row.id for row in page]
    is_in_page = transaction.dialect.is_one_of(artifacts.c.id, ids)
    # Artifacts of no session have no lock. They are all locked in one order, so that
    # two who remove them never wait for each other.
    rows = sa.select(artifacts.c.id).where(is_in_page).order_by(artifacts.c.id)
    await transaction.conn.execute(transaction.dialect.locked(rows))
    delete = sa.delete(artifacts).where(is_in_page, condition)
    return (await transaction.conn.execute(delete)).rowcount


async def _close(page: Rows, transaction: Transaction) -> int:
    ids = [row.session_id for row in page]
    await lock_gates(transaction, ids)
    is_in_page = transaction.dialect.is_one_of(session_sequences.c.session_id, ids)
    condition = is_in_page & is_orphaned()
    return await set_gates(
        transaction, condition, GateState.DELETED, active_until=sa.null()
    )
