"""
How every adapter reads an import, and what it refuses.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import aclosing
from typing import NoReturn

import attrs

from asm_async.errors import HistoryConflictError, ValidationError
from asm_async.ports.history_transfer import ImportReader
from asm_async.transfer.export_stream import HistoryBatch
from asm_async.transfer.incoming_items import (
    StoreItems,
    differing_item,
    owner_shown,
    read_items,
)
from asm_async.transfer.incoming_session import (
    NO_HEADER,
    DoSteps,
    IncomingBatch,
    IncomingRecords,
    IncomingSession,
    split_lines,
)
from asm_async.values.artifact import Artifact
from asm_async.values.export_lines import HistoryDigest, record_name
from asm_async.values.export_records import (
    ExportedSession,
    ExportEnd,
    ExportHeader,
)
from asm_async.values.run import Run
from asm_async.values.session_export import identity
from asm_async.values.state_item import StateItem
from asm_async.values.transfer_reports import ImportReport

_LINES_BETWEEN_REPORTS = 1_000


async def read_import(
    reader: ImportReader,
    store: Callable[[IncomingSession], Awaitable[bool]],
    store_items: StoreItems,
    *,
    max_line_bytes: int,
    progress: Callable[[ImportReport], object] | None,
    do_steps: DoSteps | None = None,
) -> ImportReport:
    """
    Read an export and store its sessions, one after another.

    *store* stores a session, unless it is stored already, and returns whether it is
    new; *store_items* stores some state items that belong to none, those that are not
    stored already, and returns how many are new. *progress* is called after each
    session, and every thousand lines. *do_steps* is for long lines, as
    :class:`~asm_async.transfer.incoming_session.IncomingRecords` says.
    """
    tally = _Tally(progress)
    async with aclosing(split_lines(reader, max_line_bytes)) as lines:
        records = IncomingRecords(lines, tally.count_line, do_steps)
        if not isinstance(await records.next(), ExportHeader):
            records.refuse(NO_HEADER)
        while isinstance(record := await records.next(), ExportedSession):
            with IncomingSession(record, records.line_number) as incoming:
                await incoming.read(records)
                tally.count_session(incoming, is_new=await store(incoming))
        if isinstance(record, StateItem):
            record = await read_items(record, records, store_items, tally.count_items)
        if not isinstance(record, ExportEnd):
            records.refuse(f"record: {record_name(record)!r} is out of place")
        for name, announced in attrs.asdict(record).items():
            if announced != (found := getattr(tally, name)):
                records.refuse(f"{name}: {announced} are announced, {found} are there")
        await records.end()
    return attrs.evolve(tally.report, line_count=records.line_number - 1)


class _Tally:
    """
    What was read and stored so far.
    """

    def __init__(self, progress: Callable[[ImportReport], object] | None) -> None:
        self.report = ImportReport()
        self.session_count = self.run_count = 0
        self.artifact_count = self.item_count = self.event_count = 0
        self._progress = progress
        self._line_number = 0

    def count_line(self, line_number: int) -> None:
        self._line_number = line_number
        if not line_number % _LINES_BETWEEN_REPORTS:
            self._change_report()

    def count_session(self, incoming: IncomingSession, *, is_new: bool) -> None:
        runs, artifacts = incoming.run_count, incoming.artifact_count
        items, events = incoming.item_count, incoming.event_count
        self.session_count += 1
        self.artifact_count += artifacts
        self.item_count += items
        self.run_count += runs
        self.event_count += events
        self._change_report(
            sessions_imported=self.report.sessions_imported + is_new,
            sessions_unchanged=self.report.sessions_unchanged + (not is_new),
            runs_imported=self.report.runs_imported + runs * is_new,
            artifacts_imported=self.report.artifacts_imported + artifacts * is_new,
            items_imported=self.report.items_imported + items * is_new,
            events_imported=self.report.events_imported + events * is_new,
        )

    def count_items(self, read: int, new: int) -> None:
        self.item_count += read
        self._change_report(
            items_imported=self.report.items_imported + new,
            items_unchanged=self.report.items_unchanged + read - new,
        )

    def _change_report(self, **counts: int) -> None:
        line_count = self._line_number
        self.report = attrs.evolve(self.report, line_count=line_count, **counts)
        if self._progress is not None:
            self._progress(self.report)


async def is_stored(
    incoming: IncomingSession, history: Callable[[], AsyncGenerator[HistoryBatch]]
) -> bool:
    """
    Return whether a session is stored already, and refuse it if its history differs.

    *history* yields what is stored of it, in the order of an export: each time the
    same.
    """
    stored: HistoryDigest | None = None
    async with aclosing(history()) as batches:
        async for batch in batches:
            for record, line in batch:
                if isinstance(record, ExportedSession):
                    stored = HistoryDigest(record)
                elif stored is not None:
                    deque(stored.add(record, line), maxlen=0)
    if stored is not None and (difference := stored.difference(incoming.digest)):
        if stored.has_other_items(incoming.digest):
            difference += f": {await differing_item(incoming, history())} differs"
        raise HistoryConflictError(incoming.id, difference)
    return stored is not None


def refuse_tombstone(incoming: IncomingSession) -> NoReturn:
    """
    Refuse a session whose id was that of a session that was hard-deleted.
    """
    raise HistoryConflictError(
        incoming.id, "a session of this id was hard-deleted here"
    )


def check_owner(incoming: IncomingSession, run_id: str, owner: str) -> None:
    """
    Refuse a run whose id is that of another session's run.
    """
    if owner != incoming.id:
        raise HistoryConflictError(
            incoming.id, f"run {run_id!r} belongs to session {owner!r} here"
        )


def check_artifact(
    incoming: IncomingSession, artifact: Artifact, stored: Artifact
) -> None:
    """
    Refuse an artifact whose id is that of another session's, or whose key is another's.

    *stored* has its id or its key.
    """
    if stored.id != artifact.id:
        raise HistoryConflictError(
            incoming.id,
            f"the key {artifact.key!r} of artifact {artifact.id!r} belongs to artifact"
            f" {stored.id!r} here",
        )
    if stored.session_id != incoming.id:
        whose = owner_shown(stored.session_id)
        raise HistoryConflictError(
            incoming.id, f"artifact {artifact.id!r} belongs to {whose} here"
        )


def check_revision(incoming: IncomingSession, run: Run, last_revision: int) -> None:
    """
    Refuse a run at a revision that an earlier run of its id may have had.
    """
    if run.revision <= last_revision:
        raise HistoryConflictError(
            incoming.id,
            f"a run {run.id!r} was deleted here at revision {last_revision}, and this"
            f" one is at revision {run.revision}",
        )


def check_unrepeated(
    incoming: IncomingSession, batch: IncomingBatch, known: Collection[str]
) -> None:
    """
    Refuse a run, an artifact or an event whose id occurs twice in its session.

    Of the ids of earlier ones, *known* holds at least those that occur in *batch*.
    State items stand in the order of their names, so that none can.
    """
    number, members = batch
    seen = set(known)
    for line, member in enumerate(members, number):
        if isinstance(member, StateItem):
            return
        if member.id in seen:
            raise ValidationError(
                f"line {line}: {record_name(member)}.id: {member.id!r} appears twice in"
                f" session {incoming.id!r}"
            )
        seen.add(member.id)


async def refuse_repetition(incoming: IncomingSession, batch: IncomingBatch) -> None:
    """
    Refuse a batch with a member that is in an earlier batch as well.
    """
    first_line, members = batch
    kind, ids = type(members[0]), {identity(member) for member in members}
    known: set[str] = set()
    async with aclosing(incoming.batches()) as batches:
        async for number, earlier in batches:
            if number >= first_line:
                break
            found = {identity(one) for one in earlier if type(one) is kind}
            known |= {each for each in found & ids if isinstance(each, str)}
    check_unrepeated(incoming, batch, known)
