"""
How a session's history is read: its counter, then its runs and events in batches.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

import attrs
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.errors import SessionNotFoundError, StorageError, ValidationError
from asm_async.sql.core import rows
from asm_async.sql.core.tables import events, runs, session_sequences, sessions
from asm_async.transfer.export_stream import HistoryBatch
from asm_async.values.event import Event
from asm_async.values.export_lines import encode_record
from asm_async.values.export_records import ExportedSession
from asm_async.values.run import Run
from asm_async.values.session_export import SessionExport

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
        """
        Take into account what *rows* rows came to.
        """
        fitting = _BATCH_BYTES * rows // max(byte_count, 1)
        self.rows = max(1, min(fitting, 4 * self.rows, _MAX_ROWS_PER_TRANSACTION))


async def export_session(conn: AsyncConnection, session_id: str) -> SessionExport:
    """
    Read a session with all its runs and events.

    Args:
        conn: In a transaction all of whose statements see one moment.

        session_id: Which session.

    Raises:
        SessionNotFoundError: If no session of this id is stored.

        StorageError: If its counter does not agree with its events.
    """
    head = await _read_session(conn, session_id)
    if head is None:
        raise SessionNotFoundError(session_id)
    size = _BatchSize(_MAX_ROWS_PER_TRANSACTION)
    async with aclosing(_runs(conn, session_id, size)) as batches:
        all_runs = [run async for batch in batches for run in batch]
    async with aclosing(_events(conn, session_id, size)) as batches:
        all_events = [event async for batch in batches for event in batch]
    try:
        return SessionExport(
            session=head.session,
            runs=tuple(all_runs),
            events=tuple(all_events),
            latest_sequence=head.latest_sequence,
            pruned_count=head.pruned_count,
        )
    except ValidationError as error:
        raise StorageError(f"session {session_id!r} is damaged: {error}") from error


async def _read_session(
    conn: AsyncConnection, session_id: str
) -> ExportedSession | None:
    """
    Read a session and its counter; None if no session of this id is stored.

    Raises:
        StorageError: If it has no counter.
    """
    query = sa.select(sessions).where(sessions.c.id == session_id)
    row = (await conn.execute(query)).mappings().one_or_none()
    if row is None:
        return None
    gates = session_sequences
    counter = sa.select(gates.c.last_sequence, gates.c.pruned_count).where(
        gates.c.session_id == session_id
    )
    gate = (await conn.execute(counter)).one_or_none()
    if gate is None:
        raise StorageError(f"session {session_id!r} is damaged: it has no counter")
    return ExportedSession(
        session=rows.session_from_row(row),
        latest_sequence=gate.last_sequence,
        pruned_count=gate.pruned_count,
    )


async def read_history(
    conn: AsyncConnection, session_id: str, check_withdrawal: Callable[[], None]
) -> AsyncGenerator[HistoryBatch]:
    """
    Read a session's lines in the order of an export; nothing if it is not stored.

    Args:
        conn: In a transaction all of whose statements see one moment.

        session_id: Which session.

        check_withdrawal: Called between batches; it may raise.

    Raises:
        StorageError: If it has no counter.
    """
    head = await _read_session(conn, session_id)
    if head is None:
        return
    yield [(head, encode_record(head))]
    for read in (_runs, _events):
        size = _BatchSize()
        async with aclosing(read(conn, session_id, size)) as batches:
            async for batch in batches:
                check_withdrawal()
                lines = [(record, encode_record(record)) for record in batch]
                size.adapt(len(lines), sum(len(line) for _, line in lines))
                yield lines


async def _runs(
    conn: AsyncConnection, session_id: str, size: _BatchSize
) -> AsyncGenerator[Sequence[Run]]:
    order = sa.tuple_(runs.c.started_at, runs.c.id)
    everything = sa.select(runs).where(runs.c.session_id == session_id)
    query = everything.order_by(runs.c.started_at, runs.c.id)
    while True:
        limit = size.rows
        found = (await conn.execute(query.limit(limit))).mappings()
        if batch := [rows.run_from_row(row) for row in found]:
            yield batch
        if len(batch) < limit:
            return
        place = sa.tuple_(
            sa.literal(batch[-1].started_at, runs.c.started_at.type),
            sa.literal(batch[-1].id, runs.c.id.type),
        )
        query = everything.where(order > place).order_by(runs.c.started_at, runs.c.id)


async def _events(
    conn: AsyncConnection, session_id: str, size: _BatchSize
) -> AsyncGenerator[Sequence[Event]]:
    number, after = events.c.sequence_number, 0
    of_session = sa.select(events).where(events.c.session_id == session_id)
    while True:
        limit = size.rows
        query = of_session.where(number > after).order_by(number).limit(limit)
        found = await conn.execute(query)
        if batch := [Event.from_stored(row) for row in found]:
            yield batch
            after = batch[-1].sequence_number
        if len(batch) < limit:
            return
