"""
How the counter rows of sessions are locked and read, by what writes past a group.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.sql.core import rows, tables
from asm_async.sql.core.tables import GateState
from asm_async.sql.transactions.transaction import Transaction
from asm_async.sql.writes.unit_of_work import Gate
from asm_async.values.session import Session

GATE_COLUMNS: tuple[sa.Column[Any], ...] = tuple(tables.session_sequences.c)
"""
What is read of a counter row.
"""


def gates_of(found: Iterable[Sequence[Any]]) -> dict[str, Gate]:
    """
    Make gates of rows of :data:`GATE_COLUMNS`, by session id.
    """
    names = [column.name for column in GATE_COLUMNS]
    gates: dict[str, Gate] = {}
    with rows.reading(tables.session_sequences):
        for row in found:
            values = dict(zip(names, row, strict=True))
            values["state"] = GateState(values["state"])
            gates[values["session_id"]] = Gate(**values, is_stored=True)
    return gates


def gate_row(gate: Gate) -> dict[str, Any]:
    """
    Return the columns of a counter row.
    """
    return {
        "session_id": gate.session_id,
        "last_sequence": gate.last_sequence,
        "pruned_count": gate.pruned_count,
        "state": gate.state.value,
        "updated_at": gate.updated_at,
        "tenant_id": gate.tenant_id,
        "session_revision": gate.session_revision,
        "active_until": gate.active_until,
    }


async def insert_head(
    conn: AsyncConnection, gate: Gate, session: Session, **others: Any
) -> None:
    """
    Insert a session with its counter row and its tags; *others* are further columns.
    """
    row = rows.session_row(session) | others
    await conn.execute(sa.insert(tables.session_sequences), gate_row(gate))
    await conn.execute(sa.insert(tables.sessions), row)
    if tags := rows.tag_rows(session):
        await conn.execute(sa.insert(tables.session_tags), tags)


async def present_time(transaction: Transaction) -> datetime:
    """
    Return the time that activity is noted with: the database's, if it has a clock.
    """
    given = sa.bindparam(
        "now", datetime.now(UTC), tables.session_sequences.c.updated_at.type
    )
    query = sa.select(transaction.dialect.present_time(given))
    now: datetime = (await transaction.conn.execute(query)).scalar_one()
    return now


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
    session_id = tables.session_sequences.c.session_id
    query = (
        sa.select(*GATE_COLUMNS)
        .where(transaction.dialect.is_one_of(session_id, session_ids))
        .order_by(session_id)
    )
    found = await transaction.conn.execute(transaction.dialect.locked(query))
    return gates_of(found)
