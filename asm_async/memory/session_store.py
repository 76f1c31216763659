"""
The session store that keeps everything in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import attrs

from asm_async.errors import (
    EventConflictError,
    RunNotFoundError,
    SequenceConflictError,
)
from asm_async.fronts import retracting, saving, saving_items
from asm_async.fronts.copying import SessionCopy
from asm_async.fronts.expectations import Expectations
from asm_async.fronts.following import wait_for_events
from asm_async.fronts.observing import Observation
from asm_async.fronts.retracting import Retraction
from asm_async.fronts.session_filters import EventFilter, RunFilter, SessionFilter
from asm_async.fronts.session_store import SessionStoreFront
from asm_async.fronts.snapshots import ChangesSnapshot
from asm_async.memory.artifact_registry import registrations
from asm_async.memory.copies import copy_session
from asm_async.memory.database import DatabaseAccess, InMemoryDatabase
from asm_async.memory.retractions import hidden_of
from asm_async.memory.state_store import ItemWriting
from asm_async.values.changes import Committed
from asm_async.values.event import EVENTS_RETRACTED, Event, EventSnapshot
from asm_async.values.fields import next_number
from asm_async.values.retraction import is_hidden
from asm_async.values.run import Run, RunStatus
from asm_async.values.session import Session


class InMemorySessionStore(SessionStoreFront):
    """
    A :class:`~asm_async.ports.session_store.SessionStore` without a database.

    It does all that the SQL store does, except that nothing survives the process. No
    method awaits between what it reads and what it writes, so that each call is atomic
    and a cancellation finds it either not begun or done.

    Args:
        database: What the store works on; a new and empty one unless given. Stores that
            are given the same one see each other's sessions.
    """

    def __init__(self, database: InMemoryDatabase | None = None) -> None:
        own = InMemoryDatabase() if database is None else database
        self._access = DatabaseAccess(own, "store")
        self.observation: Observation | None = Observation()

    async def aclose(self) -> None:
        """
        Refuse what comes after, and those who still wait for events.
        """
        self._access.close()

    async def _get_session(
        self, session_id: str, expected_tenant: str | None
    ) -> Session:
        found = self._access.database.existing(session_id, expected_tenant)
        return attrs.evolve(found)

    async def _list_sessions(self, wanted: SessionFilter) -> list[Session]:
        found = [
            session
            for session in self._access.database.sessions.values()
            if wanted.status in (None, session.status)
            and wanted.agent_id in (None, session.agent_id)
            and wanted.tenant_id in (None, session.tenant_id)
            and wanted.user_id in (None, session.user_id)
            and (wanted.include_deleted or session.deleted_at is None)
        ]
        found.sort(key=lambda session: (session.created_at, session.id))
        page = found[wanted.offset :][: wanted.limit]
        changes: dict[str, Any] = {} if wanted.with_context else {"context": {}}
        return [attrs.evolve(session, **changes) for session in page]

    async def _delete_session(
        self, session_id: str, expected_tenant: str | None
    ) -> None:
        database = self._access.database
        if expected_tenant is not None:
            database.existing(session_id, expected_tenant)
        database.delete_session(session_id)

    async def _get_run(self, run_id: str, expected_tenant: str | None) -> Run:
        database = self._access.database
        run = database.runs.get(run_id)
        if run is None:
            raise RunNotFoundError(run_id)
        tenant_id = database.sessions[run.session_id].tenant_id
        if expected_tenant not in {None, tenant_id}:
            raise RunNotFoundError(run_id)
        return attrs.evolve(run)

    async def _list_runs(self, session_id: str, wanted: RunFilter) -> list[Run]:
        if wanted.expected_tenant is not None:
            self._access.database.existing(session_id, wanted.expected_tenant)
        runs = self._access.database.runs_of(session_id)
        found = [run for run in runs if wanted.status in (None, run.status)]
        return [attrs.evolve(run) for run in found[: wanted.limit]]

    async def _get_active_run(
        self, session_id: str, expected_tenant: str | None
    ) -> Run | None:
        wanted = RunFilter(status=RunStatus.RUNNING, expected_tenant=expected_tenant)
        running = await self._list_runs(session_id, wanted)
        return running[-1] if running else None

    async def _append(
        self,
        batch: Sequence[EventSnapshot],
        expected_sequence: int | None,
        expected_tenant: str | None,
    ) -> list[Event]:
        database, events = self._access.database, [event for event, _, _ in batch]
        for session_id in dict.fromkeys(event.session_id for event in events):
            database.existing(session_id, expected_tenant)
            database.check_live(session_id)
        numbered, new_count = _number_events(database, events), 0
        if numbered and not _are_stored_behind(database, expected_sequence, numbered):
            session_id = numbered[0].session_id
            _check_latest(session_id, database.latest(session_id), expected_sequence)
            new_count = database.append(numbered)
        self._note_events(len(numbered), new_count)
        return [attrs.evolve(event) for event in numbered]

    async def _commit(
        self, changes: ChangesSnapshot, expected: Expectations
    ) -> Committed:
        database, session_id = self._access.database, changes.session_id
        items, save = ItemWriting(database), changes.save
        if session_id is not None:
            _check_session(database, session_id, changes, expected)
        if save is not None:
            if expected.expected_tenant is not None:
                for id_ in sorted(save.session_ids - {session_id}):
                    database.existing(id_, expected.expected_tenant)
            saving_items.check_sessions(items, save, session_id)
        events = _number_events(database, [event for event, _, _ in changes.batch])
        latest = database.latest(session_id) if session_id is not None else 0
        are_items_saved = save is not None and (
            saving_items.saved_before(items, save) is not None
        )
        was_committed = saving.was_committed(
            database,
            changes,
            expected,
            has_events=all(event.sequence_number <= latest for event in events),
            are_events_behind=lambda number: _are_stored_behind(
                database, number, events
            ),
            are_items_saved=are_items_saved,
        )
        # What is refused here leaves nothing of the commit.
        artifacts, new_artifacts = registrations(database, changes.artifacts)
        new_count = 0
        if not was_committed:
            events, new_count = _store(database, changes, expected)
        database.add_artifacts(new_artifacts)
        self._note_events(len(events), new_count)
        session = saving.saved_session(database, changes, expected)
        stored_items = saving_items.stored_items(items, save)
        return Committed(
            session=session and attrs.evolve(session),
            runs=tuple(attrs.evolve(database.runs[run.id]) for run in changes.runs),
            events=tuple(attrs.evolve(event) for event in events),
            items=tuple(attrs.evolve(item) for item in stored_items),
            artifacts=tuple(attrs.evolve(artifact) for artifact in artifacts),
        )

    def _note_events(self, count: int, new_count: int) -> None:
        observation = self.observation
        observer = None if observation is None else observation.awake_observer
        if count and observer is not None:
            observer.note_events(new_count, count - new_count)

    async def _retract(self, retraction: Retraction) -> list[Event]:
        database, session_id = self._access.database, retraction.session_id
        database.existing(session_id, retraction.expected.expected_tenant)
        database.check_live(session_id)
        find = partial(database.stored_event, session_id)
        written, new_count = retracting.was_retracted(retraction, find), 0
        if written is None:
            latest = database.latest(session_id)
            retracting.check_retraction(retraction, latest, find)
            event, _ = retraction.event(hidden_of(database, session_id))
            written = _number_events(database, [event, *retraction.replacement])
            new_count = database.append(written)
        self._note_events(len(written), new_count)
        return [attrs.evolve(event) for event in written]

    async def _copy_session(self, copy: SessionCopy) -> Session:
        return await copy_session(self._access.database, copy)

    async def _get_events(self, session_id: str, wanted: EventFilter) -> list[Event]:
        read = partial(self._read_events, session_id, wanted)
        if not wanted.wait_timeout:
            return await read()
        waiting = self._access.database.waiter(session_id)
        return await wait_for_events(read, waiting, wanted.wait_timeout)

    async def _read_events(self, session_id: str, wanted: EventFilter) -> list[Event]:
        if wanted.expected_tenant is not None:
            self._access.database.existing(session_id, wanted.expected_tenant)
        stored = self._access.database.events.get(session_id, {}).values()
        found = [event for event in stored if _is_wanted(event, wanted)]
        if wanted.visible_only:
            hidden = hidden_of(self._access.database, session_id)
            found = [
                event
                for event in found
                if event.type != EVENTS_RETRACTED
                and not is_hidden(event.sequence_number, hidden)
            ]
        first = 0 if wanted.last is None else max(0, len(found) - wanted.last)
        return [attrs.evolve(event) for event in found[first:][: wanted.limit]]

    async def _get_latest_sequence(
        self, session_id: str, expected_tenant: str | None
    ) -> int:
        database = self._access.database
        if expected_tenant is not None:
            database.existing(session_id, expected_tenant)
        return database.latest(session_id) if session_id in database.sessions else 0


def _check_session(
    database: InMemoryDatabase,
    session_id: str,
    changes: ChangesSnapshot,
    expected: Expectations,
) -> None:
    may_be_new = changes.session is not None or changes.create_session is not None
    if session_id in database.sessions or not may_be_new:
        database.existing(session_id, expected.expected_tenant)
    database.check_not_deleted(session_id)
    for run in changes.runs:
        saving.check_owner(database, run.id, session_id, expected)


def _store(
    database: InMemoryDatabase, changes: ChangesSnapshot, expected: Expectations
) -> tuple[list[Event], int]:
    session, session_id = changes.session, changes.session_id
    items = ItemWriting(database)
    if session is None and session_id not in database.sessions:
        session = changes.create_session
    if session_id is not None:
        saving.check_revisions(database, session, session_id, expected)
    if changes.save is not None:
        saving_items.check_expected(items, changes.save.expected)
    if session_id is not None:
        is_begun = session is not None and database.is_tombstone_of_another(session)
        actual = 0 if is_begun else database.latest(session_id)
        _check_latest(session_id, actual, expected.expected_sequence)
    for run in changes.runs:
        saving.check_next(database, run)
    if session is not None:
        saving.check_next(database, session)
        database.save_session(session, expected.operation_id)
    for run in changes.runs:
        database.save_run(run, expected.operation_id)
    # A session that is begun again may go on from another place.
    events = _number_events(database, [event for event, _, _ in changes.batch])
    new_count = database.append(events)
    if changes.save is not None:
        saving_items.put_items(items, changes.save)
    return events, new_count


def _is_wanted(event: Event, wanted: EventFilter) -> bool:
    number = event.sequence_number
    return (
        wanted.run_id in (None, event.run_id)
        and wanted.type in (None, event.type)
        and wanted.correlation_id in (None, event.correlation_id)
        and (wanted.ids is None or event.id in wanted.ids)
        and (wanted.since is None or wanted.since <= event.timestamp)
        and (wanted.after is None or wanted.after < number)
        and (wanted.before is None or number < wanted.before)
    )


def _number_events(database: InMemoryDatabase, events: Iterable[Event]) -> list[Event]:
    """
    Return each event as stored or, if it is new, with its session's next number.

    Raises:
        EventConflictError: If an id is stored, or comes twice, with other content.
    """
    latest: dict[str, int] = {}
    known: dict[tuple[str, str], Event] = {}
    numbered: list[Event] = []
    for event in events:
        session_id, key = event.session_id, (event.session_id, event.id)
        stored = known.get(key) or database.stored_event(*key)
        if stored is None:
            before = latest.get(session_id, database.latest(session_id))
            latest[session_id] = number = next_number(before, session_id)
            stored = attrs.evolve(event, sequence_number=number)
        elif not stored.has_same_content(event):
            raise EventConflictError(*key, stored.differing_field(event))
        known[key] = stored
        numbered.append(stored)
    return numbered


def _check_latest(session_id: str, actual: int, expected: int | None) -> None:
    if expected is not None and actual != expected:
        raise SequenceConflictError(session_id, expected, actual)


def _are_stored_behind(
    database: InMemoryDatabase, expected: int | None, numbered: Sequence[Event]
) -> bool:
    """
    Return whether a session's *numbered* events are stored right behind *expected*.
    """
    if expected is None or not numbered:
        return False
    numbers = list(dict.fromkeys(event.sequence_number for event in numbered))
    next_ones = range(expected + 1, expected + 1 + len(numbers))
    is_stored = numbers[-1] <= database.latest(numbered[0].session_id)
    return is_stored and numbers == list(next_ones)
