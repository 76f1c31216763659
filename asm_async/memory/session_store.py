"""
The session store that keeps everything in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

import attrs

from asm_async.errors import (
    ConflictError,
    EventConflictError,
    RevisionConflictError,
    RunNotFoundError,
    SequenceConflictError,
)
from asm_async.fronts.following import wait_for_events
from asm_async.fronts.session_filters import EventFilter, RunFilter, SessionFilter
from asm_async.fronts.session_store import EventSnapshot, SessionStoreFront
from asm_async.memory.database import DatabaseAccess, InMemoryDatabase
from asm_async.values.event import Event
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.run import Run, RunStatus
from asm_async.values.session import Session

V = TypeVar("V", Session, Run)


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
        self._access = DatabaseAccess(database or InMemoryDatabase(), "store")

    async def aclose(self) -> None:
        """
        Refuse what comes after, and those who still wait for events.
        """
        self._access.close()

    async def _save_session(
        self, session: Session, expected_revision: int | None
    ) -> Session:
        database = self._access.database
        saved = _next_session(database, session, expected_revision)
        database.put_session(saved)
        return attrs.evolve(saved)

    async def _get_session(self, session_id: str) -> Session:
        return attrs.evolve(self._access.database.existing(session_id))

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
        return [attrs.evolve(session) for session in page]

    async def _delete_session(self, session_id: str) -> None:
        self._access.database.delete_session(session_id)

    async def _save_run(self, run: Run, expected_revision: int | None) -> Run:
        database = self._access.database
        database.check_live(run.session_id)
        _check_owner(database, run)
        saved = _next_run(database, run, expected_revision)
        database.put_run(saved)
        return attrs.evolve(saved)

    async def _get_run(self, run_id: str) -> Run:
        runs = self._access.database.runs
        if run_id not in runs:
            raise RunNotFoundError(run_id)
        return attrs.evolve(runs[run_id])

    async def _list_runs(self, session_id: str, wanted: RunFilter) -> list[Run]:
        runs = self._access.database.runs_of(session_id)
        found = [run for run in runs if wanted.status in (None, run.status)]
        return [attrs.evolve(run) for run in found[: wanted.limit]]

    async def _get_active_run(self, session_id: str) -> Run | None:
        running = await self._list_runs(session_id, RunFilter(status=RunStatus.RUNNING))
        return running[-1] if running else None

    async def _append(
        self, batch: Sequence[EventSnapshot], expected_sequence: int | None
    ) -> list[Event]:
        database, events = self._access.database, [event for event, _, _ in batch]
        for session_id in dict.fromkeys(event.session_id for event in events):
            database.check_live(session_id)
        numbered = _number_events(database, events)
        if numbered and not _are_stored_behind(database, expected_sequence, numbered):
            _check_latest(database, numbered[0].session_id, expected_sequence)
            database.put_events(numbered)
        return [attrs.evolve(event) for event in numbered]

    async def _flush(
        self,
        session: Session,
        run: Run,
        batch: Sequence[EventSnapshot],
        expected_sequence: int | None,
    ) -> ExecutionResult:
        database = self._access.database
        database.check_not_deleted(session.id)
        events = _number_events(database, [event for event, _, _ in batch])
        if not _was_flushed(database, expected_sequence, run, events):
            _check_latest(database, session.id, expected_sequence)
            _check_owner(database, run)
            session, run = _next_session(database, session), _next_run(database, run)
            database.put_session(session)
            database.put_run(run)
            database.put_events(events)
        return ExecutionResult(
            session=attrs.evolve(database.sessions[session.id]),
            run=attrs.evolve(database.runs[run.id]),
            events=tuple(attrs.evolve(event) for event in events),
        )

    async def _get_events(self, session_id: str, wanted: EventFilter) -> list[Event]:
        read = partial(self._read_events, session_id, wanted)
        if not wanted.wait_timeout:
            return await read()
        waiting = self._access.database.waiter(session_id)
        return await wait_for_events(read, waiting, wanted.wait_timeout)

    async def _read_events(self, session_id: str, wanted: EventFilter) -> list[Event]:
        stored = self._access.database.events.get(session_id, {}).values()
        found = [event for event in stored if _is_wanted(event, wanted)]
        first = 0 if wanted.last is None else max(0, len(found) - wanted.last)
        return [attrs.evolve(event) for event in found[first:][: wanted.limit]]

    async def _get_latest_sequence(self, session_id: str) -> int:
        database = self._access.database
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


def _next_session(
    database: InMemoryDatabase, session: Session, expected: int | None = None
) -> Session:
    database.check_not_deleted(session.id)
    stored = database.sessions.get(session.id)
    return _next(f"session {session.id!r}", session, stored, expected)


def _next_run(database: InMemoryDatabase, run: Run, expected: int | None = None) -> Run:
    return _next(f"run {run.id!r}", run, database.runs.get(run.id), expected)


def _next(subject: str, value: V, stored: V | None, expected: int | None) -> V:
    """
    Return *value* as a save stores it, or as stored if that succeeded before.
    """
    revision = 0 if stored is None else stored.revision
    if stored and revision - 1 == expected and stored.has_same_content(value):
        return stored
    if expected is not None and revision != expected:
        raise RevisionConflictError(subject, expected, revision)
    if stored:
        # Of the same class as the stored one, which type checkers do not see here.
        status: Any = value.status
        stored.check_can_become(status)
    return attrs.evolve(value, revision=revision + 1)


def _check_owner(database: InMemoryDatabase, run: Run) -> None:
    stored = database.runs.get(run.id)
    if stored and stored.session_id != run.session_id:
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
            number = latest.get(session_id, database.latest(session_id)) + 1
            latest[session_id] = number
            stored = attrs.evolve(event, sequence_number=number)
        elif not stored.has_same_content(event):
            raise EventConflictError(*key)
        known[key] = stored
        numbered.append(stored)
    return numbered


def _check_latest(
    database: InMemoryDatabase, session_id: str, expected: int | None
) -> None:
    actual = database.latest(session_id)
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
    expected: int | None,
    run: Run,
    numbered: Sequence[Event],
) -> bool:
    """
    Return whether a flush with this expectation has succeeded before.
    """
    stored = database.runs.get(run.id)
    is_stored = stored is not None and stored.session_id == run.session_id
    return is_stored and _are_stored_behind(database, expected, numbered)
