"""
The half of a session store's port that reads.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Protocol, runtime_checkable

from asm_async.values.event import Event, EventType
from asm_async.values.run import Run, RunStatus
from asm_async.values.session import Session, SessionStatus


@runtime_checkable
class SessionReader(Protocol):
    """
    The methods that read single sessions, their runs and their events.

    :class:`~asm_async.ports.session_store.SessionStore` states the rules for all
    methods.
    """

    async def get_session(
        self, session_id: str, *, expected_tenant: str | None = None
    ) -> Session:
        """
        Return the session, soft-deleted or not.

        Raises:
            SessionNotFoundError: If no session of this id is stored.
        """
        ...

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

        Sessions created later come last, so that the pages that *limit* and *offset*
        cut do not move while sessions are added.

        Args:
            status: Only sessions with this status.

            agent_id: Only sessions of this agent.

            tenant_id: Only sessions of this tenant.

            user_id: Only sessions of this user.

            include_deleted: Whether to include soft-deleted ones.

            with_context: Whether to read *context* too; an empty object otherwise.

            limit: The most to return; None for all.

            offset: How many to leave out at the beginning.
        """
        ...

    async def get_run(self, run_id: str, *, expected_tenant: str | None = None) -> Run:
        """
        Return the run.

        Raises:
            RunNotFoundError: If no run of this id is stored.
        """
        ...

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

        Args:
            session_id: The session; an unknown one has no runs.

            status: Only runs with this status.

            limit: The most to return; None for all.

            expected_tenant: The tenant that the session must belong to; None for any.

        Raises:
            SessionNotFoundError: If *expected_tenant* has no session of this id.
        """
        ...

    async def get_active_run(
        self, session_id: str, *, expected_tenant: str | None = None
    ) -> Run | None:
        """
        Return the session's running run, the last started if there are several.

        Returns:
            The run; None if there is none, or no such session.

        Raises:
            SessionNotFoundError: If *expected_tenant* has no session of this id.
        """
        ...

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

        Args:
            session_id: The session; an unknown one has no events.

            run_id: Only events of this run.

            type: Only events of this type.

            correlation_id: Only events with this one.

            visible_only:
                Leave out the events that ``retract_events`` has hidden, as of one
                moment, and the retractions themselves.

            ids: Only events with one of these ids; none at all if it is empty.

            since: Only events whose timestamp is this or later.

            after: Only sequence numbers greater than this.

            before: Only sequence numbers less than this.

            limit: The most to return, from the oldest on; None for all.

            last: The most to return, the latest ones; not together with *limit*.

            wait_timeout:
                How long, in seconds, to wait for a first match, also from another
                process, if nothing matches yet. None or 0: do not wait.

            expected_tenant: The tenant that the session must belong to; None for any.

        Raises:
            SessionNotFoundError: If *expected_tenant* has no session of this id.
        """
        ...

    async def get_latest_sequence(
        self, session_id: str, *, expected_tenant: str | None = None
    ) -> int:
        """
        Return the session's latest sequence number.

        Returns:
            The number; 0 if there is none yet, or no such session.

        Raises:
            SessionNotFoundError: If *expected_tenant* has no session of this id.
        """
        ...
