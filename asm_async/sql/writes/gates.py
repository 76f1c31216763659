"""
How the counter rows of sessions are locked and read, by what writes past a group.
"""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from asm_async.sql.core import rows, tables
from asm_async.sql.core.tables import GateState
from asm_async.sql.transactions.transaction import Transaction
from asm_async.sql.writes.unit_of_work import Gate


async def lock_gates(
    transaction: Transaction, session_ids: Collection[str]
) -> dict[str, Gate]:
    """
    Keep other writers off some sessions, and read their counter rows.
    """
    await transaction.lock_sessions(set(session_ids))
    return await read_gates(transaction, session_ids)


async def read_gates(
    transaction: Transaction, session_ids: Collection[str]
) -> dict[str, Gate]:
    """
    Read the counter rows of some sessions and hold them against other writers.
    """
    gates = tables.session_sequences
    query = (
        sa.select(
            gates.c.session_id,
            gates.c.last_sequence,
            gates.c.pruned_count,
            gates.c.state,
        )
        .where(transaction.dialect.is_one_of(gates.c.session_id, session_ids))
        .order_by(gates.c.session_id)
    )
    found = await transaction.conn.execute(transaction.dialect.locked(query))
    with rows.reading(gates):
        return {
            row.session_id: Gate(
                session_id=row.session_id,
                last_sequence=row.last_sequence,
                pruned_count=row.pruned_count,
                state=GateState(row.state),
                is_stored=True,
            )
            for row in found
        }
