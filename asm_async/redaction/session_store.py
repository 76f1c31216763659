"""
A session store that redacts what goes into another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from asm_async.ports.session_store import SessionStore
from asm_async.ports.session_store_arguments import (
    check_batch,
    check_execution_result,
    check_run,
    check_session,
)
from asm_async.redaction.redacted_values import redacted
from asm_async.values import fields
from asm_async.values.event import Event, EventType
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.redaction import RedactionPolicy
from asm_async.values.run import Run, RunStatus
from asm_async.values.session import Session, SessionStatus

__all__ = ["RedactingSessionStore"]


class RedactingSessionStore:
    """
    A :class:`~asm_async.ports.session_store.SessionStore` in front of another one.

    What is written through it is redacted first, and what comes back is what is stored.
    The JSON fields are redacted: a session's *metadata* and *context*, a run's *input*,
    *output*, *error*, *metadata*, *token_usage* and *provider_metadata*, an event's
    *data* and *metadata*. Ids, tags and the other fields that values are searched by
    are stored as they are.

    Every promise of the port holds as before. The same value gives the same redacted
    value, so that a call may be repeated; under another policy than the first time, or
    none, it is a call with other content.

    Args:
        store: Where the values go; closed with this one.

        policy: What to leave out.

    Raises:
        ValidationError: If *policy* is something else.
    """

    def __init__(self, store: SessionStore, policy: RedactionPolicy) -> None:
        self._store = store
        self._policy = fields.instance(policy, "policy", RedactionPolicy)

    async def save_session(
        self, session: Session, *, expected_revision: int | None = None
    ) -> Session:
        """
        Insert the session, or replace the one of this id.
        """
        return await self._store.save_session(
            redacted(check_session(session), self._policy),
            expected_revision=expected_revision,
        )

    async def get_session(self, session_id: str) -> Session:
        """
        Give the session, soft-deleted or not.
        """
        return await self._store.get_session(session_id)

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
        return await self._store.list_sessions(
            status=status,
            agent_id=agent_id,
            tenant_id=tenant_id,
            include_deleted=include_deleted,
            limit=limit,
            offset=offset,
        )

    async def delete_session(self, session_id: str) -> None:
        """
        Remove the session with its runs and events, for ever.
        """
        await self._store.delete_session(session_id)

    async def save_run(self, run: Run, *, expected_revision: int | None = None) -> Run:
        """
        Insert the run, or replace the one of this id.
        """
        return await self._store.save_run(
            redacted(check_run(run), self._policy), expected_revision=expected_revision
        )

    async def get_run(self, run_id: str) -> Run:
        """
        Give the run.
        """
        return await self._store.get_run(run_id)

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
        return await self._store.list_runs(session_id, status=status, limit=limit)

    async def get_active_run(self, session_id: str) -> Run | None:
        """
        Give the session's running run, the last started if there are several.
        """
        return await self._store.get_active_run(session_id)

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
        return await self._store.append_events(
            [redacted(event, self._policy) for event in batch],
            expected_sequence=expected_sequence,
        )

    async def flush(
        self, result: ExecutionResult, *, expected_sequence: int | None = None
    ) -> ExecutionResult:
        """
        Store a session, one of its runs and that run's events, all or nothing.
        """
        result, expected_sequence = check_execution_result(result, expected_sequence)
        redacted_result = ExecutionResult(
            session=redacted(result.session, self._policy),
            run=redacted(result.run, self._policy),
            events=tuple(redacted(event, self._policy) for event in result.events),
        )
        return await self._store.flush(
            redacted_result, expected_sequence=expected_sequence
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
        return await self._store.get_events(
            session_id,
            run_id=run_id,
            type=type,
            since=since,
            after=after,
            before=before,
            limit=limit,
            last=last,
            wait_timeout=wait_timeout,
        )

    async def get_latest_sequence(self, session_id: str) -> int:
        """
        Give the session's latest sequence number.
        """
        return await self._store.get_latest_sequence(session_id)

    async def aclose(self) -> None:
        """
        Close the store that it stands in front of.
        """
        await self._store.aclose()
