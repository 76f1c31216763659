"""
How sessions are exported, as of one moment each, and imported: whole, and once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.sql.core import rows, tables
from asm_async.sql.core.tables import GateState
from asm_async.sql.reads.history import read_history
from asm_async.sql.runtime.shared_state import shared_state
from asm_async.sql.transactions.transaction import Transaction, Transactions, prolong
from asm_async.sql.writes.gates import lock_gates
from asm_async.transfer.export_stream import encode_history
from asm_async.transfer.import_stream import (
    check_owner,
    check_revision,
    check_unrepeated,
    is_stored,
    refuse_repetition,
    refuse_tombstone,
)
from asm_async.transfer.incoming_session import IncomingBatch, IncomingSession
from asm_async.transfer.spool import Chunk, Spool
from asm_async.values.event import Event
from asm_async.values.run import Run


def _withdrawal_check() -> Callable[[], None]:
    """
    Return a function that raises ``CancelledError`` once the present task is cancelled.

    It is for work that outlives its caller's cancellation, lest a transaction be left
    with an unknown outcome, and may take minutes: called between two batches, it ends
    the work, and the transaction is rolled back.
    """
    caller = cast("asyncio.Task[object]", asyncio.current_task())
    cancellations = caller.cancelling()

    def check() -> None:
        if caller.cancelling() > cancellations:
            raise asyncio.CancelledError

    return check


async def export_lines(
    transactions: Transactions, session_id: str, *, include_deleted: bool
) -> AsyncGenerator[Chunk]:
    """
    Yield a session's lines as of one moment; none if it is not to be exported.

    They are spooled before the first is yielded: a transaction that waited for the
    reader would hold a connection, keep SQLite's log from being checkpointed and
    PostgreSQL's dead rows from being vacuumed.
    """
    check_withdrawal = _withdrawal_check()

    async def read(conn: AsyncConnection) -> None:
        spool.clear()
        batches = read_history(conn, session_id, check_withdrawal)
        async with (
            aclosing(batches),
            aclosing(encode_history(batches, include_deleted=include_deleted)) as lines,
        ):
            async for chunk in lines:
                await spool.put(chunk)

    with Spool() as spool:
        await transactions.read_snapshot(read)
        async with aclosing(spool.chunks()) as chunks:
            async for chunk in chunks:
                yield chunk


async def import_session(transactions: Transactions, incoming: IncomingSession) -> bool:
    """
    Store a session in one transaction, or find that it is stored already.

    What is stored is compared before that transaction, so that it holds its locks for
    no longer than it takes to insert.

    Returns:
        Whether the session is new.
    """
    check = _withdrawal_check()
    compare = partial(_is_stored, incoming=incoming, check_withdrawal=check)
    insert = partial(_insert, incoming=incoming, check_withdrawal=check)
    while not await transactions.read_snapshot(compare):
        if await transactions.write(insert, is_repeatable=True):
            shared_state(transactions.engine).hub.publish({incoming.id})
            return True
    return False


async def _is_stored(
    conn: AsyncConnection,
    incoming: IncomingSession,
    check_withdrawal: Callable[[], None],
) -> bool:
    """
    Return whether the session is stored, and refuse it if its history differs.
    """
    history = read_history(conn, incoming.id, check_withdrawal)
    if await is_stored(incoming, history):
        return True
    gates = tables.session_sequences
    tombstone = sa.select(gates.c.state).where(gates.c.session_id == incoming.id)
    if await conn.scalar(tombstone) is not None:
        refuse_tombstone(incoming)
    return False


async def _insert(
    transaction: Transaction,
    incoming: IncomingSession,
    check_withdrawal: Callable[[], None],
) -> bool:
    if await lock_gates(transaction, {incoming.id}):
        return False
    await _insert_head(transaction.conn, incoming)
    async with aclosing(incoming.batches()) as batches:
        async for batch in batches:
            check_withdrawal()
            prolong(transaction.conn)
            await _insert_batch(transaction, incoming, batch)
    return True


async def _insert_head(conn: AsyncConnection, incoming: IncomingSession) -> None:
    head, session = incoming.head, incoming.head.session
    state = GateState.LIVE if session.deleted_at is None else GateState.SOFT_DELETED
    gate = {
        "session_id": session.id,
        "last_sequence": head.latest_sequence,
        "pruned_count": head.pruned_count,
        "state": state.value,
        "updated_at": datetime.now(UTC),
        "tenant_id": session.tenant_id,
    }
    await conn.execute(sa.insert(tables.session_sequences), gate)
    await conn.execute(sa.insert(tables.sessions), rows.session_row(session))
    if tags := rows.tag_rows(session):
        await conn.execute(sa.insert(tables.session_tags), tags)


async def _insert_batch(
    transaction: Transaction, incoming: IncomingSession, batch: IncomingBatch
) -> None:
    _, members = batch
    if isinstance(members[0], Run):
        table = tables.runs
        runs = [member for member in members if isinstance(member, Run)]
        await _check_runs(transaction, incoming, batch)
        await _check_tombstones(transaction, incoming, runs)
    else:
        table = tables.events
        check_unrepeated(incoming, batch, ())
    try:
        await transaction.conn.execute(sa.insert(table), [*map(_row, members)])
    except IntegrityError:
        # To ask before whether an id is there would cost as much as to insert, and
        # where nothing is known of the table yet, a plan for it may read the session
        # from its start.
        await refuse_repetition(incoming, batch)
        raise


def _row(member: Run | Event) -> dict[str, Any]:
    return rows.run_row(member) if isinstance(member, Run) else rows.event_row(member)


async def _check_runs(
    transaction: Transaction, incoming: IncomingSession, batch: IncomingBatch
) -> None:
    runs, ids = tables.runs, [run.id for run in batch[1]]
    query = sa.select(runs.c.id, runs.c.session_id).where(
        transaction.dialect.is_one_of(runs.c.id, ids)
    )
    owners = {row.id: row.session_id for row in await transaction.conn.execute(query)}
    for run_id, owner in owners.items():
        check_owner(incoming, run_id, owner)
    check_unrepeated(incoming, batch, owners)


async def _check_tombstones(
    transaction: Transaction, incoming: IncomingSession, runs: Sequence[Run]
) -> None:
    tombstones, by_id = tables.run_tombstones.c, {run.id: run for run in runs}
    query = sa.select(tombstones.run_id, tombstones.revision).where(
        transaction.dialect.is_one_of(tombstones.run_id, by_id)
    )
    for run_id, revision in await transaction.conn.execute(query):
        check_revision(incoming, by_id[run_id], revision)
