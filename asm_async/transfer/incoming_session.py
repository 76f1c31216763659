"""
One session of an export, checked whole before anything of it is stored.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Self, TypeAlias, cast

from asm_async.transfer.import_lines import IncomingRecords
from asm_async.transfer.spool import Chunk, Spool
from asm_async.values.event import Event
from asm_async.values.export_digest import HistoryDigest
from asm_async.values.export_lines import encode_record, record_name, restore_member
from asm_async.values.export_records import ExportedSession, ExportedSessionEnd
from asm_async.values.run import Run

IncomingBatch: TypeAlias = tuple[int, list[Run | Event]]
"""
Runs or events that stand one after another, and the number of the first one's line.
"""

_CHUNK_BYTES = 1 << 18
_CHUNK_LINES = 1_000


class IncomingSession:
    """
    A session of an export, with its runs and events in a spool.

    Everything is checked but what needs a database, or unbounded memory: that no run
    and no event occurs twice in it.

    Args:
        head: The session and its counter.

        line_number: Where it begins.
    """

    def __init__(self, head: ExportedSession, line_number: int) -> None:
        self.head = head
        self.id: str = head.session.id
        self.digest: HistoryDigest = HistoryDigest(head)
        self.run_count: int = 0
        self.event_count: int = 0
        self._line_number = line_number
        self._spool = Spool()
        self._lines: list[bytes] = []
        self._size = 0
        self._last: Run | Event | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._spool.clear()

    async def read(self, records: IncomingRecords) -> None:
        """
        Read the session to its end.

        Raises:
            ValidationError: If a record belongs elsewhere, is out of order, or some are
                missing; with the number of its line.
        """
        while True:
            record = await records.next()
            match record:
                case Run() if not self.event_count:
                    self._check_run(record, records)
                    self.run_count += 1
                case Event():
                    self._check_event(record, records)
                    self.event_count += 1
                case ExportedSessionEnd():
                    await self._spool_lines()
                    self._check_end(record, records)
                    return
                case _:
                    records.refuse(f"record: {record_name(record)!r} is out of place")
            await self._add(record)

    async def batches(self) -> AsyncGenerator[IncomingBatch]:
        """
        Yield the runs, then the events, in batches; as often as wanted.
        """
        number = self._line_number + 1
        async with aclosing(self._spool.chunks()) as chunks:
            async for chunk in chunks:
                lines = chunk.data.splitlines()
                yield number, [restore_member(line) for line in lines]
                number += len(lines)

    def _check_run(self, run: Run, records: IncomingRecords) -> None:
        self._check_owner("run", run, records)
        last = cast("Run | None", self._last)
        if last and (last.started_at, last.id) >= (run.started_at, run.id):
            records.refuse(
                f"run.started_at: {run.id!r} comes after {last.id!r}; runs stand"
                " in the order they were started, then by id"
            )

    def _check_event(self, event: Event, records: IncomingRecords) -> None:
        self._check_owner("event", event, records)
        last = self._last
        first = last.sequence_number + 1 if isinstance(last, Event) else 1
        most = self.head.latest_sequence
        if not first <= event.sequence_number <= most:
            records.refuse(
                f"event.sequence_number: {event.sequence_number} is not within {first}"
                f" to {most}"
            )

    def _check_owner(
        self, name: str, member: Run | Event, records: IncomingRecords
    ) -> None:
        if member.session_id != self.id:
            records.refuse(
                f"{name}.session_id: {member.id!r} belongs to session"
                f" {member.session_id!r}, not to {self.id!r}"
            )

    def _check_end(self, end: ExportedSessionEnd, records: IncomingRecords) -> None:
        if end.session_id != self.id:
            records.refuse(
                f"session_id: this is the end of {end.session_id!r}, not of {self.id!r}"
            )
        counts = {
            "run_count": (end.run_count, self.run_count),
            "event_count": (end.event_count, self.event_count),
        }
        for name, (announced, found) in counts.items():
            if announced != found:
                records.refuse(f"{name}: {announced} are announced, {found} are there")
        if self.event_count != self.head.event_count:
            records.refuse(
                f"event_count: {self.event_count} stored and {self.head.pruned_count}"
                f" pruned events do not add up to {self.head.latest_sequence}"
            )

    async def _add(self, member: Run | Event) -> None:
        is_full = self._size >= _CHUNK_BYTES or len(self._lines) >= _CHUNK_LINES
        if is_full or type(member) is not type(self._last):
            await self._spool_lines()
        line = encode_record(member)
        self.digest.add(member, line)
        self._lines.append(line)
        self._size += len(line)
        self._last = member

    async def _spool_lines(self) -> None:
        if self._lines:
            await self._spool.put(Chunk(b"".join(self._lines)))
            self._lines, self._size = [], 0
