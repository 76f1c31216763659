"""
The session store that keeps everything in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

import attrs

from asm_async.errors import RunNotFoundError, SessionNotFoundError
from asm_async.memory.database import InMemoryDatabase
from asm_async.memory.lifecycle import Lifecycle
from asm_async.memory.selections import select_events, select_runs, select_sessions
from asm_async.memory.write_rules import (
    are_stored_behind,
    check_latest,
    check_owner,
    next_run,
    next_session,
    number_events,
    was_flushed,
)
from asm_async.ports.session_store_arguments import (
    EventFilter,
    RunFilter,
    SessionFilter,
    check_batch,
    check_execution_result,
    check_expected_revision,
    check_id,
    check_run,
    check_session,
)
from asm_async.values.event import Event, EventType
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.run import Run, RunStatus
from asm_async.values.session import Session, SessionStatus

__all__ = ["InMemorySessionStore"]


class InMemorySessionStore:
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

    async def save_session(
        self, session: Session, *, expected_revision: int | None = None
    ) -> Session:
        """
        Insert the session, or replace the one of this id.
        """
        session = check_session(session)
        expected_revision = check_expected_revision(expected_revision)
        self._lifecycle.check_usable()
        saved = next_session(self._database, session, expected_revision)
        self._database.put_session(saved)
        return attrs.evolve(saved)

    async def get_session(self, session_id: str) -> Session:
        """
        Give the session, soft-deleted or not.
        """
        session_id = check_id(session_id, "session_id")
        self._lifecycle.check_usable()
        if session_id not in self._database.sessions:
            raise SessionNotFoundError(session_id)
        return attrs.evolve(self._database.sessions[session_id])

    async def list_sessions(
        self,
        *,
        status: SessionStatus | None = None,
        agent_id: str | None = None,
        tenant_id: str | None = None,
        include_deleted: bool = False,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Session]:
        """
        List sessions in the order they were created, oldest first, then by id.
        """
        wanted = SessionFilter(
            status=status,
            agent_id=agent_id,
            tenant_id=tenant_id,
            include_deleted=include_deleted,
            limit=limit,
            offset=offset,
        )
        self._lifecycle.check_usable()
        found = select_sessions(self._database, wanted)
        return [attrs.evolve(session) for session in found]

    async def delete_session(self, session_id: str) -> None:
        """
        Remove the session with its runs and events, for ever.
        """
        session_id = check_id(session_id, "session_id")
        self._lifecycle.check_usable()
        self._database.delete_session(session_id)

    async def save_run(self, run: Run, *, expected_revision: int | None = None) -> Run:
        """
        Insert the run, or replace the one of this id.
        """
        run = check_run(run)
        expected_revision = check_expected_revision(expected_revision)
        self._lifecycle.check_usable()
        self._database.check_live(run.session_id)
        check_owner(self._database, run)
        saved = next_run(self._database, run, expected_revision)
        self._database.put_run(saved)
        return attrs.evolve(saved)

    async def get_run(self, run_id: str) -> Run:
        """
        Give the run.
        """
        run_id = check_id(run_id, "run_id")
        self._lifecycle.check_usable()
        if run_id not in self._database.runs:
            raise RunNotFoundError(run_id)
        return attrs.evolve(self._database.runs[run_id])

    async def list_runs(
        self,
        session_id: str,
        *,
        status: RunStatus | None = None,
        limit: int | None = None,
    ) -> list[Run]:
        """
        List the session's runs in the order they were started, then by id.
        """
        session_id = check_id(session_id, "session_id")
        wanted = RunFilter(status=status, limit=limit)
        self._lifecycle.check_usable()
        found = select_runs(self._database, session_id, wanted)
        return [attrs.evolve(run) for run in found]

    async def get_active_run(self, session_id: str) -> Run | None:
        """
        Give the session's running run, the last started if there are several.
        """
        session_id = check_id(session_id, "session_id")
        self._lifecycle.check_usable()
        wanted = RunFilter(status=RunStatus.RUNNING)
        running = select_runs(self._database, session_id, wanted)
        return attrs.evolve(running[-1]) if running else None

    async def append_event(
        self, event: Event, *, expected_sequence: int | None = None
    ) -> None:
        """
        Append one event and give nothing back.
        """
        await self.append_events((event,), expected_sequence=expected_sequence)

    async def append_event_with_sequence(
        self, event: Event, *, expected_sequence: int | None = None
    ) -> Event:
        """
        Append one event and give it back as stored.
        """
        (stored,) = await self.append_events(
            (event,), expected_sequence=expected_sequence
        )
        return stored

    async def append_events(
        self, events: Sequence[Event], *, expected_sequence: int | None = None
    ) -> list[Event]:
        """
        Append *events* to their sessions and number them.
        """
        batch, expected_sequence = check_batch(events, expected_sequence)
        self._lifecycle.check_usable()
        database = self._database
        for session_id in dict.fromkeys(event.session_id for event in batch):
            database.check_live(session_id)
        numbered = number_events(database, batch)
        if numbered and not are_stored_behind(database, expected_sequence, numbered):
            check_latest(database, numbered[0].session_id, expected_sequence)
            database.put_events(numbered)
        return [attrs.evolve(event) for event in numbered]

    async def flush(
        self, result: ExecutionResult, *, expected_sequence: int | None = None
    ) -> ExecutionResult:
        """
        Store a session, one of its runs and that run's events, all or nothing.
        """
        result, expected_sequence = check_execution_result(result, expected_sequence)
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

    async def get_events(
        self,
        session_id: str,
        *,
        run_id: str | None = None,
        type: EventType | str | None = None,  # noqa: A002 - the field's name
        since: datetime | None = None,
        after: int | None = None,
        before: int | None = None,
        limit: int | None = None,
        last: int | None = None,
        wait_timeout: float | None = None,
    ) -> list[Event]:
        """
        Give the session's events that match every filter, in order, oldest first.
        """
        session_id = check_id(session_id, "session_id")
        wanted = EventFilter(
            run_id=run_id,
            type=type,
            since=since,
            after=after,
            before=before,
            limit=limit,
            last=last,
            wait_timeout=wait_timeout,
        )
        self._lifecycle.check_usable()
        found = select_events(self._database, session_id, wanted)
        if not found and wanted.wait_timeout:
            found = await self._wait_for_events(session_id, wanted)
        return [attrs.evolve(event) for event in found]

    async def get_latest_sequence(self, session_id: str) -> int:
        """
        Give the session's latest sequence number.
        """
        session_id = check_id(session_id, "session_id")
        self._lifecycle.check_usable()
        is_known = session_id in self._database.sessions
        return self._database.latest(session_id) if is_known else 0

    async def aclose(self) -> None:
        """
        Refuse what comes after, and those who still wait for events.
        """
        if self._lifecycle.close():
            self._database.wake_all()

    async def _wait_for_events(
        self, session_id: str, wanted: EventFilter
    ) -> list[Event]:
        with self._database.waiter(session_id) as woken, suppress(TimeoutError):
            async with asyncio.timeout(wanted.wait_timeout):
                while not (found := select_events(self._database, session_id, wanted)):
                    await woken.wait()
                    woken.clear()
                    self._lifecycle.check_usable()
                return found
        return select_events(self._database, session_id, wanted)
