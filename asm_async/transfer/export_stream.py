"""
How every adapter writes an export.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import TypeAlias

import attrs

from asm_async.errors import StorageError
from asm_async.ports.history_transfer import ExportWriter
from asm_async.transfer.spool import Chunk
from asm_async.values.event import Event
from asm_async.values.export_lines import encode_record
from asm_async.values.export_records import (
    ExportedSession,
    ExportedSessionEnd,
    ExportEnd,
    ExportHeader,
)
from asm_async.values.page import Page
from asm_async.values.run import Run
from asm_async.values.session import Session
from asm_async.values.transfer_reports import ExportReport

SESSIONS_PER_PAGE = 100
"""
How many sessions are searched for at once; few, since each may be large.
"""

HistoryBatch: TypeAlias = Sequence[tuple[ExportedSession | Run | Event, bytes]]
"""
Some records of one kind, each with its line.
"""


async def write_export(
    writer: ExportWriter,
    search: Callable[[str | None], Awaitable[Page[Session]]],
    history_of: Callable[[str], AsyncGenerator[Chunk]],
    progress: Callable[[ExportReport], object] | None,
) -> ExportReport:
    """
    Write an export of the sessions that are found, one after another.

    *history_of* yields a session's lines as of one moment, and nothing if the session
    does not exist any more; *progress* is called after each chunk.
    """
    report = ExportReport()

    async def write(data: bytes, run_count: int = 0, event_count: int = 0) -> None:
        nonlocal report
        await writer(data)
        report = attrs.evolve(
            report,
            run_count=report.run_count + run_count,
            event_count=report.event_count + event_count,
            byte_count=report.byte_count + len(data),
        )
        if progress is not None:
            progress(report)

    # A wrong filter raises before anything is written.
    first = await search(None)
    await write(encode_record(ExportHeader()))
    async with aclosing(_found_ids(first, search)) as session_ids:
        async for session_id in session_ids:
            is_there = False
            async with aclosing(history_of(session_id)) as chunks:
                async for chunk in chunks:
                    is_there = True
                    await write(chunk.data, chunk.run_count, chunk.event_count)
            count = report.session_count + is_there
            report = attrs.evolve(report, session_count=count)
    end = ExportEnd(
        session_count=report.session_count,
        run_count=report.run_count,
        event_count=report.event_count,
    )
    await write(encode_record(end))
    return report


async def _found_ids(
    page: Page[Session], search: Callable[[str], Awaitable[Page[Session]]]
) -> AsyncGenerator[str]:
    """
    Yield the sessions' ids of this page and of all that follow.
    """
    while True:
        for session in page.items:
            yield session.id
        if page.cursor is None:
            return
        page = await search(page.cursor)


async def encode_history(
    batches: AsyncIterator[HistoryBatch], *, include_deleted: bool
) -> AsyncGenerator[Chunk]:
    """
    Yield the lines of one session: a chunk for each batch, and one for its end.

    The batches hold the session itself, its runs and its events, in the order of an
    export; nothing if it is not there.

    Raises:
        StorageError: If its counter does not agree with its events.
    """
    head: ExportedSession | None = None
    run_count = event_count = 0
    async for batch in batches:
        first, _ = batch[0]
        if _is_hidden(first) and not include_deleted:
            return
        runs = len(batch) if isinstance(first, Run) else 0
        events = len(batch) if isinstance(first, Event) else 0
        head = first if isinstance(first, ExportedSession) else head
        run_count, event_count = run_count + runs, event_count + events
        yield Chunk(b"".join(line for _, line in batch), runs, events)
    if head is None:
        return
    if event_count != head.event_count:
        raise StorageError(
            f"session {head.session.id!r} is damaged: {event_count} stored and"
            f" {head.pruned_count} pruned events do not add up to"
            f" {head.latest_sequence}"
        )
    end = ExportedSessionEnd(
        session_id=head.session.id, run_count=run_count, event_count=event_count
    )
    yield Chunk(encode_record(end))


def _is_hidden(record: ExportedSession | Run | Event) -> bool:
    return isinstance(record, ExportedSession) and record.session.deleted_at is not None
