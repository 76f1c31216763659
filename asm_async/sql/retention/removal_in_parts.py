"""
How a session with very many rows is removed for ever, a part in each transaction.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import sqlalchemy as sa

from asm_async.sql.core import tables
from asm_async.sql.core.session_state import GateState
from asm_async.sql.retention.hard_delete import remove_sessions
from asm_async.sql.retention.throttled_writer import (
    MAX_ROWS_PER_TRANSACTION,
    ThrottledWriter,
)
from asm_async.sql.transactions.transaction import Transaction
from asm_async.sql.writes.unit_of_work_rows import lock_gates

__all__ = ["remove_in_parts"]


async def remove_in_parts(writes: ThrottledWriter, session_id: str) -> int:
    """
    Remove a session whose gate says that it is being removed.

    At each commit its latest number is its stored and its pruned events together. A
    call that breaks off leaves it as it is then, closed to writers and not to be
    restored, for the next one to go on.

    Returns:
        1 if it was removed here; 0 if somebody else was faster.
    """
    for key in (
        tables.events.c.sequence_number,
        tables.runs.c.id,
        tables.artifacts.c.id,
    ):
        part = partial(_remove_part, session_id=session_id, key=key)
        while await writes.write(part):
            pass
    return await writes.write(partial(_remove_rest, session_id=session_id))


async def _remove_part(
    transaction: Transaction, session_id: str, key: sa.Column[Any]
) -> bool:
    """
    Remove as many of the session's rows of one table as a transaction may.

    Args:
        transaction: In which nothing was done yet.

        session_id: Whose rows.

        key: What tells the rows of one session apart.

    Returns:
        Whether there may be more.
    """
    if not await _is_being_removed(transaction, session_id):
        return False
    is_of_session = key.table.c.session_id == session_id
    part = sa.select(key).where(is_of_session).limit(MAX_ROWS_PER_TRANSACTION)
    removed = await transaction.conn.execute(
        sa.delete(key.table).where(is_of_session, key.in_(part))
    )
    if key.table is tables.events:
        gates = tables.session_sequences
        await transaction.conn.execute(
            sa.update(gates)
            .where(gates.c.session_id == session_id)
            .values(pruned_count=gates.c.pruned_count + removed.rowcount)
        )
    return removed.rowcount == MAX_ROWS_PER_TRANSACTION


async def _remove_rest(transaction: Transaction, session_id: str) -> int:
    if not await _is_being_removed(transaction, session_id):
        return 0
    await remove_sessions(transaction, {session_id})
    return 1


async def _is_being_removed(transaction: Transaction, session_id: str) -> bool:
    gate = (await lock_gates(transaction, {session_id})).get(session_id)
    return gate is not None and gate.state is GateState.DELETING
