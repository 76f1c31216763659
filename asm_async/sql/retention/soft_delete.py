"""
How sessions are marked as deleted, and how that is undone.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa

from asm_async.errors import SessionNotFoundError
from asm_async.sql.core import rows, tables
from asm_async.sql.core.session_state import GateState
from asm_async.sql.transactions.transaction import Transaction
from asm_async.sql.writes.gates import lock_gates
from asm_async.values.session import Session


async def soft_delete(
    transaction: Transaction,
    session_ids: Collection[str],
    at: datetime,
    condition: sa.ColumnElement[bool] | None = None,
) -> int:
    """
    Mark sessions that live as deleted, and close their counters.

    Args:
        transaction: In which nothing was done yet.

        session_ids: Which sessions.

        at: The time of the deletion.

        condition: What a session's row must meet as well, now that it is locked.

    Returns:
        How many were marked.
    """
    await lock_gates(transaction, session_ids)
    sessions, gates = tables.sessions, tables.session_sequences
    is_one_of = transaction.dialect.is_one_of
    mark = (
        sa.update(sessions)
        .where(is_one_of(sessions.c.id, session_ids), sessions.c.deleted_at.is_(None))
        .values(deleted_at=at)
        .returning(sessions.c.id)
    )
    if condition is not None:
        mark = mark.where(condition)
    marked = (await transaction.conn.execute(mark)).scalars().all()
    if marked:
        await transaction.conn.execute(
            sa.update(gates)
            .where(
                is_one_of(gates.c.session_id, marked),
                gates.c.state == GateState.LIVE.value,
            )
            .values(state=GateState.SOFT_DELETED.value, updated_at=at)
        )
    return len(marked)


async def restore(transaction: Transaction, session_id: str, at: datetime) -> Session:
    """
    Undo a session's soft deletion, if it was not removed in part already.

    Raises:
        SessionNotFoundError: If there is no such session, or only what is left of it.
    """
    gate = (await lock_gates(transaction, {session_id})).get(session_id)
    if gate is not None and gate.state is GateState.DELETING:
        raise SessionNotFoundError(session_id)
    sessions, gates = tables.sessions, tables.session_sequences
    await transaction.conn.execute(
        sa.update(sessions).where(sessions.c.id == session_id).values(deleted_at=None)
    )
    if gate is not None and gate.state is GateState.SOFT_DELETED:
        await transaction.conn.execute(
            sa.update(gates)
            .where(gates.c.session_id == session_id)
            .values(state=GateState.LIVE.value, updated_at=at)
        )
    return await stored_session(transaction, session_id)


async def stored_session(transaction: Transaction, session_id: str) -> Session:
    """
    Read a session within the transaction that has changed it.

    Raises:
        SessionNotFoundError: If there is none.
    """
    query = sa.select(tables.sessions).where(tables.sessions.c.id == session_id)
    row = (await transaction.conn.execute(query)).mappings().one_or_none()
    if row is None:
        raise SessionNotFoundError(session_id)
    return rows.session_from_row(row)
