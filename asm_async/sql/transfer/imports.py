"""
How sessions are imported: whole, and once.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from typing import Any

import attrs
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.errors import HistoryConflictError, ValidationError
from asm_async.sql.core import tables
from asm_async.sql.core.tables import GateState
from asm_async.sql.dialects.direct import scope_lock
from asm_async.sql.reads.history import read_history
from asm_async.sql.runtime.shared_state import shared_state
from asm_async.sql.transactions.throttling import write_and_pause
from asm_async.sql.transactions.transaction import Transaction, Transactions, prolong
from asm_async.sql.transfer.imported_members import insert_batch, new_members
from asm_async.sql.transfer.withdrawal import withdrawal_check
from asm_async.sql.writes.gates import (
    insert_head,
    lock_gates,
    present_time,
    read_gates,
)
from asm_async.sql.writes.unit_of_work import Gate
from asm_async.transfer.import_stream import (
    is_stored,
    refuse_tombstone,
)
from asm_async.transfer.incoming_session import IncomingBatch, IncomingSession
from asm_async.values.event import Event
from asm_async.values.state_item import StateItem

# A batch has a thousand lines at most, and hardly more than 256 KiB, or one long line.
_BATCHES_PER_PART = 4
_MAX_ROWS_PER_REMOVAL = 1_000


async def import_session(transactions: Transactions, incoming: IncomingSession) -> bool:
    """
    Store a session, or find that it is stored already.

    One of many lines is stored in parts, so that no other writer waits for longer than
    one of them. Until the last it is found as a soft-deleted session is, and is neither
    exported nor restored. What an import leaves that was broken off, the next one of
    the same history goes on with, and that of another history removes.

    What is stored is compared before, so that no transaction holds its locks for longer
    than it takes to insert.

    Returns:
        Whether the session is new.
    """
    check = withdrawal_check()
    compare = partial(_standing, incoming=incoming, check_withdrawal=check)
    while (state := await transactions.read_snapshot(compare)) is not GateState.LIVE:
        if state is not None:
            await _remove(transactions, incoming, of_others=True)
        try:
            is_new = await _store(transactions, incoming, check)
        except (HistoryConflictError, ValidationError):
            await _remove(transactions, incoming, of_others=False)
            raise
        if is_new:
            return True
    return False


async def _standing(
    conn: AsyncConnection,
    incoming: IncomingSession,
    check_withdrawal: Callable[[], None],
) -> GateState | None:
    """
    Return whether the session is stored, and refuse it if its history differs.

    Returns:
        ``LIVE`` if it is stored, even if it is soft-deleted; ``IMPORTING`` if a part of
        it is, or of another history; None if there is nothing.
    """
    history = partial(read_history, conn, incoming.id, check_withdrawal)
    if await is_stored(incoming, history):
        return GateState.LIVE
    gates = tables.session_sequences
    query = sa.select(gates.c.state).where(gates.c.session_id == incoming.id)
    state = await conn.scalar(query)
    if state is not None and state != GateState.IMPORTING:
        refuse_tombstone(incoming)
    if incoming.batch_count > _BATCHES_PER_PART or incoming.item_count:
        # A later part must not be refused when the first one is there already.
        async with aclosing(incoming.batches()) as batches:
            async for batch in batches:
                if isinstance(batch[1][0], Event):
                    break
                await new_members(conn, incoming, batch)
    return None if state is None else GateState.IMPORTING


@attrs.frozen
class _Part:
    """
    What one transaction stores of a session; an only part is the first and the last.
    """

    incoming: IncomingSession
    batches: Sequence[IncomingBatch]
    is_first: bool
    is_last: bool
    check_withdrawal: Callable[[], None]

    async def insert(self, transaction: Transaction) -> bool:
        """
        Store what is not stored yet, and count it.

        Returns:
            Whether it is stored: False if the session is there as a whole, or was.

        Raises:
            HistoryConflictError: If an import of another history took the id.
        """
        incoming = self.incoming
        await transaction.lock_sessions({incoming.id, *_scope_locks(self.batches)})
        found = (await read_gates(transaction, {incoming.id})).get(incoming.id)
        if found is not None and found.state is not GateState.IMPORTING:
            return False
        gate = found or Gate(session_id=incoming.id)
        if found is None and self.is_first:
            await _insert_head(transaction, incoming, is_whole=self.is_last)
        elif found is None or await _importer(transaction, gate) != incoming.import_id:
            raise HistoryConflictError(
                incoming.id, "another import of the same session has replaced this one"
            )
        for batch in self.batches:
            self.check_withdrawal()
            prolong(transaction.conn)
            await insert_batch(transaction, incoming, batch, gate)
        if not (self.is_first and self.is_last):
            await self._count(transaction, gate)
        return True

    async def _count(self, transaction: Transaction, gate: Gate) -> None:
        """
        Keep the counter at what is stored and pruned; let a whole session be found.
        """
        head, gates = self.incoming.head, tables.session_sequences
        sessions, session = tables.sessions, head.session
        state, missing = GateState.IMPORTING, 0
        if self.is_last:
            state = _final_state(session.deleted_at)
            missing = head.latest_sequence - gate.last_sequence
        await transaction.conn.execute(
            sa.update(gates)
            .where(gates.c.session_id == session.id)
            .values(
                last_sequence=gate.last_sequence + missing,
                pruned_count=gate.pruned_count + missing,
                state=state.value,
            )
        )
        if self.is_last:
            await transaction.conn.execute(
                sa.update(sessions)
                .where(sessions.c.id == session.id)
                .values(deleted_at=session.deleted_at, operation_id=None)
            )


async def _store(
    transactions: Transactions,
    incoming: IncomingSession,
    check_withdrawal: Callable[[], None],
) -> bool:
    """
    Store a session that is not there as a whole; False if it is meanwhile.
    """
    hub = shared_state(transactions.engine).hub
    is_first = True
    async with aclosing(_parts(incoming)) as parts:
        async for batches, is_last in parts:
            check_withdrawal()
            part = _Part(incoming, batches, is_first, is_last, check_withdrawal)
            if is_first and is_last:
                is_stored_now = await transactions.write(
                    part.insert, is_repeatable=True
                )
            else:
                is_stored_now = await write_and_pause(transactions, part.insert)
            if not is_stored_now:
                return False
            hub.publish({incoming.id})
            is_first = False
    return True


async def _parts(
    incoming: IncomingSession,
) -> AsyncGenerator[tuple[Sequence[IncomingBatch], bool]]:
    """
    Yield the batches of each part, and whether it is the last; one at least.

    One of state items, each of which may hold 64 MiB and need the lock of a scope of
    its own, is a part for itself.
    """
    part: list[IncomingBatch] = []
    async with aclosing(incoming.batches()) as batches:
        async for batch in batches:
            has_items = any(
                isinstance(each[1][0], StateItem) for each in (batch, *part)
            )
            if part and (has_items or len(part) == _BATCHES_PER_PART):
                yield part, False
                part = []
            part.append(batch)
    yield part, True


def _scope_locks(batches: Sequence[IncomingBatch]) -> set[str]:
    return {
        scope_lock(member.scope)
        for _, members in batches
        for member in members
        if isinstance(member, StateItem)
    }


async def _importer(transaction: Transaction, gate: Gate) -> str | None:
    """
    Read which import stores a session in parts; None if it is being removed.
    """
    sessions = tables.sessions.c
    query = sa.select(sessions.operation_id).where(sessions.id == gate.session_id)
    found: str | None = await transaction.conn.scalar(query)
    return found


def _final_state(deleted_at: datetime | None) -> GateState:
    return GateState.LIVE if deleted_at is None else GateState.SOFT_DELETED


async def _insert_head(
    transaction: Transaction, incoming: IncomingSession, *, is_whole: bool
) -> None:
    head, session = incoming.head, incoming.head.session
    state = _final_state(session.deleted_at) if is_whole else GateState.IMPORTING
    gate = Gate(
        session_id=session.id,
        last_sequence=head.latest_sequence if is_whole else 0,
        pruned_count=head.pruned_count if is_whole else 0,
        state=state,
        tenant_id=session.tenant_id,
    )
    gate.note_activity(session.last_activity_at or await present_time(transaction))
    others: dict[str, Any] = {}
    if not is_whole:
        others = {"deleted_at": datetime.now(UTC), "operation_id": incoming.import_id}
    await insert_head(transaction.conn, gate, session, **others)


async def _remove(
    transactions: Transactions, incoming: IncomingSession, *, of_others: bool
) -> None:
    """
    Remove without a trace what this import has stored of a session, or another one.
    """
    remove = partial(_remove_some, incoming=incoming, of_others=of_others)
    while not await write_and_pause(transactions, remove):
        pass


async def _remove_some(
    transaction: Transaction, incoming: IncomingSession, *, of_others: bool
) -> bool:
    """
    Remove some rows of what was imported in part; return whether nothing is left of it.
    """
    conn, id_ = transaction.conn, incoming.id
    gates, sessions = tables.session_sequences, tables.sessions
    gate = (await lock_gates(transaction, {id_})).get(id_)
    if gate is None or gate.state is not GateState.IMPORTING:
        return True
    importer = await _importer(transaction, gate)
    if importer is not None and (importer != incoming.import_id) != of_others:
        return True
    left, pruned = _MAX_ROWS_PER_REMOVAL, 0
    for key in (
        tables.events.c.sequence_number,
        tables.runs.c.id,
        tables.artifacts.c.id,
        tables.state_items.c.revision,
    ):
        is_its = key.table.c.session_id == id_
        part = sa.select(key).where(is_its).limit(left)
        table: Any = key.table
        count = (
            await conn.execute(sa.delete(table).where(is_its, key.in_(part)))
        ).rowcount
        left -= count
        pruned += count if table is tables.events else 0
    if left:
        is_its = gates.c.session_id == id_
        tags = tables.session_tags
        await conn.execute(sa.delete(tags).where(tags.c.session_id == id_))
        await conn.execute(sa.delete(sessions).where(sessions.c.id == id_))
        await conn.execute(sa.delete(gates).where(is_its))
        return True
    # No import may go on with it any more.
    nobodys = sa.update(sessions).where(sessions.c.id == id_).values(operation_id=None)
    await conn.execute(nobodys)
    counted = sa.update(gates).where(gates.c.session_id == id_)
    await conn.execute(counted.values(pruned_count=gates.c.pruned_count + pruned))
    return False
