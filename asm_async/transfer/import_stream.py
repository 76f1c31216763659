"""
How every adapter reads an import.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from typing import cast

import attrs

from asm_async.ports.history_transfer import ImportReader
from asm_async.transfer.import_lines import IncomingRecords, split_lines
from asm_async.transfer.incoming_session import IncomingSession
from asm_async.values.export_lines import record_name
from asm_async.values.export_records import ExportedSession, ExportEnd, ExportHeader
from asm_async.values.transfer_reports import ImportReport

_LINES_BETWEEN_REPORTS = 1_000


async def read_import(
    reader: ImportReader,
    store: Callable[[IncomingSession], Awaitable[bool]],
    *,
    max_line_bytes: int,
    progress: Callable[[ImportReport], object] | None,
) -> ImportReport:
    """
    Read an export and store its sessions, one after another.

    Args:
        reader: Yields the export's bytes.

        store: Stores a session, or finds that it is stored already; returns whether it
            is new.

        max_line_bytes: The longest line to read.

        progress: Called after each session, and every thousand lines.

    Raises:
        ValidationError: With the number of the line that is wrong.
    """
    tally = _Tally(progress)
    async with _closing(reader), aclosing(split_lines(reader, max_line_bytes)) as lines:
        records = IncomingRecords(lines, tally.count_line)
        if not isinstance(await records.next(), ExportHeader):
            records.refuse("record: an export begins with its 'header'")
        while isinstance(record := await records.next(), ExportedSession):
            with IncomingSession(record, records.line_number) as incoming:
                await incoming.read(records)
                tally.count_session(incoming, is_new=await store(incoming))
        if not isinstance(record, ExportEnd):
            records.refuse(f"record: {record_name(record)!r} is out of place")
        for name, announced in attrs.asdict(record).items():
            if announced != (found := getattr(tally, name)):
                records.refuse(f"{name}: {announced} are announced, {found} are there")
        await records.end()
    return attrs.evolve(tally.report, line_count=records.line_number - 1)


def _closing(reader: ImportReader) -> AbstractAsyncContextManager[object]:
    """
    Close a generator in the end: its file would stay open if it was not read through.
    """
    if isinstance(reader, AsyncGenerator):
        return aclosing(cast("AsyncGenerator[bytes]", reader))
    return nullcontext()


class _Tally:
    """
    What was read and stored so far.
    """

    def __init__(self, progress: Callable[[ImportReport], object] | None) -> None:
        self.report = ImportReport()
        self.session_count = self.run_count = self.event_count = 0
        self._progress = progress
        self._line_number = 0

    def count_line(self, line_number: int) -> None:
        self._line_number = line_number
        if not line_number % _LINES_BETWEEN_REPORTS:
            self._change_report()

    def count_session(self, incoming: IncomingSession, *, is_new: bool) -> None:
        runs, events = incoming.run_count, incoming.event_count
        self.session_count += 1
        self.run_count += runs
        self.event_count += events
        self._change_report(
            sessions_imported=self.report.sessions_imported + is_new,
            sessions_unchanged=self.report.sessions_unchanged + (not is_new),
            runs_imported=self.report.runs_imported + runs * is_new,
            events_imported=self.report.events_imported + events * is_new,
        )

    def _change_report(self, **counts: int) -> None:
        line_count = self._line_number
        self.report = attrs.evolve(self.report, line_count=line_count, **counts)
        if self._progress is not None:
            self._progress(self.report)
