"""
How a session's history is read: its counter, then all that belongs to it in batches.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, TypeVar

import attrs
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.errors import SessionNotFoundError, StorageError, ValidationError
from asm_async.fronts.loop_share import in_pieces
from asm_async.sql.core import rows
from asm_async.sql.core.column_types import is_behind
from asm_async.sql.core.tables import (
    GateState,
    artifacts,
    events,
    runs,
    session_sequences,
    sessions,
    state_items,
)
from asm_async.sql.reads.item_batches import item_batches
from asm_async.sql.reads.item_queries import is_in_users_scope
from asm_async.sql.transactions.transaction import prolong
from asm_async.transfer.export_stream import HistoryBatch
from asm_async.values.artifact import Artifact
from asm_async.values.event import Event
from asm_async.values.export_lines import encode_record
from asm_async.values.export_records import ExportedSession
from asm_async.values.run import Run
from asm_async.values.session_export import SessionExport
from asm_async.values.state_item import StateItem

R = TypeVar("R", Run, Artifact, Event)

_MAX_ROWS_PER_TRANSACTION = 1_000
_BATCH_BYTES = 1 << 20


@attrs.define
class _BatchSize:
    """
    How many rows to read at once, so that a batch is about a mebibyte of JSON.

    What rows are like is not known before some have been read: few at first, and more
    when they turn out to be small.
    """

    rows: int = 32

    def adapt(self, rows: int, byte_count: int) -> None:
        fitting = _BATCH_BYTES * rows // max(byte_count, 1)
        self.rows = max(1, min(fitting, 4 * self.rows, _MAX_ROWS_PER_TRANSACTION))


async def export_session(
    conn: AsyncConnection, session_id: str, tenant: str | None = None
) -> SessionExport:
    """
    Read a session with all that belongs to it, in one snapshot of the database.

    Raises:
        SessionNotFoundError: If no session of this id is stored, or it is not of the
            *tenant* that is expected.

        StorageError: If its counter does not agree with its events.
    """
    head = await _read_session(conn, session_id, tenant)
    if head is None:
        raise SessionNotFoundError(session_id)
    size = _BatchSize(_MAX_ROWS_PER_TRANSACTION)
    async with aclosing(_runs(conn, session_id, size)) as batches:
        all_runs = [run async for batch in batches for run in batch]
    async with aclosing(_artifacts(conn, session_id, size)) as batches:
        all_artifacts = [artifact async for batch in batches for artifact in batch]
    async with aclosing(items_of(conn, session_id)) as batches:
        all_items = [item async for batch in batches for item in batch]
    async with aclosing(_events(conn, session_id, size)) as batches:
        all_events = [event async for batch in batches for event in batch]
    try:
        return SessionExport(
            session=head.session,
            runs=tuple(all_runs),
            artifacts=tuple(all_artifacts),
            items=tuple(all_items),
            events=tuple(all_events),
            latest_sequence=head.latest_sequence,
            pruned_count=head.pruned_count,
        )
    except ValidationError as error:
        raise StorageError(f"session {session_id!r} is damaged: {error}") from error


async def _read_session(
    conn: AsyncConnection, session_id: str, tenant: str | None = None
) -> ExportedSession | None:
    """
    Read a session and its counter; None if no session of this id is stored whole.

    Raises:
        StorageError: If it has no counter.
    """
    query = sa.select(*rows.SESSION_COLUMNS).where(sessions.c.id == session_id)
    if tenant is not None:
        query = query.where(sessions.c.tenant_id == tenant)
    row = (await conn.execute(query)).one_or_none()
    if row is None:
        return None
    gates = session_sequences
    counter = sa.select(gates.c.last_sequence, gates.c.pruned_count, gates.c.state)
    counter = counter.where(gates.c.session_id == session_id)
    gate = (await conn.execute(counter)).one_or_none()
    if gate is None:
        raise StorageError(f"session {session_id!r} is damaged: it has no counter")
    if gate.state == GateState.IMPORTING:
        return None
    return ExportedSession(
        session=rows.session_of(row),
        latest_sequence=gate.last_sequence,
        pruned_count=gate.pruned_count,
    )


async def read_history(
    conn: AsyncConnection, session_id: str, check_withdrawal: Callable[[], None]
) -> AsyncGenerator[HistoryBatch]:
    """
    Read a session's lines in the order of an export; nothing if it is not stored.

    Args:
        conn: In a snapshot of the database.

        session_id: Which session.

        check_withdrawal: Called between batches; it may raise.
    """
    head = await _read_session(conn, session_id)
    if head is None:
        return
    yield [(head, encode_record(head))]
    for read in (_runs, _artifacts, items_of, _events):
        size = _BatchSize()
        async with aclosing(read(conn, session_id, size)) as batches:
            async for batch in batches:
                check_withdrawal()
                prolong(conn)
                lines = await in_pieces(with_line, batch)
                size.adapt(len(lines), sum(len(line) for _, line in lines))
                yield lines


async def items_of(
    conn: AsyncConnection, session_id: str | None, _: object = None
) -> AsyncGenerator[Sequence[StateItem]]:
    """
    Yield the state items of a session, or those that belong to none, as exports do.
    """
    is_its = (state_items.c.session_id == session_id) & is_in_users_scope()
    async with aclosing(item_batches(conn, is_its)) as batches:
        async for batch in batches:
            yield [item.with_given(0) for item in batch]


def with_line(record: Any) -> tuple[Any, bytes]:
    """
    Return a record with its line.
    """
    return record, encode_record(record)


async def _batches(
    conn: AsyncConnection,
    session_id: str,
    size: _BatchSize,
    *,
    table: sa.Table,
    order: Sequence[str],
    read: Callable[[sa.Row[Any]], R],
) -> AsyncGenerator[Sequence[R]]:
    columns = [table.c[name] for name in order]
    is_its = table.c.session_id == session_id
    query = everything = sa.select(table).where(is_its).order_by(*columns)
    while True:
        limit = size.rows
        found = await conn.execute(query.limit(limit))
        if batch := await in_pieces(read, found):
            yield batch
        if len(batch) < limit:
            return
        place = [getattr(batch[-1], name) for name in order]
        query = everything.where(is_behind(place, columns))


_runs = partial(_batches, table=runs, order=("started_at", "id"), read=rows.run_of)
_artifacts = partial(
    _batches, table=artifacts, order=("created_at", "id"), read=rows.artifact_of
)
_events = partial(
    _batches, table=events, order=("sequence_number",), read=Event.from_stored
)
