"""
Imports whose encoded events need artifacts to be registered.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import attrs

from asm_async.coded.coding import Coding
from asm_async.coded.exports import RECORDS_AT_ONCE, changed_records, record_lines
from asm_async.errors import ValidationError
from asm_async.ports.history_transfer import ImportReader
from asm_async.transfer.incoming_session import (
    NO_HEADER,
    IncomingRecords,
    IncomingSession,
    split_lines,
)
from asm_async.transfer.spool import Chunk, Spool
from asm_async.values.artifact import Artifact
from asm_async.values.event import Event
from asm_async.values.export_lines import encode_record
from asm_async.values.export_records import (
    ExportedSession,
    ExportedSessionEnd,
    ExportEnd,
    ExportHeader,
    ExportRecord,
)
from asm_async.values.run import Run
from asm_async.values.session_export import SessionMember
from asm_async.values.transfer_reports import ImportReport

_LINE = re.compile(r"line ([0-9]+): ")


@attrs.define(eq=False)
class AddedLines:
    """
    The lines of artifacts that were not read: neither reports nor errors count them.
    """

    count: int = 0
    raised: ValidationError | None = None
    """
    What the lines that are read were refused for, which names a line itself.
    """

    _places: list[tuple[int, int]] = attrs.field(factory=list[tuple[int, int]])
    _seen: int = 0
    _new: int = 0
    _imported: int = 0

    def note_session(self, line_number: int, count: int) -> None:
        """
        Note how many lines stand behind so many lines that were read, or are to be.
        """
        self._places.append((line_number, count))
        self.count += count

    def report(self, report: ImportReport) -> ImportReport:
        """
        Return a report of what was read; to be called after each session.
        """
        seen = report.sessions_imported + report.sessions_unchanged
        for _, count in self._places[self._seen : seen]:
            if report.sessions_imported > self._new:
                self._imported += count
        self._seen, self._new = seen, report.sessions_imported
        return attrs.evolve(
            report,
            line_count=self._line_read(report.line_count),
            artifacts_imported=report.artifacts_imported - self._imported,
        )

    def error(self, error: ValidationError) -> ValidationError:
        """
        Return an error that names the line as it was read.
        """
        named = _LINE.match(str(error))
        if named is None or error is self.raised:
            return error
        number = self._line_read(int(named[1]))
        return ValidationError(f"line {number}: {str(error)[named.end() :]}")

    def _line_read(self, number: int) -> int:
        added = 0
        for place, count in self._places:
            if number <= place + added:
                break
            added += min(count, number - place - added)
        return number - added


async def encoded_import(
    reader: ImportReader, coding: Coding, added: AddedLines, *, max_line_bytes: int
) -> AsyncGenerator[bytes]:
    """
    Yield an export whose values are encoded, with the artifacts that its events need.

    Each session is read to its end first: artifacts stand before events.

    Args:
        reader: An async iterable of bytes, cut anywhere, as for ``import_sessions``.

        coding: What encodes.

        added: Is told of the lines that were not read.

        max_line_bytes: The longest line to accept.

    Raises:
        ValidationError: With the number of the line that is wrong.
    """
    async with aclosing(split_lines(reader, max_line_bytes)) as lines:
        records = IncomingRecords(lines, lambda _: None)
        try:
            async with aclosing(_pieces(records, coding, added)) as pieces:
                async for piece in pieces:
                    yield piece
        except ValidationError as error:
            added.raised = error
            raise


async def _pieces(
    records: IncomingRecords, coding: Coding, added: AddedLines
) -> AsyncGenerator[bytes]:
    # Sessions are read whole, so that others than an export would be read in vain.
    head = await records.next()
    if not isinstance(head, ExportHeader):
        records.refuse(NO_HEADER)
    yield encode_record(head)
    while not isinstance(record := await records.next(), ExportEnd):
        if not isinstance(record, ExportedSession):
            yield await _encoded(coding, record)
            continue
        with IncomingSession(record, records.line_number) as incoming:
            await incoming.read(records)
            session = _SessionEncoder(incoming, coding, added)
            async with aclosing(session.lines()) as pieces:
                async for piece in pieces:
                    yield piece
    artifact_count = record.artifact_count + added.count
    yield encode_record(attrs.evolve(record, artifact_count=artifact_count))
    await records.end()


@attrs.define(eq=False)
class _SessionEncoder:
    """
    Encodes one session that was read to its end.
    """

    _incoming: IncomingSession
    _coding: Coding
    _added: AddedLines

    async def lines(self) -> AsyncGenerator[bytes]:
        """
        Yield its lines.
        """
        incoming = self._incoming
        yield await _encoded(self._coding, incoming.head)
        artifacts: list[Artifact] = []
        own: list[Artifact] = []
        with Spool() as spool:
            async with aclosing(incoming.batches()) as batches:
                async for number, members in batches:
                    for start in range(0, len(members), RECORDS_AT_ONCE):
                        some = members[start : start + RECORDS_AT_ONCE]
                        encoded = await self._coding.encoded(some)
                        if isinstance(some[0], Run):
                            yield record_lines(encoded)
                            continue
                        artifacts += self._given(encoded, number + start)
                        own += self._own(encoded)
                        await spool.put(Chunk(record_lines(_others(encoded))))
            # An event that stands twice is refused later: its artifacts stand once.
            known = {artifact.id: artifact for artifact in own}
            artifacts += known.values()
            artifacts.sort(key=lambda artifact: (artifact.created_at, artifact.id))
            place = incoming.first_line_number + incoming.run_count
            self._added.note_session(place + incoming.artifact_count, len(known))
            yield record_lines(artifacts)
            async with aclosing(spool.chunks()) as chunks:
                async for chunk in chunks:
                    yield chunk.data
        yield encode_record(
            ExportedSessionEnd(
                session_id=incoming.id,
                run_count=incoming.run_count,
                artifact_count=len(artifacts),
                item_count=incoming.item_count,
                event_count=incoming.event_count,
            )
        )

    def _given(self, encoded: list[SessionMember], line_number: int) -> list[Artifact]:
        given = [member for member in encoded if isinstance(member, Artifact)]
        for number, artifact in enumerate(given, line_number):
            if self._coding.coder.is_own(artifact):
                raise ValidationError(
                    f"line {number}: artifact.key: {artifact.key!r} belongs to an event"
                    " as it is stored; import this export through the ports behind,"
                    " with the contents beside it"
                )
        return given

    def _own(self, encoded: list[SessionMember]) -> Sequence[Artifact]:
        events = [member for member in encoded if isinstance(member, Event)]
        return self._coding.coder.artifacts_of(events)


def _others(members: list[SessionMember]) -> list[SessionMember]:
    return [member for member in members if not isinstance(member, Artifact)]


async def _encoded(coding: Coding, record: ExportRecord) -> bytes:
    return record_lines(await changed_records([record], coding.encoded))
