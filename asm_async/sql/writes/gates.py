"""
How the counter rows of sessions are locked and read, by what writes past a group.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from asm_async.sql.core import rows, tables
from asm_async.sql.core.tables import GateState
from asm_async.sql.transactions.transaction import Transaction
from asm_async.sql.writes.unit_of_work import Gate

GATE_COLUMNS: tuple[sa.Column[Any], ...] = tuple(
    column for column in tables.session_sequences.c if column.name != "updated_at"
)
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
