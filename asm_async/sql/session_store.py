"""
The session store over an AsyncEngine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.errors import ASMError, RunNotFoundError, SessionNotFoundError
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
from asm_async.sql.core import rows
from asm_async.sql.core.deadlines import check_timeout
from asm_async.sql.reads import session_queries
from asm_async.sql.retention.hard_delete import hard_delete
from asm_async.sql.runtime.lifecycle import Lifecycle
from asm_async.sql.transactions.transaction import Transaction, Transactions
from asm_async.sql.writes.group_commit import GroupCommit
from asm_async.sql.writes.operations import (
    AppendEvents,
    Flush,
    Operation,
    Outcome,
    SaveRun,
    SaveSession,
)
from asm_async.sql.writes.writer import Writer
from asm_async.values.event import Event, EventType
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.run import Run, RunStatus
from asm_async.values.session import Session, SessionStatus

__all__ = ["SQLSessionStore"]

_POLL_INTERVAL_SECONDS = 0.25


class SQLSessionStore:
    """
    A :class:`~asm_async.ports.session_store.SessionStore` on SQLite or PostgreSQL.

    The engine stays the caller's: it is neither reconfigured nor disposed, and it may
    be shared with other stores. It is used within one event loop.

    Args:
        engine:
            Made by :func:`~asm_async.sql.create_engine`, or any AsyncEngine over
            aiosqlite or asyncpg.

        timeout:
            How long, in seconds, a call goes on trying while the database is busy or
            out of reach, before it raises ``StorageBusyError`` or
            ``StorageUnavailableError``; also how long a cancelled call waits for the
            outcome of what it had begun.

    Raises:
        UnsupportedOperationError: If the engine speaks to another database or driver.
    """

    def __init__(self, engine: AsyncEngine, *, timeout: float = 30.0) -> None:
        self.engine = engine
        self._transactions = Transactions(engine, check_timeout(timeout))
        self._groups = GroupCommit(
            Writer(self._transactions).write,
            locks_sessions=not self._transactions.dialect.serialises_writers,
        )
        self._lifecycle = Lifecycle(self._transactions)

    async def open(self) -> None:
        """
        Look at the database now rather than at the first call.

        Raises:
            MigrationRequiredError: If its schema is missing, older or newer than this
                code.

            UnsupportedOperationError: If the promises cannot be kept on it.
        """
        await self._lifecycle.open()

    async def save_session(
        self, session: Session, *, expected_revision: int | None = None
    ) -> Session:
        """
        Insert the session, or replace the one of this id.
        """
        operation = SaveSession(
            check_session(session), check_expected_revision(expected_revision)
        )
        return cast("Session", await self._perform(operation))

    async def get_session(self, session_id: str) -> Session:
        """
        Give the session, soft-deleted or not.
        """
        query = session_queries.session_by_id(check_id(session_id, "session_id"))
        for row in await self._rows(query):
            return rows.session_from_row(row)
        raise SessionNotFoundError(session_id)

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
        found = await self._rows(session_queries.listed_sessions(wanted))
        return [rows.session_from_row(row) for row in found]

    async def delete_session(self, session_id: str) -> None:
        """
        Remove the session with its runs and events, for ever.
        """
        session_id = check_id(session_id, "session_id")

        async def delete(transaction: Transaction) -> None:
            await hard_delete(transaction, session_id)

        async with self._lifecycle:
            await self._transactions.write(delete, is_repeatable=True)
            self._lifecycle.tell_of(session_id)

    async def save_run(self, run: Run, *, expected_revision: int | None = None) -> Run:
        """
        Insert the run, or replace the one of this id.
        """
        operation = SaveRun(check_run(run), check_expected_revision(expected_revision))
        return cast("Run", await self._perform(operation))

    async def get_run(self, run_id: str) -> Run:
        """
        Give the run.
        """
        query = session_queries.run_by_id(check_id(run_id, "run_id"))
        for row in await self._rows(query):
            return rows.run_from_row(row)
        raise RunNotFoundError(run_id)

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
        found = await self._rows(session_queries.runs_of(session_id, wanted))
        return [rows.run_from_row(row) for row in found]

    async def get_active_run(self, session_id: str) -> Run | None:
        """
        Give the session's running run, the last started if there are several.
        """
        query = session_queries.active_run(check_id(session_id, "session_id"))
        found = [rows.run_from_row(row) for row in await self._rows(query)]
        return found[0] if found else None

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
        operation = AppendEvents(*check_batch(events, expected_sequence))
        if not operation.events:
            async with self._lifecycle:
                return []
        return cast("list[Event]", await self._perform(operation))

    async def flush(
        self, result: ExecutionResult, *, expected_sequence: int | None = None
    ) -> ExecutionResult:
        """
        Store a session, one of its runs and that run's events, all or nothing.
        """
        operation = Flush(*check_execution_result(result, expected_sequence))
        return cast("ExecutionResult", await self._perform(operation))

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

        While it waits, it reads again whenever this process writes to the session, and
        every quarter of a second for the sake of others.
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
        clock = asyncio.get_running_loop().time
        deadline = clock() + (wanted.wait_timeout or 0)
        with self._lifecycle.check_usable().hub.waiting_for(session_id) as hint:
            while True:
                hint.clear()
                events = await self._events(session_id, wanted)
                left = deadline - clock()
                if events or left <= 0:
                    return events
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(left, _POLL_INTERVAL_SECONDS)):
                        await hint.wait()

    async def _events(self, session_id: str, wanted: EventFilter) -> list[Event]:
        query = session_queries.events_of(session_id, wanted)

        async def read(conn: AsyncConnection) -> list[Event]:
            return [rows.event_from_row(row) for row in await conn.execute(query)]

        async with self._lifecycle:
            events = await self._transactions.read(read)
        return events if wanted.last is None else events[::-1]

    async def get_latest_sequence(self, session_id: str) -> int:
        """
        Give the session's latest sequence number.
        """
        query = session_queries.latest_sequence(check_id(session_id, "session_id"))
        found = await self._rows(query)
        return found[0]["last_sequence"] if found else 0

    async def aclose(self) -> None:
        """
        Finish what was begun and refuse what comes after; the engine stays open.
        """
        await self._lifecycle.aclose()
        await self._groups.aclose()
        await self._lifecycle.settle()

    async def _rows(self, query: sa.Select[Any]) -> Sequence[sa.RowMapping]:
        async def read(conn: AsyncConnection) -> Sequence[sa.RowMapping]:
            return list((await conn.execute(query)).mappings())

        async with self._lifecycle:
            return await self._transactions.read(read)

    async def _perform(self, operation: Operation) -> Outcome:
        async with self._lifecycle:
            outcome = await self._groups.submit(operation, self._transactions.timeout)
        if isinstance(outcome, ASMError):
            raise outcome
        return outcome
