"""
How every adapter writes an export.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import TypeAlias

import attrs

from asm_async.errors import StorageError
from asm_async.ports.history_transfer import ExportWriter
from asm_async.transfer.spool import Chunk
from asm_async.values.artifact import Artifact
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
from asm_async.values.session_export import SessionMember
from asm_async.values.state_item import StateItem
from asm_async.values.transfer_reports import ExportReport

SESSIONS_PER_PAGE = 100
"""
How many sessions are searched for at once; few, since each may be large.
"""

HistoryBatch: TypeAlias = Sequence[tuple[ExportedSession | SessionMember, bytes]]
"""
Some records of one kind, each with its line.
"""


async def write_export(
    writer: ExportWriter,
    search: Callable[[str | None], Awaitable[Page[Session]]],
    history_of: Callable[[str], AsyncGenerator[Chunk]],
    items_of_none: Callable[[], AsyncGenerator[Chunk]] | None,
    progress: Callable[[ExportReport], object] | None,
) -> ExportReport:
    """
    Write an export of the sessions that are found, one after another.

    *history_of* yields a session's lines as of one moment, and nothing if the session
    does not exist any more; *items_of_none* those of the state items that belong to
    none, where they are wanted. *progress* is called after each chunk.
    """
    report = ExportReport()

    async def write(chunk: Chunk) -> None:
        nonlocal report
        await writer(chunk.data)
        report = attrs.evolve(
            report,
            run_count=report.run_count + chunk.run_count,
            artifact_count=report.artifact_count + chunk.artifact_count,
            item_count=report.item_count + chunk.item_count,
            event_count=report.event_count + chunk.event_count,
            byte_count=report.byte_count + len(chunk.data),
        )
        if progress is not None:
            progress(report)

    # A wrong filter raises before anything is written.
    first = await search(None)
    await write(Chunk(encode_record(ExportHeader())))
    async with aclosing(_found_ids(first, search)) as session_ids:
        async for session_id in session_ids:
            is_there = False
            async with aclosing(history_of(session_id)) as chunks:
                async for chunk in chunks:
                    is_there = True
                    await write(chunk)
            count = report.session_count + is_there
            report = attrs.evolve(report, session_count=count)
    if items_of_none is not None:
        async with aclosing(items_of_none()) as chunks:
            async for chunk in chunks:
                await write(chunk)
    end = ExportEnd(
        session_count=report.session_count,
        run_count=report.run_count,
        artifact_count=report.artifact_count,
        item_count=report.item_count,
        event_count=report.event_count,
    )
    await write(Chunk(encode_record(end)))
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

    The batches hold the session itself, its runs, its artifacts, its state items and
    its events, in the order of an export; nothing if it is not there.

    Raises:
        StorageError: If its counter does not agree with its events.
    """
    head: ExportedSession | None = None
    counts = Counter[type]()
    async for batch in batches:
        first, _ = batch[0]
        if _is_hidden(first) and not include_deleted:
            return
        head = first if isinstance(first, ExportedSession) else head
        size = Counter({type(first): len(batch)})
        counts += size
        lines = b"".join(line for _, line in batch)
        yield Chunk(lines, size[Run], size[Artifact], size[StateItem], size[Event])
    if head is None:
        return
    event_count = counts[Event]
    if event_count != head.event_count:
        raise StorageError(
            f"session {head.session.id!r} is damaged: {event_count} stored and"
            f" {head.pruned_count} pruned events do not add up to"
            f" {head.latest_sequence}"
        )
    end = ExportedSessionEnd(
        session_id=head.session.id,
        run_count=counts[Run],
        artifact_count=counts[Artifact],
        item_count=counts[StateItem],
        event_count=event_count,
    )
    yield Chunk(encode_record(end))


async def encode_items(batches: AsyncIterator[HistoryBatch]) -> AsyncGenerator[Chunk]:
    """
    Yield the lines of state items that belong to no session, a chunk for each batch.
    """
    async for batch in batches:
        lines = b"".join(line for _, line in batch)
        yield Chunk(lines, item_count=len(batch))


def _is_hidden(record: ExportedSession | SessionMember) -> bool:
    return isinstance(record, ExportedSession) and record.session.deleted_at is not None
