"""
The importer of the databases of ADK's ``DatabaseSessionService``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any

import attrs

from asm_async.errors import ValidationError
from asm_async.importers.databases.open_source import SQLITE_BEGINNING, open_source
from asm_async.importers.databases.source import Query, Row, Source, size_of
from asm_async.importers.google_adk.history import History
from asm_async.importers.google_adk.shared_state import SharedState
from asm_async.importers.google_adk.zones import zone_offset
from asm_async.importers.importer import ImportContext
from asm_async.importers.records import Incoming, NotUnderstoodError, Place, Record
from asm_async.importers.summary import ProblemCode
from asm_async.integrations.records.adk_names import SessionName

_KEYS = ("app_name", "user_id", "id")
_EVENT_KEYS = ("app_name", "user_id", "session_id", "id", "timestamp")
_COLUMNS_OF_EVENTS = frozenset({*_EVENT_KEYS, "invocation_id"})


class GoogleADKImporter:
    """
    Reads the sessions of ADK, as its own services store them.

    It knows both schemas: that with pickled actions, which are read without loading
    them, and that with JSON, which ``SqliteSessionService`` has too. Each session
    becomes the one that ``AsmSessionService`` makes, so that ADK can continue it there.
    """

    def recognises(self, path: str, beginning: bytes) -> bool:
        """
        Return whether a file is a database with ADK's tables.
        """
        del path
        is_database = beginning.startswith(SQLITE_BEGINNING)
        return is_database and b"user_states" in beginning and b"events" in beginning

    async def records(self, context: ImportContext) -> AsyncGenerator[Incoming]:
        """
        Yield the events of one session after the other, and what state it has then.

        Raises:
            ValidationError: If the database has no tables of ADK.
        """
        async with open_source(context) as source:
            tables = await source.tables()
            _check(tables, context.kind)
            reader = _Reader(context, source, tables)
            async for record in reader.records():
                yield record


def _check(tables: Mapping[str, Sequence[str]], kind: str) -> None:
    events = {*tables.get("events", ())}
    is_known = "event_data" in events or "actions" in events
    if not ({*_KEYS} <= {*tables.get("sessions", ())} and is_known):
        raise ValidationError(
            f"{kind}: the database has no tables sessions and events of ADK"
        )


@attrs.define(eq=False)
class _Reader:
    """
    Reads one database.
    """

    context: ImportContext
    source: Source
    tables: Mapping[str, Sequence[str]]
    _shared: SharedState = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._shared = SharedState(self.context, self.source, self.tables)

    async def records(self) -> AsyncIterator[Record]:
        sessions = Query(
            table="sessions", columns=self.tables["sessions"], order_by=_KEYS
        )
        number = 0
        async for page in self.source.pages(sessions):
            for row in page:
                number += 1
                place = Place("sessions", number, size_of(list(row.values())))
                self.context.tally.add(byte_count=place.byte_count)
                keys = [row[key] for key in _KEYS]
                if not all(isinstance(key, str) for key in keys):
                    reason = f"row {keys}: its keys are no texts"
                    self._problem(place, ProblemCode.NOT_UNDERSTOOD, reason)
                    continue
                async for record in self._of_session(SessionName(*keys), row, place):
                    yield record

    async def _of_session(
        self, name: SessionName, row: Row, place: Place
    ) -> AsyncIterator[Record]:
        columns = self.tables["events"]
        has_json = "event_data" in columns
        where = {
            "app_name": name.app_name,
            "user_id": name.user_id,
            "session_id": name.session_id,
        }
        events = Query(
            table="events", columns=columns, where=where, order_by=("timestamp", "id")
        )
        offset = None
        if not has_json:
            offset = await zone_offset(self.source, row, where)
        history = History(self.context, name, row, offset)
        yield history.begun(place)
        number = 0
        async for page in self.source.pages(events):
            for event in page:
                number += 1
                size = size_of(list(event.values()))
                self.context.tally.add(byte_count=size)
                for record in self._taken(
                    history, event, Place("events", number, size)
                ):
                    yield record
        shared = await self._shared.of(name)
        yield self._ended(history, row, shared, place)

    def _taken(self, history: History, row: Row, place: Place) -> Sequence[Record]:
        key = f"row {row['id']!r} of {history.name.session_id!r}"
        try:
            record, problems = history.take(row, place)
        except NotUnderstoodError as error:
            self._problem(place, ProblemCode(error.code), f"{key}: {error}")
            return ()
        for problem in problems:
            self._problem(place, ProblemCode.NOT_UNDERSTOOD, f"{key}: {problem}")
        self.context.tally.add(record_count=1)
        return (record,)

    def _ended(
        self, history: History, row: Row, shared: Mapping[str, Any], place: Place
    ) -> Record:
        record, problems = history.ended(row, shared, place)
        for problem in problems:
            self._problem(place, ProblemCode.NOT_UNDERSTOOD, problem)
        return record

    def _problem(self, place: Place, code: ProblemCode, reason: str) -> None:
        self.context.tally.problem(place, code, reason)
