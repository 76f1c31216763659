"""
One session of ADK, event by event.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from asm_async.conventions import session_created
from asm_async.errors import ValidationError
from asm_async.importers.databases.source import Row
from asm_async.importers.databases.values import column_time, json_members
from asm_async.importers.google_adk.rows import (
    AdkRecord,
    record_of_columns,
    record_of_json,
)
from asm_async.importers.importer import ImportContext
from asm_async.importers.records import NotUnderstoodError, Place, Record
from asm_async.integrations.records.adk_events import events_of_record
from asm_async.integrations.records.adk_names import (
    CREATED_ID,
    SessionName,
    run_ids_of,
    text_for,
)
from asm_async.integrations.records.adk_runs import run_after_record
from asm_async.integrations.records.adk_state import state_item, update_item
from asm_async.values.event import Event
from asm_async.values.run import Run
from asm_async.values.session import Session
from asm_async.values.state_item import StateItem

_EPOCH = datetime.fromtimestamp(0, UTC)
_MAX_RUNS = 1_024
_MICROSECOND = 1e-6


class History:
    """
    Makes records of a session's rows, in the order in which they were written.

    Args:
        context: The import.

        name: What ADK calls the session.

        row: The session's row.

        offset: By how much the times in columns are ahead of UTC; None if the events
            are JSON, which has its own.
    """

    def __init__(
        self,
        context: ImportContext,
        name: SessionName,
        row: Row,
        offset: timedelta | None,
    ) -> None:
        self.name = name
        self._offset = offset
        self._session = _session_of(context, name, row)
        self._runs: OrderedDict[str, Run] = OrderedDict()
        self._last_id = CREATED_ID

    def begun(self, place: Place) -> Record:
        """
        Return the record of the session itself.
        """
        # It has a number by which ADK's service tells this session from a later one.
        created = session_created(
            session_id=self._session.id,
            id=CREATED_ID,
            timestamp=self._session.created_at,
        )
        return Record(place=place, session=self._session, events=(created,))

    def take(self, row: Row, place: Place) -> tuple[Record, tuple[str, ...]]:
        """
        Return the record of a row, and what of it was not understood.

        Raises:
            NotUnderstoodError: If that is all of it.
        """
        if self._offset is None:
            record = record_of_json(row)
        else:
            record = record_of_columns(row, self._offset)
        try:
            events = self._events(record)
            run = self._run(record)
        except (TypeError, ValidationError) as error:
            raise NotUnderstoodError(str(error)) from error
        if run is not None:
            events = tuple(attrs.evolve(event, run_id=run.id) for event in events)
        self._last_id = events[-1].id
        made = Record(
            place=place,
            session=self._session,
            events=events,
            runs=() if run is None else (run,),
        )
        return made, record.problems

    def ended(
        self, row: Row, shared: Mapping[str, Mapping[str, Any]], place: Place
    ) -> tuple[Record, tuple[str, ...]]:
        """
        Return the record of the state that a session has, and what was not understood.

        Args:
            row: The session's row.

            shared: By scope, state that it shares with others.

            place: Of the row.
        """
        problems: list[str] = []
        state: Mapping[str, Any] = {}
        try:
            state = json_members(row["state"], "state")
        except NotUnderstoodError as error:
            problems.append(f"row {self.name.session_id!r}: {error}")
        items: list[StateItem] = []
        for scope, members in {**shared, self.name.id: state}.items():
            owner = self.name.id if scope == self.name.id else None
            for key, value in members.items():
                try:
                    items.append(state_item(scope, key, value, owner))
                except ValidationError as error:
                    problems.append(f"state {key!r}: {error}")
        updated = self._update_time(row.get("update_time"))
        items.append(update_item(self.name, updated, self._last_id))
        made = Record(place=place, session=self._session, items=tuple(items))
        return made, tuple(problems)

    def _update_time(self, stored: object) -> float:
        time = (column_time(stored) or self._session.created_at).timestamp()
        # ADK compares what it has stored, which may lie between two microseconds.
        if isinstance(stored, float) and abs(stored - time) < _MICROSECOND:
            return stored
        return time

    def _events(self, record: AdkRecord) -> tuple[Event, ...]:
        first, *others = events_of_record(self.name.id, record.members, record.at)
        if record.left:
            left = {"unread": dict(record.left)}
            first = attrs.evolve(first, metadata={**first.metadata, "imported": left})
        return (first, *others)

    def _run(self, record: AdkRecord) -> Run | None:
        invocation = record.members["invocation_id"]
        if not invocation:
            return None
        run_id = next(iter(run_ids_of(self.name.id, invocation)))
        run = run_after_record(
            run_id, self._runs.get(run_id), self.name.id, record.members, record.at
        )
        self._runs[run_id] = run
        self._runs.move_to_end(run_id)
        if len(self._runs) > _MAX_RUNS:
            self._runs.popitem(last=False)
        return run


def _session_of(context: ImportContext, name: SessionName, row: Row) -> Session:
    created_at = column_time(row.get("create_time")) or _EPOCH
    ours = name.new_session(created_at)
    made = context.session(
        name.app_name,
        name.user_id,
        name.session_id,
        agent_id=text_for(name.app_name),
        user_id=text_for(name.user_id),
        created_at=created_at,
    )
    # The id and the metadata by which ADK's service finds it.
    return attrs.evolve(made, id=ours.id, metadata={**ours.metadata, **made.metadata})
