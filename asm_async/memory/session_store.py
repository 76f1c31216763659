"""
The session store that keeps everything in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import attrs

from asm_async.errors import (
    ConflictError,
    EventConflictError,
    RevisionConflictError,
    RunNotFoundError,
    SequenceConflictError,
)
from asm_async.fronts.expectations import Expectations
from asm_async.fronts.following import wait_for_events
from asm_async.fronts.session_filters import EventFilter, RunFilter, SessionFilter
from asm_async.fronts.session_store import (
    EventSnapshot,
    ResultSnapshot,
    SessionStoreFront,
)
from asm_async.memory.database import DatabaseAccess, InMemoryDatabase
from asm_async.values.event import Event
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.fields import next_number
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

    async def aclose(self) -> None:
        """
        Refuse what comes after, and those who still wait for events.
        """
        self._access.close()

    async def _save_session(self, session: Session, expected: Expectations) -> Session:
        database = self._access.database
        if session.id in database.sessions:
            database.existing(session.id, expected.expected_tenant)
        database.check_not_deleted(session.id)
        if not _was_saved(database, session, expected):
            _check_revision(database, session, expected.expected_revision)
            _check_status(database, session)
            database.save_session(session, expected.operation_id)
        return attrs.evolve(database.sessions[session.id])

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

    async def _save_run(self, run: Run, expected: Expectations) -> Run:
        database = self._access.database
        database.existing(run.session_id, expected.expected_tenant)
        database.check_live(run.session_id)
        _check_owner(database, run, expected)
        if not _was_saved(database, run, expected):
            _check_revision(database, run, expected.expected_revision)
            _check_status(database, run)
            database.save_run(run, expected.operation_id)
        return attrs.evolve(database.runs[run.id])

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
        numbered = _number_events(database, events)
        if numbered and not _are_stored_behind(database, expected_sequence, numbered):
            session_id = numbered[0].session_id
            _check_latest(session_id, database.latest(session_id), expected_sequence)
            database.put_events(numbered)
        return [attrs.evolve(event) for event in numbered]

    async def _flush(
        self, result: ResultSnapshot, expected: Expectations
    ) -> ExecutionResult:
        database, session, run = self._access.database, result.session, result.run
        if session is None or session.id in database.sessions:
            database.existing(result.session_id, expected.expected_tenant)
        database.check_not_deleted(result.session_id)
        given = [event for event, _, _ in result.batch]
        events = _number_events(database, given)
        if not _was_flushed(database, result, events, expected):
            if session is not None:
                _check_revision(database, session, expected.expected_revision)
            is_new = session is not None and database.is_tombstone_of_another(session)
            latest = 0 if is_new else database.latest(result.session_id)
            _check_latest(result.session_id, latest, expected.expected_sequence)
            if run is not None:
                _check_owner(database, run, expected)
                _check_status(database, run)
            if session is not None:
                _check_status(database, session)
                database.save_session(session, expected.operation_id)
            if run is not None:
                database.save_run(run, expected.operation_id)
            # A session that is begun anew may go on from another place.
            events = _number_events(database, given)
            database.put_events(events)
        return ExecutionResult(
            session=session and attrs.evolve(database.sessions[session.id]),
            run=run and attrs.evolve(database.runs[run.id]),
            events=tuple(attrs.evolve(event) for event in events),
        )

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
        first = 0 if wanted.last is None else max(0, len(found) - wanted.last)
        return [attrs.evolve(event) for event in found[first:][: wanted.limit]]

    async def _get_latest_sequence(
        self, session_id: str, expected_tenant: str | None
    ) -> int:
        database = self._access.database
        if expected_tenant is not None:
            database.existing(session_id, expected_tenant)
        return database.latest(session_id) if session_id in database.sessions else 0


def _is_wanted(event: Event, wanted: EventFilter) -> bool:
    number = event.sequence_number
    return (
        wanted.run_id in (None, event.run_id)
        and wanted.type in (None, event.type)
        and (wanted.since is None or wanted.since <= event.timestamp)
        and (wanted.after is None or wanted.after < number)
        and (wanted.before is None or number < wanted.before)
    )


# What a write would store is decided before anything is changed.


def _stored(database: InMemoryDatabase, value: Session | Run) -> Session | Run | None:
    kept = database.sessions if isinstance(value, Session) else database.runs
    return kept.get(value.id)


def _was_saved(
    database: InMemoryDatabase, value: Session | Run, expected: Expectations
) -> bool:
    """
    Return whether this very operation has saved *value*, and nobody else since.

    Raises:
        ConflictError: If the operation has saved other content.
    """
    stored = _stored(database, value)
    if stored is None:
        return False
    if database.operation_ids[type(value), value.id] != expected.operation_id:
        return False
    if not stored.has_same_content(value):
        kind = type(value).__name__.lower()
        raise _other_content(expected, f"of {kind} {value.id!r} with other content")
    return True


def _other_content(expected: Expectations, what: str) -> ConflictError:
    return ConflictError(
        f"operation_id: {expected.operation_id!r} was that of a save {what}; each"
        " operation needs an id of its own"
    )


def _check_revision(
    database: InMemoryDatabase, value: Session | Run, expected: int | None
) -> None:
    stored = _stored(database, value)
    actual = 0 if stored is None else stored.revision
    if expected is not None and actual != expected:
        kind = type(value).__name__.lower()
        raise RevisionConflictError(f"{kind} {value.id!r}", expected, actual)


def _check_status(database: InMemoryDatabase, value: Session | Run) -> None:
    # The stored one is of the same class, which type checkers do not see here.
    stored: Any = _stored(database, value)
    if stored is not None:
        stored.check_can_become(value.status)


def _check_owner(database: InMemoryDatabase, run: Run, expected: Expectations) -> None:
    stored = database.runs.get(run.id)
    if stored and stored.session_id != run.session_id:
        if expected.expected_tenant is not None:
            raise RunNotFoundError(run.id)
        raise ConflictError(
            f"run {run.id!r} belongs to session {stored.session_id!r},"
            f" not to {run.session_id!r}"
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


def _was_flushed(
    database: InMemoryDatabase,
    result: ResultSnapshot,
    numbered: Sequence[Event],
    expected: Expectations,
) -> bool:
    """
    Return whether this very flush has happened already.

    Raises:
        ConflictError: If the operation has stored something else.
    """
    saved: list[bool] = []
    latest = database.latest(result.session_id)
    is_there = all(event.sequence_number <= latest for event in numbered)
    for value in (result.session, result.run):
        if value is None:
            continue
        stored = _stored(database, value)
        is_there &= stored is not None
        if isinstance(stored, Run):
            is_there &= stored.session_id == result.session_id
        saved.append(_was_saved(database, value, expected))
    if any(saved):
        if not is_there:
            raise _other_content(expected, "of other values or events")
        return True
    return (
        is_there
        and expected.expected_revision is None
        and _are_stored_behind(database, expected.expected_sequence, numbered)
    )
