"""
How counters are closed whose session does not exist.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import aclosing
from datetime import datetime
from functools import partial

import sqlalchemy as sa

from asm_async.ports.maintenance_arguments import sessions_a_batch
from asm_async.ports.maintenance_run import Batch, Batches
from asm_async.sql.core.session_state import GateState
from asm_async.sql.core.tables import session_sequences, sessions
from asm_async.sql.retention.keyset_pages import pages
from asm_async.sql.retention.throttled_writer import ThrottledWriter
from asm_async.sql.transactions.transaction import Transaction
from asm_async.sql.writes.unit_of_work_rows import lock_gates
from asm_async.values.retention import RetentionPolicy

__all__ = ["close_orphaned_counters", "is_orphaned"]


async def close_orphaned_counters(
    writes: ThrottledWriter, policy: RetentionPolicy, now: datetime
) -> Batches:
    """
    Close the counters without a session, a page at a time.
    """
    order = [session_sequences.c.session_id]
    query = sa.select(*order).where(is_orphaned())
    found = pages(writes.transactions, query, order, sessions_a_batch(policy))
    async with aclosing(found):
        async for page in found:
            ids = [row.session_id for row in page]
            work = partial(_close, session_ids=ids, now=now)
            yield Batch(await writes.write(work))


def is_orphaned() -> sa.ColumnElement[bool]:
    """
    Make the condition that a counter is open though its session does not exist.
    """
    gates = session_sequences
    has_session = sa.exists().where(sessions.c.id == gates.c.session_id)
    return (gates.c.state != GateState.DELETED.value) & ~has_session


async def _close(
    transaction: Transaction, session_ids: Collection[str], now: datetime
) -> int:
    await lock_gates(transaction, session_ids)
    members = transaction.dialect.members(session_ids)
    closed = await transaction.conn.execute(
        sa.update(session_sequences)
        .where(session_sequences.c.session_id.in_(members), is_orphaned())
        .values(state=GateState.DELETED.value, updated_at=now)
    )
    return closed.rowcount
