"""
From the lines of one rollout to records.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from asm_async.errors import ValidationError
from asm_async.importers.codex.rollout_line import rollout_line
from asm_async.importers.codex.thread import thread_of
from asm_async.importers.codex.thread_reader import ThreadReader
from asm_async.importers.importer import ImportContext
from asm_async.importers.lines import Line
from asm_async.importers.names import time_of
from asm_async.importers.records import (
    NotUnderstoodError,
    Place,
    Record,
    with_original,
)
from asm_async.importers.summary import ProblemCode

_NO_TIME = datetime.fromtimestamp(0, UTC)


class RolloutParser:
    """
    Makes records of the lines of one file, in their order.

    Args:
        context: What the import was asked for.

        shown: The file's path below what is imported.
    """

    def __init__(self, context: ImportContext, shown: str) -> None:
        self._context = context
        self._shown = shown
        self._time = _NO_TIME
        self._reader: ThreadReader | None = None

    def take(self, line: Line) -> Iterable[Record]:
        """
        Return what a line says.
        """
        read = rollout_line(line)
        self._time = time_of(read.original.get("timestamp")) or self._time
        if self._reader is None:
            thread = thread_of(self._context, self._shown, read, self._time)
            self._reader = ThreadReader(self._context.kind, thread)
        reader = self._reader
        try:
            said = reader.read(read, self._time)
        except (NotUnderstoodError, ValidationError) as error:
            # It is kept all the same.
            code = ProblemCode.NOT_UNDERSTOOD
            self._context.tally.problem(line.place, code, str(error))
            said = reader.keep(read, self._time)
        events = (*said.before, *with_original(said.events, read.original))
        reader.last_event_id = events[-1].id
        yield Record(
            place=line.place,
            session=reader.thread.session,
            events=events,
            runs=reader.runs.take_changed(),
            title=said.title,
            rewinds_to=said.rewinds_to,
        )

    def pause(self, place: Place, /) -> Iterable[Record]:
        """
        Return the turn that goes on at the end of the file.
        """
        reader = self._reader
        if reader is not None and (run := reader.open_run(self._time)) is not None:
            yield Record(place=place, session=reader.thread.session, runs=(run,))
