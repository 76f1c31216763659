"""
How sessions are removed for ever.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

import sqlalchemy as sa

from asm_async.sql.core import tables
from asm_async.sql.core.session_state import GateState
from asm_async.sql.transactions.transaction import Transaction
from asm_async.sql.writes.unit_of_work_rows import lock_gates

__all__ = ["hard_delete", "remove_sessions"]


async def hard_delete(transaction: Transaction, session_id: str) -> None:
    """
    Remove one session, whatever its state; an unknown one has nothing to remove.
    """
    await lock_gates(transaction, {session_id})
    await remove_sessions(transaction, {session_id})


async def remove_sessions(
    transaction: Transaction, session_ids: Collection[str]
) -> None:
    """
    Delete the rows of sessions that are locked, and close their gates.

    The counter rows stay as tombstones, all their events counted as pruned, so that no
    number is ever used twice. What artifacts hold is removed where that lies.
    """
    members = transaction.dialect.members(session_ids)
    for column in (
        tables.events.c.session_id,
        tables.runs.c.session_id,
        tables.session_tags.c.session_id,
        tables.artifacts.c.session_id,
        tables.sessions.c.id,
    ):
        await transaction.conn.execute(
            sa.delete(column.table).where(column.in_(members))
        )
    gates = tables.session_sequences
    await transaction.conn.execute(
        sa.update(gates)
        .where(
            gates.c.session_id.in_(members), gates.c.state != GateState.DELETED.value
        )
        .values(
            state=GateState.DELETED.value,
            pruned_count=gates.c.last_sequence,
            updated_at=datetime.now(UTC),
        )
    )
