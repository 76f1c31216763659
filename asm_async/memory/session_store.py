"""
The session store that keeps everything in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import attrs

from asm_async.errors import RunNotFoundError, SessionNotFoundError
from asm_async.fronts.session_filters import EventFilter, RunFilter, SessionFilter
from asm_async.fronts.session_store import EventSnapshot, SessionStoreFront
from asm_async.fronts.waiting import wait_for_events
from asm_async.memory.database import InMemoryDatabase
from asm_async.memory.lifecycle import Lifecycle
from asm_async.memory.write_rules import (
    are_stored_behind,
    check_latest,
    check_owner,
    next_run,
    next_session,
    number_events,
    was_flushed,
)
from asm_async.values.event import Event
from asm_async.values.execution_result import ExecutionResult
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
        self._database = InMemoryDatabase() if database is None else database
        self._lifecycle = Lifecycle("store")

    async def aclose(self) -> None:
        """
        Refuse what comes after, and those who still wait for events.
        """
        if self._lifecycle.close():
            self._database.wake_all()

    async def _save_session(
        self, session: Session, expected_revision: int | None
    ) -> Session:
        self._lifecycle.check_usable()
        saved = next_session(self._database, session, expected_revision)
        self._database.put_session(saved)
        return attrs.evolve(saved)

    async def _get_session(self, session_id: str) -> Session:
        self._lifecycle.check_usable()
        if session_id not in self._database.sessions:
            raise SessionNotFoundError(session_id)
        return attrs.evolve(self._database.sessions[session_id])

    async def _list_sessions(self, wanted: SessionFilter) -> list[Session]:
        self._lifecycle.check_usable()
        found = _select_sessions(self._database, wanted)
        return [attrs.evolve(session) for session in found]

    async def _delete_session(self, session_id: str) -> None:
        self._lifecycle.check_usable()
        self._database.delete_session(session_id)

    async def _save_run(self, run: Run, expected_revision: int | None) -> Run:
        self._lifecycle.check_usable()
        self._database.check_live(run.session_id)
        check_owner(self._database, run)
        saved = next_run(self._database, run, expected_revision)
        self._database.put_run(saved)
        return attrs.evolve(saved)

    async def _get_run(self, run_id: str) -> Run:
        self._lifecycle.check_usable()
        if run_id not in self._database.runs:
            raise RunNotFoundError(run_id)
        return attrs.evolve(self._database.runs[run_id])

    async def _list_runs(self, session_id: str, wanted: RunFilter) -> list[Run]:
        self._lifecycle.check_usable()
        found = _select_runs(self._database, session_id, wanted)
        return [attrs.evolve(run) for run in found]

    async def _get_active_run(self, session_id: str) -> Run | None:
        running = await self._list_runs(session_id, RunFilter(status=RunStatus.RUNNING))
        return running[-1] if running else None

    async def _append(
        self, batch: Sequence[EventSnapshot], expected_sequence: int | None
    ) -> list[Event]:
        self._lifecycle.check_usable()
        database, events = self._database, [event for event, _, _ in batch]
        for session_id in dict.fromkeys(event.session_id for event in events):
            database.check_live(session_id)
        numbered = number_events(database, events)
        if numbered and not are_stored_behind(database, expected_sequence, numbered):
            check_latest(database, numbered[0].session_id, expected_sequence)
            database.put_events(numbered)
        return [attrs.evolve(event) for event in numbered]

    async def _flush(
        self, result: ExecutionResult, expected_sequence: int | None
    ) -> ExecutionResult:
        self._lifecycle.check_usable()
        database, session_id = self._database, result.session.id
        database.check_not_deleted(session_id)
        events = number_events(database, result.events)
        if not was_flushed(database, expected_sequence, result.run, events):
            check_latest(database, session_id, expected_sequence)
            check_owner(database, result.run)
            session = next_session(database, result.session)
            run = next_run(database, result.run)
            database.put_session(session)
            database.put_run(run)
            database.put_events(events)
        return ExecutionResult(
            session=attrs.evolve(database.sessions[session_id]),
            run=attrs.evolve(database.runs[result.run.id]),
            events=tuple(attrs.evolve(event) for event in events),
        )

    async def _get_events(self, session_id: str, wanted: EventFilter) -> list[Event]:
        read = partial(self._read_events, session_id, wanted)
        if not wanted.wait_timeout:
            return await read()
        waiting = self._database.waiter(session_id)
        return await wait_for_events(read, waiting, wanted.wait_timeout)

    async def _read_events(self, session_id: str, wanted: EventFilter) -> list[Event]:
        self._lifecycle.check_usable()
        found = _select_events(self._database, session_id, wanted)
        return [attrs.evolve(event) for event in found]

    async def _get_latest_sequence(self, session_id: str) -> int:
        self._lifecycle.check_usable()
        is_known = session_id in self._database.sessions
        return self._database.latest(session_id) if is_known else 0


def _select_sessions(
    database: InMemoryDatabase, wanted: SessionFilter
) -> list[Session]:
    """
    Select sessions, the first created first, then by id.
    """
    found = [
        session for session in database.sessions.values() if _is_listed(session, wanted)
    ]
    found.sort(key=lambda session: (session.created_at, session.id))
    return found[wanted.offset :][: wanted.limit]


def _select_runs(
    database: InMemoryDatabase, session_id: str, wanted: RunFilter
) -> list[Run]:
    """
    Select runs of one session, the first started first, then by id.
    """
    found = [
        run
        for run in database.runs.values()
        if run.session_id == session_id and wanted.status in (None, run.status)
    ]
    found.sort(key=lambda run: (run.started_at, run.id))
    return found[: wanted.limit]


def _select_events(
    database: InMemoryDatabase, session_id: str, wanted: EventFilter
) -> list[Event]:
    """
    Select events of one session, in order of sequence number.
    """
    stored = database.events.get(session_id, {}).values()
    found = [event for event in stored if _is_wanted(event, wanted)]
    if wanted.last is not None:
        return found[max(0, len(found) - wanted.last) :]
    return found[: wanted.limit]


def _is_listed(session: Session, wanted: SessionFilter) -> bool:
    return (
        wanted.status in (None, session.status)
        and wanted.agent_id in (None, session.agent_id)
        and wanted.tenant_id in (None, session.tenant_id)
        and (wanted.include_deleted or session.deleted_at is None)
    )


def _is_wanted(event: Event, wanted: EventFilter) -> bool:
    number = event.sequence_number
    return (
        wanted.run_id in (None, event.run_id)
        and wanted.type in (None, event.type)
        and (wanted.since is None or wanted.since <= event.timestamp)
        and (wanted.after is None or wanted.after < number)
        and (wanted.before is None or number < wanted.before)
    )
