"""
A ledger's two meetings with the database: read whole, then written whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.sql.core import rows, tables
from asm_async.sql.core.session_state import GateState
from asm_async.sql.transactions.transaction import Transaction
from asm_async.sql.writes.operations import (
    AppendEvents,
    Flush,
    Operation,
    SaveRun,
    SaveSession,
)
from asm_async.sql.writes.unit_of_work import Gate, UnitOfWork
from asm_async.values.event import Event
from asm_async.values.run import Run
from asm_async.values.session import Session

__all__ = ["load_unit_of_work", "lock_gates", "read_gates", "store_unit_of_work"]


async def load_unit_of_work(
    transaction: Transaction, operations: Sequence[Operation]
) -> UnitOfWork:
    """
    Read all that *operations* concern, in at most four statements.
    """
    session_ids: set[str] = set()
    saved_sessions: set[str] = set()
    saved_runs: set[str] = set()
    events: set[tuple[str, str]] = set()
    for operation in operations:
        session_ids |= operation.session_ids
        match operation:
            case AppendEvents():
                events |= _keys(operation.events)
            case SaveSession():
                saved_sessions.add(operation.session.id)
            case SaveRun():
                saved_runs.add(operation.run.id)
            case Flush(result=result):
                saved_sessions.add(result.session.id)
                saved_runs.add(result.run.id)
                events |= _keys(result.events)
    return UnitOfWork(
        gates=await read_gates(transaction, session_ids),
        sessions=await _read_sessions(transaction, saved_sessions),
        runs=await _read_runs(transaction, saved_runs),
        events=await _read_events(transaction, events),
    )


def _keys(events: Iterable[Event]) -> set[tuple[str, str]]:
    return {(event.session_id, event.id) for event in events}


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
        .where(gates.c.session_id.in_(transaction.dialect.members(session_ids)))
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


async def _read_sessions(
    transaction: Transaction, ids: Collection[str]
) -> dict[str, Session]:
    found = await _by_id(transaction, tables.sessions, ids)
    return {row["id"]: rows.session_from_row(row) for row in found}


async def _read_runs(transaction: Transaction, ids: Collection[str]) -> dict[str, Run]:
    found = await _by_id(transaction, tables.runs, ids)
    return {row["id"]: rows.run_from_row(row) for row in found}


async def _by_id(
    transaction: Transaction, table: sa.Table, ids: Collection[str]
) -> Sequence[sa.RowMapping]:
    if not ids:
        return ()
    query = sa.select(table).where(table.c.id.in_(transaction.dialect.members(ids)))
    return (await transaction.conn.execute(query)).mappings().all()


async def _read_events(
    transaction: Transaction, keys: Collection[tuple[str, str]]
) -> dict[tuple[str, str], Event]:
    if not keys:
        return {}
    events, key = tables.events, transaction.dialect.pairs(keys)
    is_it = (events.c.session_id == key.c.first) & (events.c.id == key.c.second)
    query = sa.select(events).select_from(key.join(events, is_it))
    found = map(rows.event_from_row, await transaction.conn.execute(query))
    return {(event.session_id, event.id): event for event in found}


async def store_unit_of_work(transaction: Transaction, ledger: UnitOfWork) -> None:
    """
    Write all that has changed since *ledger* was read.
    """
    conn = transaction.conn
    await _write_gates(conn, ledger)
    await _write_sessions(conn, ledger)
    await _write_runs(conn, ledger)
    if ledger.new_events:
        await conn.execute(
            sa.insert(tables.events), [rows.event_row(e) for e in ledger.new_events]
        )


async def _write_gates(conn: AsyncConnection, ledger: UnitOfWork) -> None:
    now = datetime.now(UTC)
    changed = [ledger.gates[session_id] for session_id in sorted(ledger.changed_gates)]
    await _insert_or_update(
        conn,
        tables.session_sequences.c.session_id,
        [
            {
                "session_id": gate.session_id,
                "last_sequence": gate.last_sequence,
                "pruned_count": gate.pruned_count,
                "state": gate.state.value,
                "updated_at": now,
            }
            for gate in changed
        ],
        {gate.session_id for gate in changed if gate.is_stored},
    )


async def _write_sessions(conn: AsyncConnection, ledger: UnitOfWork) -> None:
    changed = [ledger.sessions[session_id] for session_id in ledger.changed_sessions]
    retagged = [
        session
        for session in changed
        if session.tags != ledger.stored_tags.get(session.id, ())
    ]
    stored = set(ledger.stored_tags)
    await _insert_or_update(
        conn, tables.sessions.c.id, [rows.session_row(s) for s in changed], stored
    )
    if known := [{"of_id": s.id} for s in retagged if s.id in stored]:
        of_session = tables.session_tags.c.session_id == sa.bindparam("of_id")
        await conn.execute(sa.delete(tables.session_tags).where(of_session), known)
    if tags := [row for session in retagged for row in rows.tag_rows(session)]:
        await conn.execute(sa.insert(tables.session_tags), tags)


async def _write_runs(conn: AsyncConnection, ledger: UnitOfWork) -> None:
    # Run ids are global, so transactions of several sessions may insert the same ones:
    # they do it in one order, lest they wait for each other.
    changed = [ledger.runs[run_id] for run_id in sorted(ledger.changed_runs)]
    await _insert_or_update(
        conn,
        tables.runs.c.id,
        [rows.run_row(run) for run in changed],
        ledger.stored_runs,
    )


async def _insert_or_update(
    conn: AsyncConnection,
    key: sa.Column[str],
    values: Iterable[dict[str, Any]],
    stored: Collection[str],
) -> None:
    table, new, known = key.table, list[dict[str, Any]](), list[dict[str, Any]]()
    for row in values:
        if row[key.name] in stored:
            known.append({"of_id": row.pop(key.name), **row})
        else:
            new.append(row)
    if new:
        await conn.execute(sa.insert(table), new)
    if known:
        await conn.execute(sa.update(table).where(key == sa.bindparam("of_id")), known)
