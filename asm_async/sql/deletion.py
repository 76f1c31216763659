"""
How a session is removed for ever.
"""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa

from asm_async.sql import tables
from asm_async.sql.ledger import GateState
from asm_async.sql.ledger_rows import read_gates
from asm_async.sql.transactions import Transaction

__all__ = ["hard_delete"]


async def hard_delete(transaction: Transaction, session_id: str) -> None:
    """
    Delete a session's rows and close its gate; an unknown session has none.

    The counter row stays as a tombstone, all its events counted as pruned, so that no
    number is ever used twice.
    """
    await transaction.lock_sessions({session_id})
    gate = (await read_gates(transaction, {session_id})).get(session_id)
    if gate is None or gate.state is GateState.GONE:
        return
    for column in (
        tables.events.c.session_id,
        tables.runs.c.session_id,
        tables.session_tags.c.session_id,
        tables.sessions.c.id,
    ):
        await transaction.conn.execute(
            sa.delete(column.table).where(column == session_id)
        )
    gates = tables.session_sequences
    await transaction.conn.execute(
        sa.update(gates)
        .where(gates.c.session_id == session_id)
        .values(
            state=GateState.GONE.value,
            pruned_count=gates.c.last_sequence,
            updated_at=datetime.now(UTC),
        )
    )
