"""
How sessions are removed for good: in one transaction, or a part in each of several.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

import sqlalchemy as sa

from asm_async.sql.core import tables
from asm_async.sql.core.session_state import GateState
from asm_async.sql.transactions.transaction import Transaction
from asm_async.sql.writes.gates import lock_gates

# What tells the rows of one session apart in each table that may hold many of them.
_ROW_KEYS: tuple[sa.Column[int] | sa.Column[str], ...] = (
    tables.events.c.sequence_number,
    tables.runs.c.id,
    tables.artifacts.c.id,
)


async def hard_delete(transaction: Transaction, session_id: str) -> None:
    """
    Remove one session, whatever its state; an unknown one has nothing to remove.
    """
    await lock_gates(transaction, {session_id})
    await remove_sessions(transaction, {session_id})


async def remove_part(transaction: Transaction, session_id: str, max_rows: int) -> bool:
    """
    Remove about *max_rows* rows of a session that is locked, or what is left of it.

    At each commit its latest number is its stored and its pruned events together. From
    the first part on it is closed to writers and cannot be restored, so that whatever
    breaks off here is for the next call to finish.

    Returns:
        Whether the session is gone.
    """
    left = max_rows
    pruned = 0
    for key in _ROW_KEYS:
        is_its = key.table.c.session_id == session_id
        part = sa.select(key).where(is_its).limit(left)
        removed = await transaction.conn.execute(
            sa.delete(key.table).where(is_its, key.in_(part))
        )
        left -= removed.rowcount
        pruned += removed.rowcount if key.table is tables.events else 0
        if not left:
            gates = tables.session_sequences
            await transaction.conn.execute(
                sa.update(gates)
                .where(gates.c.session_id == session_id)
                .values(
                    state=GateState.DELETING.value,
                    pruned_count=gates.c.pruned_count + pruned,
                )
            )
            return False
    await remove_sessions(transaction, {session_id})
    return True


async def remove_sessions(
    transaction: Transaction, session_ids: Collection[str]
) -> None:
    """
    Delete the rows of sessions that are locked, and close their counters.

    The counter rows stay as tombstones, all their events counted as pruned, so that no
    number is ever used twice. The contents of artifacts are removed where they lie.
    """
    is_one_of = transaction.dialect.is_one_of
    for column in (
        *(key.table.c.session_id for key in _ROW_KEYS),
        tables.session_tags.c.session_id,
        tables.sessions.c.id,
    ):
        await transaction.conn.execute(
            sa.delete(column.table).where(is_one_of(column, session_ids))
        )
    gates = tables.session_sequences
    await transaction.conn.execute(
        sa.update(gates)
        .where(
            is_one_of(gates.c.session_id, session_ids),
            gates.c.state != GateState.DELETED.value,
        )
        .values(
            state=GateState.DELETED.value,
            pruned_count=gates.c.last_sequence,
            updated_at=datetime.now(UTC),
        )
    )
