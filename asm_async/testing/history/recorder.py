"""
A session store whose calls are written down.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from typing import Any, TypeVar

from asm_async.fronts.updating import update_run, update_session
from asm_async.ports.session_committer import ExpectedRevisions
from asm_async.ports.session_store import SessionStore
from asm_async.testing.history.files import HistoryWriter
from asm_async.values.changes import Changes, Committed
from asm_async.values.event import Event, EventType
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.ids import new_event_id
from asm_async.values.run import Run, RunStatus
from asm_async.values.session import Session, SessionStatus

__all__ = ["RecordingSessionStore"]

T = TypeVar("T")

_UPDATE_SECONDS = 30.0


class RecordingSessionStore:
    """
    A :class:`~asm_async.ports.session_store.SessionStore` that remembers every call.

    Args:
        store: What does the work.

        history: Where the calls are written down; it stays the caller's to close.
    """

    def __init__(self, store: SessionStore, history: HistoryWriter) -> None:
        self._store = store
        self._history = history

    async def save_session(
        self,
        session: Session,
        *,
        expected_revision: int | None = None,
        operation_id: str | None = None,
        expected_tenant: str | None = None,
    ) -> Session:
        """
        Insert the session, or replace the one of this id.
        """
        return await self._record(
            "save_session",
            self._store.save_session,
            session=session,
            expected_revision=expected_revision,
            operation_id=operation_id,
            expected_tenant=expected_tenant,
        )

    async def get_session(
        self, session_id: str, *, expected_tenant: str | None = None
    ) -> Session:
        """
        Return the session, soft-deleted or not.
        """
        return await self._record(
            "get_session",
            self._store.get_session,
            session_id=session_id,
            expected_tenant=expected_tenant,
        )

    async def list_sessions(
        self,
        *,
        status: SessionStatus | None = None,
        agent_id: str | None = None,
        tenant_id: str | None = None,
        user_id: str | None = None,
        include_deleted: bool = False,
        with_context: bool = True,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Session]:
        """
        List sessions in the order they were created, oldest first, then by id.
        """
        return await self._record(
            "list_sessions",
            self._store.list_sessions,
            status=status,
            agent_id=agent_id,
            tenant_id=tenant_id,
            user_id=user_id,
            include_deleted=include_deleted,
            with_context=with_context,
            limit=limit,
            offset=offset,
        )

    async def delete_session(
        self, session_id: str, *, expected_tenant: str | None = None
    ) -> None:
        """
        Remove the session with its runs and events, for good.
        """
        await self._record(
            "delete_session",
            self._store.delete_session,
            session_id=session_id,
            expected_tenant=expected_tenant,
        )

    async def save_run(
        self,
        run: Run,
        *,
        expected_revision: int | None = None,
        operation_id: str | None = None,
        expected_tenant: str | None = None,
    ) -> Run:
        """
        Insert the run, or replace the one of this id.
        """
        return await self._record(
            "save_run",
            self._store.save_run,
            run=run,
            expected_revision=expected_revision,
            operation_id=operation_id,
            expected_tenant=expected_tenant,
        )

    async def get_run(self, run_id: str, *, expected_tenant: str | None = None) -> Run:
        """
        Return the run.
        """
        return await self._record(
            "get_run",
            self._store.get_run,
            run_id=run_id,
            expected_tenant=expected_tenant,
        )

    async def list_runs(
        self,
        session_id: str,
        *,
        status: RunStatus | None = None,
        limit: int | None = None,
        expected_tenant: str | None = None,
    ) -> list[Run]:
        """
        List the session's runs in the order they were started, then by id.
        """
        return await self._record(
            "list_runs",
            self._store.list_runs,
            session_id=session_id,
            status=status,
            limit=limit,
            expected_tenant=expected_tenant,
        )

    async def update_session(
        self,
        session_id: str,
        change: Callable[[Session], Session],
        *,
        expected_tenant: str | None = None,
    ) -> Session:
        """
        Read the session, and save what *change* makes of it: calls of their own.
        """
        return await update_session(
            self, session_id, change, expected_tenant, _UPDATE_SECONDS
        )

    async def update_run(
        self,
        run_id: str,
        change: Callable[[Run], Run],
        *,
        expected_tenant: str | None = None,
    ) -> Run:
        """
        Read the run, and save what *change* makes of it: calls of their own.
        """
        return await update_run(self, run_id, change, expected_tenant, _UPDATE_SECONDS)

    async def get_active_run(
        self, session_id: str, *, expected_tenant: str | None = None
    ) -> Run | None:
        """
        Return the session's running run, the last started if there are several.
        """
        return await self._record(
            "get_active_run",
            self._store.get_active_run,
            session_id=session_id,
            expected_tenant=expected_tenant,
        )

    async def append_event(
        self,
        event: Event,
        *,
        expected_sequence: int | None = None,
        expected_tenant: str | None = None,
    ) -> None:
        """
        Append one event and give nothing back.
        """
        await self._record(
            "append_event",
            self._store.append_event,
            event=event,
            expected_sequence=expected_sequence,
            expected_tenant=expected_tenant,
        )

    async def append_event_with_sequence(
        self,
        event: Event,
        *,
        expected_sequence: int | None = None,
        expected_tenant: str | None = None,
    ) -> Event:
        """
        Append one event and give it back as stored.
        """
        return await self._record(
            "append_event_with_sequence",
            self._store.append_event_with_sequence,
            event=event,
            expected_sequence=expected_sequence,
            expected_tenant=expected_tenant,
        )

    async def append_events(
        self,
        events: Sequence[Event],
        *,
        expected_sequence: int | None = None,
        expected_tenant: str | None = None,
    ) -> list[Event]:
        """
        Append *events* to their sessions and number them.
        """
        return await self._record(
            "append_events",
            self._store.append_events,
            events=events,
            expected_sequence=expected_sequence,
            expected_tenant=expected_tenant,
        )

    async def flush(
        self,
        result: ExecutionResult,
        *,
        expected_sequence: int | None = None,
        expected_revision: int | None = None,
        operation_id: str | None = None,
        expected_tenant: str | None = None,
    ) -> ExecutionResult:
        """
        Store a session, one of its runs and their events, all or nothing.
        """
        return await self._record(
            "flush",
            self._store.flush,
            result=result,
            expected_sequence=expected_sequence,
            expected_revision=expected_revision,
            operation_id=operation_id,
            expected_tenant=expected_tenant,
        )

    async def commit(
        self,
        changes: Changes,
        *,
        expected_sequence: int | None = None,
        expected_revision: int | None = None,
        expected_revisions: ExpectedRevisions | None = None,
        operation_id: str | None = None,
        expected_tenant: str | None = None,
    ) -> Committed:
        """
        Store events, a session and runs of it, all or nothing.
        """
        return await self._record(
            "commit",
            self._store.commit,
            changes=changes,
            expected_sequence=expected_sequence,
            expected_revision=expected_revision,
            expected_revisions=expected_revisions,
            operation_id=operation_id,
            expected_tenant=expected_tenant,
        )

    async def retract_events(
        self, session_id: str, *, operation_id: str | None = None, **options: Any
    ) -> list[Event]:
        """
        Hide events, and append others in their place.

        The operation is given an id of its own, by which the event is known though the
        outcome be not.
        """
        if operation_id is None:
            operation_id = new_event_id()
        return await self._record(
            "retract_events",
            self._store.retract_events,
            session_id=session_id,
            operation_id=operation_id,
            **options,
        )

    async def copy_session(
        self, source_id: str, target: Session, **options: Any
    ) -> Session:
        """
        Copy a session up to a number under another id.
        """
        return await self._record(
            "copy_session",
            self._store.copy_session,
            source_id=source_id,
            target=target,
            **options,
        )

    async def get_events(
        self,
        session_id: str,
        *,
        run_id: str | None = None,
        type: EventType | str | None = None,  # noqa: A002 - the field's name
        correlation_id: str | None = None,
        visible_only: bool = False,
        ids: Collection[str] | None = None,
        since: datetime | None = None,
        after: int | None = None,
        before: int | None = None,
        limit: int | None = None,
        last: int | None = None,
        wait_timeout: float | None = None,
        expected_tenant: str | None = None,
    ) -> list[Event]:
        """
        Return the session's events that match every filter, in order, oldest first.
        """
        return await self._record(
            "get_events",
            self._store.get_events,
            session_id=session_id,
            run_id=run_id,
            type=type,
            correlation_id=correlation_id,
            visible_only=visible_only,
            ids=None if ids is None else list(ids),
            since=since,
            after=after,
            before=before,
            limit=limit,
            last=last,
            wait_timeout=wait_timeout,
            expected_tenant=expected_tenant,
        )

    async def get_latest_sequence(
        self, session_id: str, *, expected_tenant: str | None = None
    ) -> int:
        """
        Return the session's latest sequence number.
        """
        return await self._record(
            "get_latest_sequence",
            self._store.get_latest_sequence,
            session_id=session_id,
            expected_tenant=expected_tenant,
        )

    async def aclose(self) -> None:
        """
        Close the store that does the work; the history stays open.
        """
        await self._store.aclose()

    async def _record(
        self, operation: str, method: Callable[..., Awaitable[T]], /, **arguments: Any
    ) -> T:
        return await self._history.record(operation, method(**arguments), **arguments)
