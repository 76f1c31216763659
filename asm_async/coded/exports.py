"""
Exports whose records are encoded or decoded on their way.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import TypeAlias, cast

import attrs

from asm_async.coded.coder import CodedValue
from asm_async.coded.coding import Coding
from asm_async.errors import ValidationError
from asm_async.ports.history_transfer import ExportWriter, ImportReader
from asm_async.transfer.incoming_session import IncomingRecords, split_lines
from asm_async.values.artifact import Artifact
from asm_async.values.export_lines import decode_record, encode_record
from asm_async.values.export_records import (
    ExportedSession,
    ExportedSessionEnd,
    ExportEnd,
    ExportRecord,
)
from asm_async.values.session import Session
from asm_async.values.session_export import SessionExport, SessionMember
from asm_async.values.transfer_reports import ExportReport

RECORDS_AT_ONCE = 16
"""
How many records are changed together: decoded ones may be far larger than stored ones.
"""

BYTES_AT_ONCE = 1 << 18
"""
About how many bytes of records are changed together.
"""

ChangeValues: TypeAlias = Callable[[Sequence[CodedValue]], Awaitable[list[CodedValue]]]


async def changed_records(
    records: Sequence[ExportRecord], change: ChangeValues
) -> list[ExportRecord]:
    """
    Change the values that records of an export hold.
    """
    values: list[CodedValue] = []
    for record in records:
        if isinstance(record, ExportedSession):
            values.append(record.session)
        elif isinstance(record, SessionMember):
            values.append(record)
    changed = iter(await change(values))
    result: list[ExportRecord] = []
    for record in records:
        if isinstance(record, ExportedSession):
            session = cast("Session", next(changed))
            result.append(attrs.evolve(record, session=session))
        elif isinstance(record, SessionMember):
            result.append(cast("SessionMember", next(changed)))
        else:
            result.append(record)
    return result


async def changed_export(
    reader: ImportReader, change: ChangeValues, *, max_line_bytes: int
) -> AsyncGenerator[bytes]:
    """
    Yield an export whose values are changed, some lines at a time.

    Args:
        reader: An async iterable of bytes, cut anywhere, as for ``import_sessions``.

        change: What to make of some values.

        max_line_bytes: The longest line to accept.

    Raises:
        ValidationError: With the number of the line that is wrong.
    """
    async with aclosing(split_lines(reader, max_line_bytes)) as lines:
        records = IncomingRecords(lines, lambda _: None)
        waiting: list[ExportRecord] = []
        size = 0
        record: ExportRecord | None = None
        while not isinstance(record, ExportEnd):
            try:
                record = await records.next()
            except ValidationError:
                # Sessions that are whole before the line that is wrong are imported.
                yield record_lines(await changed_records(waiting, change))
                raise
            waiting.append(record)
            size += records.line_size
            is_full = len(waiting) >= RECORDS_AT_ONCE or size >= BYTES_AT_ONCE
            if is_full or isinstance(record, ExportEnd):
                yield record_lines(await changed_records(waiting, change))
                waiting, size = [], 0
        await records.end()


@attrs.define(eq=False)
class DecodingWriter:
    """
    Decodes the values of an export before it writes them.

    The artifacts that the coder has registered are left out: their contents are in what
    is decoded.
    """

    _writer: ExportWriter
    _coding: Coding
    _byte_count: int = 0
    _left_out: int = 0
    _left_out_of_session: int = 0

    async def __call__(self, data: bytes) -> None:
        """
        Write some whole lines, a few at a time.
        """
        lines = data.splitlines()
        for start in range(0, len(lines), RECORDS_AT_ONCE):
            records = [*map(decode_record, lines[start : start + RECORDS_AT_ONCE])]
            kept = [
                self._counted(record) for record in records if self._is_kept(record)
            ]
            changed = record_lines(await changed_records(kept, self._coding.shown))
            if changed:
                await self._writer(changed)
            self._byte_count += len(changed)

    def report(self, report: ExportReport) -> ExportReport:
        """
        Return a report of the export with what was really written.
        """
        return attrs.evolve(
            report,
            artifact_count=report.artifact_count - self._left_out,
            byte_count=self._byte_count,
        )

    def _is_kept(self, record: ExportRecord) -> bool:
        if isinstance(record, Artifact) and self._coding.coder.is_own(record):
            self._left_out += 1
            self._left_out_of_session += 1
            return False
        return True

    def _counted(self, record: ExportRecord) -> ExportRecord:
        if isinstance(record, ExportedSessionEnd):
            left_out, self._left_out_of_session = self._left_out_of_session, 0
        elif isinstance(record, ExportEnd):
            left_out = self._left_out
        else:
            return record
        return attrs.evolve(record, artifact_count=record.artifact_count - left_out)


async def decoded_export(export: SessionExport, coding: Coding) -> SessionExport:
    """
    Return what callers see of a session with all it has.
    """
    (session,) = await coding.shown([export.session])
    return attrs.evolve(
        export,
        session=session,
        runs=tuple(await coding.shown(export.runs)),
        artifacts=tuple(
            await coding.shown(
                [each for each in export.artifacts if not coding.coder.is_own(each)]
            )
        ),
        items=tuple(await coding.shown(export.items)),
        events=tuple(await coding.shown(export.events)),
    )


def record_lines(records: Iterable[ExportRecord]) -> bytes:
    """
    Return the lines of some records.
    """
    return b"".join(map(encode_record, records))
