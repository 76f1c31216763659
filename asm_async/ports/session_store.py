"""
The port through which agents write and read their sessions.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from asm_async.values.event import Event, EventType
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.run import Run, RunStatus
from asm_async.values.session import Session, SessionStatus

MAX_SESSIONS_PER_BATCH = 1_000
"""
How many sessions the events of one batch may belong to.

Each costs a lock, and PostgreSQL's lock table has room for some 6,400 by default
(``max_locks_per_transaction`` times ``max_connections``).
"""


@runtime_checkable
class SessionStore(Protocol):
    """
    A durable, ordered, idempotent log of sessions, runs and events.

    **Order.** A session's events are numbered 1, 2, 3 and so on, in the order in which
    their appends commit, without a hole, whatever the number of tasks, processes and
    hosts that append. A failed, cancelled or refused append uses no number; no number
    is used twice, also not after events were pruned or the session was deleted.

    **Atomicity.** Each method that writes is one transaction: whole or not at all.
    Cancelled before its transaction begins, a call is withdrawn. After that the caller
    waits, for as long as the store's timeout lasts, until the outcome is known; then
    the cancellation goes on.

    **Idempotence.** Appending is idempotent by event id within a session. A save or a
    flush is an operation with an id: its own at each call, unless it is given one. The
    same operation again succeeds without being done twice, unless others have saved
    since; the same content under another id is another call. The store repeats its own.

    **Revisions.** A session's or run's revision grows with each save. No revision of an
    id ever stands for two contents, also after a deletion, when the id comes back.

    **Deletion.** A session is live, soft-deleted or gone. A soft-deleted one can be
    read by id but is left out of lists, and every write to it raises
    ``SessionDeletedError``. A gone one is unknown; saving its id again makes a new
    session whose numbers and revisions go on.

    **Errors.** Every method raises ``ValidationError`` for a bad argument before
    anything is read or written, ``StoreClosedError`` after :meth:`aclose` or from
    another event loop than the one that first used the store, and the family of
    ``StorageError`` where the database fails. Nothing else is raised but what each
    method names.
    """

    async def save_session(
        self,
        session: Session,
        *,
        expected_revision: int | None = None,
        operation_id: str | None = None,
    ) -> Session:
        """
        Insert the session, or replace the one of this id.

        The stored revision becomes one more than it was; *session*'s own is ignored.
        The status may only change as ``SessionStatus`` allows, seen from the stored
        one; a new session may begin in any.

        Args:
            session: The value to store; without *deleted_at*, which is the store's.

            expected_revision:
                The revision the caller has seen, 0 for "not stored". Of any number of
                writers that expect the same one exactly one wins, also where all of
                them save the same content.

            operation_id:
                The id of the call, 1 to 255 characters, to repeat it with. If the
                stored value was saved last by this operation, it is returned unchanged.

        Returns:
            The stored value, with its new revision.

        Raises:
            ValidationError: If *session* carries *deleted_at*.

            SessionDeletedError: If the session is soft-deleted.

            ConflictError: If *operation_id* has saved other content.

            RevisionConflictError: If *expected_revision* is not met.

            InvalidTransitionError: If the status may not follow the stored one.
        """
        ...

    async def get_session(self, session_id: str) -> Session:
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
        include_deleted: bool = False,
        with_context: bool = True,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Session]:
        """
        List sessions in the order they were created, oldest first, then by id.

        Pages that *limit* and *offset* cut do not move while sessions are added.

        Args:
            status: Only sessions with this status.

            agent_id: Only sessions of this agent.

            tenant_id: Only sessions of this tenant.

            include_deleted: Whether to include soft-deleted ones.

            with_context: Whether to read *context* too; an empty object otherwise.

            limit: The most to return; None for all.

            offset: How many to leave out at the beginning.
        """
        ...

    async def delete_session(self, session_id: str) -> None:
        """
        Remove the session permanently, with its runs and events.

        Deleting an unknown session does nothing. Its latest sequence number stays
        remembered: should the id be saved again, the numbers go on from there.

        One of very many events goes in parts. From the first on it is not found by id,
        and writes raise ``SessionDeletedError``; the next call finishes a broken one.
        """
        ...

    async def save_run(
        self,
        run: Run,
        *,
        expected_revision: int | None = None,
        operation_id: str | None = None,
    ) -> Run:
        """
        Insert the run, or replace the one of this id.

        The stored revision becomes one more than it was; *run*'s own is ignored.
        The status may only change as ``RunStatus`` allows, seen from the stored one; a
        new run may begin in any, so that it can be recorded after the fact.

        Args:
            run: The value to store.

            expected_revision: As in :meth:`save_session`.

            operation_id: As in :meth:`save_session`.

        Returns:
            The stored value, with its new revision.

        Raises:
            SessionNotFoundError: If its session does not exist.

            SessionDeletedError: If its session is soft-deleted.

            ConflictError: If the id is that of another session's run, or *operation_id*
                has saved other content.

            RevisionConflictError: If *expected_revision* is not met.

            InvalidTransitionError: If the status may not follow the stored one.
        """
        ...

    async def get_run(self, run_id: str) -> Run:
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
    ) -> list[Run]:
        """
        List the session's runs in the order they were started, then by id.

        Args:
            session_id: The session; an unknown one has no runs.

            status: Only runs with this status.

            limit: The most to return; None for all.
        """
        ...

    async def get_active_run(self, session_id: str) -> Run | None:
        """
        Return the session's running run, the last started if there are several.

        Returns:
            The run; None if there is none, or no such session.
        """
        ...

    async def append_event(
        self, event: Event, *, expected_sequence: int | None = None
    ) -> None:
        """
        Append one event, as :meth:`append_events` does, and return nothing.
        """
        ...

    async def append_event_with_sequence(
        self, event: Event, *, expected_sequence: int | None = None
    ) -> Event:
        """
        Append one event, as :meth:`append_events` does, and return it as stored.
        """
        ...

    async def append_events(
        self, events: Sequence[Event], *, expected_sequence: int | None = None
    ) -> list[Event]:
        """
        Append *events* to their sessions and number them.

        Each session's new events get its next sequence numbers, in the order given, as
        one contiguous block. Concurrent appends to a session never interleave and leave
        no hole, and a failed append uses up no number.

        An event that its session already holds is not written again: the stored event
        is returned in its place. Repeating a call whose outcome is unknown is therefore
        always safe, also while the first is still under way. The same content means all
        fields but the sequence number, the timestamp included, compared as stored.

        Args:
            events: Oldest first; without sequence numbers; of at most 1,000 sessions.
                Nothing is a valid batch. A *run_id* is not looked up.

            expected_sequence:
                The latest sequence number the caller has seen. Needs events of one
                session. If all events are stored, with the same content, directly
                behind that number, the call has succeeded before and succeeds again.

        Returns:
            The stored events, in the order of *events*.

        Raises:
            ValidationError: If an event carries a sequence number, the batch has too
                many sessions, or an expectation comes with events of several.

            SessionNotFoundError: If a session does not exist; nothing is stored.

            SessionDeletedError: If a session is soft-deleted; nothing is stored.

            EventConflictError: If an id is already stored, or comes twice in *events*,
                with other content; nothing is stored.

            SequenceConflictError: If the session has moved on from *expected_sequence*.

            StorageBusyError: If the database stayed locked past the store's timeout.
        """
        ...

    async def flush(
        self,
        result: ExecutionResult,
        *,
        expected_sequence: int | None = None,
        expected_revision: int | None = None,
        operation_id: str | None = None,
    ) -> ExecutionResult:
        """
        Store a session, one of its runs and their events, all or nothing.

        The session and the run are saved as by :meth:`save_session` and
        :meth:`save_run`, the events appended as by :meth:`append_events`. What *result*
        leaves out is not touched; a session that it brings along need not exist before.

        Args:
            result: What to store.

            expected_sequence:
                The latest sequence number the caller has seen, 0 for a session that
                never was. If all events (at least one) are stored, with the same
                content, directly behind that number, and no revision is expected, the
                call has succeeded before: what is stored now is returned and nothing is
                written.

            expected_revision:
                The revision of the session that the caller has seen, as in
                :meth:`save_session`; needs a session in *result*.

            operation_id:
                As in :meth:`save_session`; known by either the session or the run.

        Returns:
            The stored values: revisions and sequence numbers filled in.

        Raises:
            ValidationError: As :meth:`save_session` and :meth:`append_events` do, and
                if *expected_revision* comes without a session.

            SessionNotFoundError: If *result* has no session, and none is stored.

            SessionDeletedError: If the session is soft-deleted.

            ConflictError: As :meth:`save_run` does.

            RevisionConflictError: If *expected_revision* is not met.

            InvalidTransitionError: If a status may not follow the stored one.

            EventConflictError: If an event's id is stored with other content.

            SequenceConflictError: If the session has moved on from *expected_sequence*.
        """
        ...

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
        Return the session's events that match every filter, in order, oldest first.

        Args:
            session_id: The session; an unknown one has no events.

            run_id: Only events of this run.

            type: Only events of this type.

            since: Only events whose timestamp is this or later.

            after: Only sequence numbers greater than this.

            before: Only sequence numbers less than this.

            limit: The most to return, from the oldest on; None for all.

            last: The most to return, the latest ones; not together with *limit*.

            wait_timeout:
                How long, in seconds, to wait for a first match, also one written by
                another process, if nothing matches yet. None or 0: do not wait.
        """
        ...

    async def get_latest_sequence(self, session_id: str) -> int:
        """
        Return the session's latest sequence number.

        Returns:
            The number; 0 if there is none yet, or no such session.
        """
        ...

    async def aclose(self) -> None:
        """
        Finish what was begun, release what the store owns, refuse what comes after.

        Closing twice is allowed. An engine that the caller handed in stays open.
        """
        ...
