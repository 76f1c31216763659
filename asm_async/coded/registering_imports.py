"""
Imports whose encoded events need artifacts to be registered.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import attrs

from asm_async.coded.coding import Coding
from asm_async.coded.exports import RECORDS_AT_ONCE, changed_records, record_lines
from asm_async.errors import ValidationError
from asm_async.ports.history_transfer import ImportReader
from asm_async.transfer.incoming_session import (
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
    ExportRecord,
)
from asm_async.values.run import Run
from asm_async.values.session_export import SessionMember


async def encoded_import(
    reader: ImportReader, coding: Coding, *, max_line_bytes: int
) -> AsyncGenerator[bytes]:
    """
    Yield an export whose values are encoded, with the artifacts that its events need.

    Each session is read to its end first: artifacts stand before events.

    Args:
        reader: An async iterable of bytes, cut anywhere, as for ``import_sessions``.

        coding: What encodes.

        max_line_bytes: The longest line to accept.

    Raises:
        ValidationError: With the number of the line that is wrong.
    """
    async with aclosing(split_lines(reader, max_line_bytes)) as lines:
        records = IncomingRecords(lines, lambda _: None)
        added = 0
        while not isinstance(record := await records.next(), ExportEnd):
            if not isinstance(record, ExportedSession):
                yield await _encoded(coding, record)
                continue
            with IncomingSession(record, records.line_number) as incoming:
                await incoming.read(records)
                session = _SessionEncoder(incoming, coding)
                async with aclosing(session.lines()) as pieces:
                    async for piece in pieces:
                        yield piece
                added += session.artifact_count - incoming.artifact_count
        yield encode_record(
            attrs.evolve(record, artifact_count=record.artifact_count + added)
        )
        await records.end()


@attrs.define(eq=False)
class _SessionEncoder:
    """
    Encodes one session that was read to its end.
    """

    _incoming: IncomingSession
    _coding: Coding
    artifact_count: int = 0

    async def lines(self) -> AsyncGenerator[bytes]:
        """
        Yield its lines.
        """
        incoming = self._incoming
        yield await _encoded(self._coding, incoming.head)
        artifacts: list[Artifact] = []
        with Spool() as spool:
            async with aclosing(incoming.batches()) as batches:
                async for number, members in batches:
                    for start in range(0, len(members), RECORDS_AT_ONCE):
                        some = members[start : start + RECORDS_AT_ONCE]
                        encoded = await self._coding.encoded(some)
                        if isinstance(some[0], Run):
                            yield record_lines(encoded)
                            continue
                        artifacts += self._artifacts_of(encoded, number + start)
                        await spool.put(Chunk(record_lines(_others(encoded))))
            self.artifact_count = len(artifacts)
            artifacts.sort(key=lambda artifact: (artifact.created_at, artifact.id))
            yield record_lines(artifacts)
            async with aclosing(spool.chunks()) as chunks:
                async for chunk in chunks:
                    yield chunk.data
        yield encode_record(
            ExportedSessionEnd(
                session_id=incoming.id,
                run_count=incoming.run_count,
                artifact_count=self.artifact_count,
                item_count=incoming.item_count,
                event_count=incoming.event_count,
            )
        )

    def _artifacts_of(
        self, encoded: list[SessionMember], line_number: int
    ) -> list[Artifact]:
        coder = self._coding.coder
        given = [member for member in encoded if isinstance(member, Artifact)]
        for number, artifact in enumerate(given, line_number):
            if coder.is_own(artifact):
                raise ValidationError(
                    f"line {number}: artifact.key: {artifact.key!r} belongs to an event"
                    " as it is stored; import this export through the ports behind,"
                    " with the contents beside it"
                )
        events = [member for member in encoded if isinstance(member, Event)]
        return [*given, *coder.artifacts_of(events)]


def _others(members: list[SessionMember]) -> list[SessionMember]:
    return [member for member in members if not isinstance(member, Artifact)]


async def _encoded(coding: Coding, record: ExportRecord) -> bytes:
    return record_lines(await changed_records([record], coding.encoded))
