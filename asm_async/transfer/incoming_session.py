"""
The records of an export as they come in, and one session of them, checked whole.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Awaitable,
    Callable,
    Generator,
)
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from datetime import datetime
from functools import cached_property
from typing import Any, NoReturn, Self, TypeAlias, cast

from asm_async.errors import ValidationError
from asm_async.transfer.spool import Chunk, Spool
from asm_async.values import fields
from asm_async.values.artifact import Artifact
from asm_async.values.event import Event
from asm_async.values.export_lines import (
    LONG_LINE,
    HistoryDigest,
    decode_record,
    decode_record_in_steps,
    encode_record,
    record_name,
    restore_member,
    restore_member_in_steps,
)
from asm_async.values.export_records import (
    ExportedSession,
    ExportedSessionEnd,
    ExportRecord,
)
from asm_async.values.retraction import check_retraction
from asm_async.values.run import Run
from asm_async.values.session_export import SessionMember, identity
from asm_async.values.state_item import StateItem

DoSteps: TypeAlias = Callable[[Generator[None, None, Any]], Awaitable[Any]]
"""
Does steps of some milliseconds each, with rests for others, and returns their result.
"""

NO_HEADER = "record: an export begins with its 'header'"
"""
Why something else is refused at its beginning.
"""


class IncomingRecords:
    """
    Reads one record at a time, and names the line of one that is wrong.

    Args:
        lines: Those of the export.

        on_line: Called with the number of each line.

        do_steps: How to read long lines, in whose values JSON is then left as the text
            that is stored; None if it is to be decoded.
    """

    def __init__(
        self,
        lines: AsyncGenerator[bytes],
        on_line: Callable[[int], object],
        do_steps: DoSteps | None = None,
    ) -> None:
        self._lines = lines
        self._on_line = on_line
        self.do_steps: DoSteps | None = do_steps
        self.line_number: int = 0
        self.line_size: int = 0
        """
        How many bytes the line has that was read last.
        """

    async def next(self) -> ExportRecord:
        """
        Return the next record; refuse a line that holds none, and the lack of a line.
        """
        line = await self._next_line()
        if line is None:
            self.refuse("the export is cut off here: its end is missing")
        self.line_size = len(line)
        if self.line_number == 1:
            # Editors and shells of Windows put it there; RFC 8259 lets us ignore it.
            line = line.removeprefix(BOM_UTF8)
        try:
            record: ExportRecord
            if self.do_steps is not None and len(line) >= LONG_LINE:
                record = await self.do_steps(decode_record_in_steps(line))
            else:
                record = decode_record(line)
        except ValidationError as error:
            self.refuse(str(error))
        self._on_line(self.line_number)
        return record

    async def end(self) -> None:
        """
        Refuse a further line.
        """
        if await self._next_line() is not None:
            self.refuse("something follows the end of the export")

    def refuse(self, reason: str) -> NoReturn:
        """
        Raise ``ValidationError`` with the number of the line that was read last.
        """
        raise ValidationError(f"line {self.line_number}: {reason}")

    async def _next_line(self) -> bytes | None:
        self.line_number += 1
        try:
            return await anext(self._lines, None)
        except _BadLineError as error:
            self.refuse(str(error))


class _BadLineError(ValidationError):
    """
    A line cannot be read; what counts the lines says which.
    """


async def split_lines(
    reader: AsyncIterable[bytes], max_line_bytes: int
) -> AsyncGenerator[bytes]:
    """
    Split the bytes that *reader* yields into lines, without their ends, and close it.
    """
    pieces: list[bytes] = []
    size = 0
    async with _closing(reader):
        async for piece in reader:
            first, *lines = _bytes(piece).split(b"\n")
            for following in [*lines, None]:
                pieces.append(first)
                size += len(first)
                if size > max_line_bytes:
                    raise _BadLineError(
                        f"the line has more than {max_line_bytes} bytes; if that is"
                        " right, pass a greater max_line_bytes"
                    )
                if following is None:
                    break
                yield b"".join(pieces)
                pieces, size, first = [], 0, following
        if size:
            yield b"".join(pieces)


def _closing(reader: AsyncIterable[bytes]) -> AbstractAsyncContextManager[object]:
    """
    Close a generator in the end: its file would stay open if it was not read through.
    """
    if isinstance(reader, AsyncGenerator):
        return aclosing(cast("AsyncGenerator[bytes]", reader))
    return nullcontext()


def _bytes(piece: object) -> bytes:
    if not isinstance(piece, bytes):
        raise _BadLineError(str(fields.unexpected("reader", "bytes", piece)))
    return piece


IncomingBatch: TypeAlias = tuple[int, list[SessionMember]]
"""
Runs, artifacts, state items or events that stand one after another, and the number of
the first one's line.
"""

CHUNK_BYTES = 1 << 18
CHUNK_LINES = 1_000
"""
A batch has about so many bytes, or one long line more, and at most so many lines.
"""


class IncomingSession:
    """
    A session of an export, with all that belongs to it in a spool.

    Everything is checked but what needs a database, or unbounded memory: that no run,
    artifact or event occurs twice in it.
    """

    def __init__(self, head: ExportedSession, line_number: int) -> None:
        self.head = head
        self.id: str = head.session.id
        self.digest: HistoryDigest = HistoryDigest(head)
        self.run_count: int = 0
        self.artifact_count: int = 0
        self.item_count: int = 0
        self.event_count: int = 0
        self.batch_count: int = 0
        self.byte_count: int = 0
        self.first_line_number: int = line_number
        self._spool = Spool()
        self._lines: list[bytes] = []
        self._size = 0
        self._last: SessionMember | None = None
        self._do_steps: DoSteps | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._spool.clear()

    async def read(self, records: IncomingRecords) -> None:
        """
        Read the session to its end; refuse a record out of place, and the lack of one.
        """
        self._do_steps = records.do_steps
        while True:
            record = await records.next()
            match record:
                case Run() if not isinstance(self._last, Artifact | StateItem | Event):
                    self._check_run(record, records)
                    self.run_count += 1
                case Artifact() if not isinstance(self._last, StateItem | Event):
                    self._check_artifact(record, records)
                    self.artifact_count += 1
                case StateItem() if not isinstance(self._last, Event):
                    self._check_item(record, records)
                    self.item_count += 1
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

    @cached_property
    def import_id(self) -> str:
        """
        What tells imports of one history from those of another under the same id.
        """
        return f"import:{self.digest.text}"

    async def batches(self) -> AsyncGenerator[IncomingBatch]:
        """
        Yield runs, artifacts, items, then events, in batches; as often as wanted.
        """
        number = self.first_line_number + 1
        async with aclosing(self._spool.chunks()) as chunks:
            async for chunk in chunks:
                lines = chunk.data.splitlines()
                yield number, [await self._restored(line) for line in lines]
                number += len(lines)

    async def _restored(self, line: bytes) -> SessionMember:
        if self._do_steps is None or len(line) < LONG_LINE:
            return restore_member(line)
        member: SessionMember = await self._do_steps(restore_member_in_steps(line))
        return member

    def _check_run(self, run: Run, records: IncomingRecords) -> None:
        self._check_owner("run", run, records)
        last = cast("Run | None", self._last)
        if last and (last.started_at, last.id) >= (run.started_at, run.id):
            records.refuse(
                f"run.started_at: {run.id!r} comes after {last.id!r}; runs stand"
                " in the order they were started, then by id"
            )

    def _check_artifact(self, artifact: Artifact, records: IncomingRecords) -> None:
        self._check_owner("artifact", artifact, records)
        last = self._last
        if isinstance(last, Artifact) and _place(last) >= _place(artifact):
            records.refuse(
                f"artifact.created_at: {artifact.id!r} comes after {last.id!r};"
                " artifacts stand in the order they were created, then by id"
            )

    def _check_item(self, item: StateItem, records: IncomingRecords) -> None:
        self._check_owner("state_item", item, records)
        last = self._last
        check_order_of_items(
            last if isinstance(last, StateItem) else None, item, records
        )

    def _check_event(self, event: Event, records: IncomingRecords) -> None:
        self._check_owner("event", event, records)
        try:
            check_retraction(event)
        except ValidationError as error:
            records.refuse(f"event.{error}")
        last = self._last
        first = last.sequence_number + 1 if isinstance(last, Event) else 1
        most = self.head.latest_sequence
        if not first <= event.sequence_number <= most:
            records.refuse(
                f"event.sequence_number: {event.sequence_number} is not within {first}"
                f" to {most}"
            )

    def _check_owner(
        self, name: str, member: SessionMember, records: IncomingRecords
    ) -> None:
        if member.session_id != self.id:
            records.refuse(
                f"{name}.session_id: {identity(member)!r} belongs to session"
                f" {member.session_id!r}, not to {self.id!r}"
            )

    def _check_end(self, end: ExportedSessionEnd, records: IncomingRecords) -> None:
        if end.session_id != self.id:
            records.refuse(
                f"session_id: this is the end of {end.session_id!r}, not of {self.id!r}"
            )
        counts = {
            "run_count": (end.run_count, self.run_count),
            "artifact_count": (end.artifact_count, self.artifact_count),
            "item_count": (end.item_count, self.item_count),
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

    async def _add(self, member: SessionMember) -> None:
        is_full = self._size >= CHUNK_BYTES or len(self._lines) >= CHUNK_LINES
        if is_full or type(member) is not type(self._last):
            await self._spool_lines()
        line = encode_record(member)
        adding = self.digest.add(member, line)
        if self._do_steps is not None and len(line) >= LONG_LINE:
            await self._do_steps(adding)
        else:
            deque(adding, maxlen=0)
        self._lines.append(line)
        self._size += len(line)
        self._last = member

    async def _spool_lines(self) -> None:
        if self._lines:
            await self._spool.put(Chunk(b"".join(self._lines)))
            self.batch_count += 1
            self.byte_count += self._size
            self._lines, self._size = [], 0


def check_order_of_items(
    last: StateItem | None, item: StateItem, records: IncomingRecords
) -> None:
    """
    Refuse a state item that does not come behind the last one: so none comes twice.
    """
    if last is None or (last.scope, last.key) < (item.scope, item.key):
        return
    records.refuse(
        f"state_item.key: {item.key!r} of scope {item.scope!r} comes after {last.key!r}"
        f" of scope {last.scope!r}; items stand by scope and key, and each stands once"
    )


def _place(artifact: Artifact) -> tuple[datetime, str]:
    return artifact.created_at, artifact.id
