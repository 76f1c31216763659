"""
How a session is copied inside the database.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import attrs
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.fronts.copying import (
    SessionCopy,
    check_source,
    check_visibility,
    is_repetition,
)
from asm_async.sql.core import rows, tables
from asm_async.sql.core.tables import GateState, events
from asm_async.sql.reads.session_queries import is_retraction
from asm_async.sql.runtime.lifecycle import Lifecycle
from asm_async.sql.transactions.throttling import write_and_pause
from asm_async.sql.transactions.transaction import Transaction, Transactions
from asm_async.sql.transfer.copied_data import copy_data
from asm_async.sql.transfer.copied_items import ItemCopy
from asm_async.sql.writes.gates import gate_row, insert_head, present_time, read_gates
from asm_async.sql.writes.unit_of_work import Gate, UnitOfWork
from asm_async.values.retraction import RETRACTIONS, Ranges, hidden_ranges
from asm_async.values.session import Session

_MAX_ROWS_PER_PART = 4_000
_MIN_SECONDS_PER_PART, _MAX_SECONDS_PER_PART = 0.05, 0.2


@attrs.define
class CopyInParts:
    """
    The copy of one session, in as many transactions as it takes.

    Each goes on where the one before it ended, as the rows themselves say; so what was
    broken off is gone on with by the next call of the same operation. Until the last
    one the copy is closed as an import is.
    """

    copy: SessionCopy
    _through: int | None = attrs.field(init=False, default=None)
    """
    The last number to copy, as the first part has found it.
    """

    _rows: int = attrs.field(init=False, default=1_000)
    _items: ItemCopy = attrs.field(
        init=False,
        default=attrs.Factory(lambda self: ItemCopy(self.copy), takes_self=True),
    )

    async def write(self, transactions: Transactions, lifecycle: Lifecycle) -> Session:
        """
        Copy the session, part by part, and return the copy.

        Raises:
            ASMError: As ``SessionStore.copy_session`` does.
        """
        stored: Session | None = None
        while stored is None:
            stored = await write_and_pause(transactions, self._part)
            lifecycle.tell_of(self.copy.target.id)
        return stored

    async def _part(self, transaction: Transaction) -> Session | None:
        """
        Copy some more; the copy itself, once it is whole.
        """
        began = time.monotonic()
        copy, target_id = self.copy, self.copy.target.id
        conn, items, session_ids = (
            transaction.conn,
            self._items,
            {copy.source_id, target_id},
        )
        await items.look(conn)
        await transaction.lock_sessions(session_ids | items.locks)
        gates = await read_gates(transaction, session_ids)
        gate = gates.get(target_id)
        if gate is not None:
            stored, operation_id = await _stored(transaction, target_id)
            is_begun = gate.state is GateState.IMPORTING
            if is_repetition(copy, stored, operation_id, is_whole=not is_begun):
                return stored
        unit = UnitOfWork(gates=gates)
        unit.check_tenant(copy.source_id, copy.expected.expected_tenant)
        unit.check_live(copy.source_id)
        source = gates[copy.source_id]
        through = check_source(copy, source.tenant_id, source.last_sequence)
        self._through = through = through if self._through is None else self._through
        reached = 0 if gate is None else gate.last_sequence
        wanted = events.c.session_id == copy.source_id
        wanted &= events.c.sequence_number.between(reached + 1, through)
        if gate is None:
            await self._check_visibility(transaction, through)
            await items.check(conn)
        count, last = await _copy_events(transaction, target_id, wanted, self._rows)
        has_all_events = count < self._rows or last == through
        is_last = has_all_events and await self._has_all_items(conn)
        if has_all_events and gate is not None:
            # What was pruned meanwhile may be a retraction that was not copied yet.
            await self._check_visibility(transaction, through)
        before = Gate(session_id=target_id) if gate is None else gate
        stored_count = before.last_sequence - before.pruned_count + count
        last = through if has_all_events else last
        now = await present_time(transaction)
        after = Gate(
            session_id=target_id,
            last_sequence=last,
            pruned_count=last - stored_count,
            state=GateState.LIVE if is_last else GateState.IMPORTING,
            tenant_id=copy.target.tenant_id,
            is_stored=gate is not None,
        )
        after.note_activity(now)
        if is_last:
            await copy_data(conn, copy)
        await _put_head(transaction, copy, after)
        self._adapt(time.monotonic() - began)
        target = copy.target
        return target.with_given(target.revision, now) if is_last else None

    async def _has_all_items(self, conn: AsyncConnection) -> bool:
        """
        Copy the items that come next, and return whether these were the last.

        Nobody saves any while the source is locked, so that the items of a part are as
        they are at one moment.
        """
        await self._items.write(conn)
        return not await self._items.look(conn)

    def _adapt(self, seconds: float) -> None:
        """
        Copy more or fewer events at once, so that no other writer waits for long.
        """
        if seconds > _MAX_SECONDS_PER_PART:
            self._rows = max(1, self._rows // 2)
        elif seconds < _MIN_SECONDS_PER_PART:
            self._rows = min(2 * self._rows, _MAX_ROWS_PER_PART)

    async def _check_visibility(self, transaction: Transaction, through: int) -> None:
        """
        Refuse a copy in which something was visible that is hidden in the source.
        """
        number = events.c.sequence_number
        its = sa.select(events.c.data).where(
            events.c.session_id == self.copy.source_id,
            events.c.correlation_id == RETRACTIONS,
            is_retraction(events.c.type, transaction.dialect),
        )
        conn = transaction.conn
        earlier = its.where(number <= through).order_by(number.desc()).limit(1)
        later = its.where(number > through).order_by(number).limit(1)
        before, after = await conn.scalar(earlier), await conn.scalar(later)
        if after is None:
            return

        async def has_events(ranges: Ranges) -> bool:
            table, first, last = transaction.dialect.ranges("ranges")
            query = (
                sa.select(number)
                .join_from(table, events, number.between(first, last))
                .where(events.c.session_id == self.copy.source_id)
                .limit(1)
            )
            values = transaction.dialect.range_values("ranges", ranges)
            return await conn.scalar(query, values) is not None

        hidden = () if before is None else hidden_ranges(before)
        await check_visibility(self.copy, through, hidden, after, has_events)


async def _stored(
    transaction: Transaction, session_id: str
) -> tuple[Session | None, str | None]:
    query = sa.select(*rows.SESSION_COLUMNS).where(tables.sessions.c.id == session_id)
    row = (await transaction.conn.execute(query)).one_or_none()
    if row is None:
        return None, None
    return rows.session_of(row), row.operation_id


async def _copy_events(
    transaction: Transaction, target_id: str, wanted: sa.ColumnElement[bool], most: int
) -> tuple[int, int]:
    """
    Copy the first events that are *wanted*; count them, and return the last number.

    The databases give places in the feed in the order of the rows that are inserted.
    """
    target = sa.literal(target_id, sa.String(255))
    columns = [
        target if column.name == "session_id" else _as_it_is(column)
        for column in events.c
    ]
    some = sa.select(*columns).where(wanted).order_by(events.c.sequence_number)
    insert = sa.insert(events).from_select(
        [column.name for column in events.c], some.limit(most)
    )
    count = (await transaction.conn.execute(insert)).rowcount
    last = sa.select(sa.func.max(events.c.sequence_number)).where(
        events.c.session_id == target_id
    )
    return count, (await transaction.conn.scalar(last)) or 0


def _as_it_is(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    # As text, in which JSON travels otherwise, PostgreSQL would not take it back.
    return sa.literal_column(f"asm_events.{column.name}")


async def _put_head(transaction: Transaction, copy: SessionCopy, gate: Gate) -> None:
    """
    Store the copy's counter and, with the first part, the session itself.
    """
    conn, now, session = transaction.conn, datetime.now(UTC), copy.target
    gates, sessions = tables.session_sequences, tables.sessions
    deleted_at = None if gate.state is GateState.LIVE else now
    if not gate.is_stored:
        operation_id = copy.expected.operation_id
        await insert_head(
            conn, gate, session, deleted_at=deleted_at, operation_id=operation_id
        )
        return
    is_its = gates.c.session_id == session.id
    await conn.execute(sa.update(gates).where(is_its).values(gate_row(gate)))
    await conn.execute(
        sa.update(sessions)
        .where(sessions.c.id == session.id)
        .values(deleted_at=deleted_at)
    )
