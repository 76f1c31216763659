"""
The port through which agents write and read their sessions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from asm_async.ports.session_committer import SessionCommitter
from asm_async.ports.session_reader import SessionReader
from asm_async.ports.session_rewriter import SessionRewriter
from asm_async.values.event import Event
from asm_async.values.run import Run
from asm_async.values.session import Session

MAX_SESSIONS_PER_BATCH = 1_000
"""
How many sessions the events of one batch may belong to.

Each costs a lock, and PostgreSQL's lock table has room for some 6,400 by default
(``max_locks_per_transaction`` times ``max_connections``).
"""


@runtime_checkable
class SessionStore(SessionCommitter, SessionReader, SessionRewriter, Protocol):
    """
    A durable, ordered, idempotent log of sessions, runs and events.

    **Order.** A session's events are numbered 1, 2, 3 and so on, in the order in which
    their appends commit, without a hole, whatever the number of tasks, processes and
    hosts that append. A failed, cancelled or refused append uses no number; no number
    is used twice, even after events were pruned or the session was deleted.

    **Atomicity.** Each method that writes is one transaction: whole or not at all. A
    call that is cancelled before its transaction begins is withdrawn. After that the
    caller waits until the outcome is known, at most for the store's timeout; then the
    cancellation continues.

    **Idempotence.** Appending is idempotent by event id within a session. A save or a
    flush is an operation with an id: a new one for each call, unless the caller passes
    one. The same operation again succeeds without being done twice, unless another call
    has saved since; the same content under another id is another call. The store uses
    the id to repeat its own calls.

    **Tenants.** Every method that reads or writes one session or run takes an
    *expected_tenant*. If it is given, a session of another tenant, or of none, does not
    exist for the call: ``SessionNotFoundError`` is raised, or for a run
    ``RunNotFoundError``, exactly as for one that is not stored. That is decided in the
    statement that reads, or in the transaction that writes, so that nothing in between
    can make it another tenant's. Methods that return nothing for an unknown session
    raise then.

    **Revisions.** A session's or run's revision grows with each save. No revision of an
    id ever has two contents, even if a deleted id comes back.

    **Deletion.** A session is live, soft-deleted or hard-deleted. A soft-deleted one
    can be read by id but is left out of lists, and every write to it raises
    ``SessionDeletedError``. A hard-deleted one is unknown; saving its id again makes a
    new session, whose numbers and revisions continue.

    **Errors.** Every method raises ``ValidationError`` for a bad argument before
    anything is read or written, ``StoreClosedError`` after :meth:`aclose` or from
    another event loop than the one that first used the store, and the family of
    ``StorageError`` if the database fails. Nothing else is raised, except the errors
    that each method names.
    """

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

        The stored revision is increased by one; that of *session* is ignored. The
        status may only change as ``SessionStatus`` allows, compared with the stored
        one; a new session may begin in any status.

        Args:
            session: The value to store; without *deleted_at*, which only the store
                sets.

            expected_revision:
                The revision the caller has seen, 0 for "not stored". Of any number of
                writers that expect the same one exactly one succeeds, even if all of
                them save the same content.

            operation_id:
                The id of the call, 1 to 255 characters, to repeat it with. If the
                stored value was saved last by this operation, it is returned unchanged.

            expected_tenant: The tenant that the session must belong to; None for any.

        Returns:
            The stored value, with its new revision.

        Raises:
            ValidationError: If *session* has *deleted_at*, or does not belong to
                *expected_tenant*.

            SessionNotFoundError: If the stored session does not belong to
                *expected_tenant*.

            SessionDeletedError: If the session is soft-deleted.

            ConflictError: If *operation_id* has saved other content.

            RevisionConflictError: If *expected_revision* is not met.

            InvalidTransitionError: If the status may not follow the stored one.
        """
        ...

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

        The stored revision is increased by one; that of *run* is ignored. The status
        may only change as ``RunStatus`` allows, compared with the stored one; a new run
        may begin in any status, so that it can be recorded after the fact.

        Args:
            run: The value to store.

            expected_revision: As in :meth:`save_session`.

            operation_id: As in :meth:`save_session`.

            expected_tenant: The tenant that the session must belong to; None for any.

        Returns:
            The stored value, with its new revision.

        Raises:
            SessionNotFoundError: If its session does not exist.

            RunNotFoundError: If the id belongs to a run of another session, and
                *expected_tenant* is given: the run's owner is not revealed.

            SessionDeletedError: If its session is soft-deleted.

            ConflictError: If the id belongs to a run of another session, or
                *operation_id* has saved other content.

            RevisionConflictError: If *expected_revision* is not met.

            InvalidTransitionError: If the status may not follow the stored one.
        """
        ...

    async def update_session(
        self,
        session_id: str,
        change: Callable[[Session], Session],
        *,
        expected_tenant: str | None = None,
    ) -> Session:
        """
        Read the session, change it by *change*, and save it.

        If another call saves the session meanwhile, its change is not lost: the session
        is read and changed again, until the store's timeout.

        Args:
            session_id: Which session.

            change:
                Called with the stored value, perhaps several times; returns the changed
                one. Its exceptions are raised here, and nothing is saved. If it returns
                an unchanged value, nothing is saved either.

            expected_tenant: The tenant that the session must belong to; None for any.

        Returns:
            The stored value, with its revision.

        Raises:
            ValidationError: If *change* returns something else, or another session.

            SessionNotFoundError: If no session of this id is stored, or it does not
                belong to *expected_tenant*.

            SessionDeletedError: If the session is soft-deleted.

            RevisionConflictError: If other calls saved it at each attempt.

            InvalidTransitionError: If the status may not follow the stored one.
        """
        ...

    async def update_run(
        self,
        run_id: str,
        change: Callable[[Run], Run],
        *,
        expected_tenant: str | None = None,
    ) -> Run:
        """
        Read the run, change it by *change*, and save it, as :meth:`update_session`.

        Raises:
            ValidationError: If *change* returns something else, or another run.

            RunNotFoundError: If no run of this id is stored, or its session does not
                belong to *expected_tenant*.

            SessionDeletedError: If its session is soft-deleted.

            RevisionConflictError: If other calls saved it at each attempt.

            InvalidTransitionError: If the status may not follow the stored one.
        """
        ...

    async def append_event(
        self,
        event: Event,
        *,
        expected_sequence: int | None = None,
        expected_tenant: str | None = None,
    ) -> None:
        """
        Append one event, as :meth:`append_events` does, and return nothing.
        """
        ...

    async def append_event_with_sequence(
        self,
        event: Event,
        *,
        expected_sequence: int | None = None,
        expected_tenant: str | None = None,
    ) -> Event:
        """
        Append one event, as :meth:`append_events` does, and return it as stored.
        """
        ...

    async def append_events(
        self,
        events: Sequence[Event],
        *,
        expected_sequence: int | None = None,
        expected_tenant: str | None = None,
    ) -> list[Event]:
        """
        Append *events* to their sessions and number them.

        Each session's new events get its next sequence numbers, in the order given, as
        one contiguous block. Concurrent appends to a session never interleave and leave
        no hole, and a failed append uses up no number.

        An event that its session already holds is not written again: the stored event
        is returned instead. Repeating a call whose outcome is unknown is therefore
        always safe, also while the first is still in progress. The same content means
        all fields but the sequence number, including the timestamp, compared as stored.

        Args:
            events: Oldest first; without sequence numbers; of at most 1,000 sessions.
                An empty batch is valid. A *run_id* is not checked.

            expected_sequence:
                The latest sequence number the caller has seen. Needs events of one
                session. If all events are stored, with the same content, directly after
                that number, the call has succeeded before and succeeds again.

            expected_tenant: The tenant that the sessions must belong to; None for any.

        Returns:
            The stored events, in the order of *events*.

        Raises:
            ValidationError: If an event has a sequence number, the batch has too many
                sessions, or *expected_sequence* is given for events of several.

            SessionNotFoundError: If a session does not exist; nothing is stored.

            SessionDeletedError: If a session is soft-deleted; nothing is stored.

            EventConflictError: If an id is already stored, or is in *events* twice,
                with other content; nothing is stored.

            SequenceConflictError: If the session has moved on from *expected_sequence*.

            StorageBusyError: If the database stayed locked past the store's timeout.
        """
        ...

    async def delete_session(
        self, session_id: str, *, expected_tenant: str | None = None
    ) -> None:
        """
        Remove the session permanently, with its runs and events.

        Deleting an unknown session does nothing. The latest sequence number is kept: if
        the id is saved again, the numbers continue after it. For another tenant they,
        and the revisions, continue after a random gap, so that they do not reveal how
        many there were.

        A session of very many events may be removed in several transactions, so that
        other writers wait for each only briefly. After the first one the session is not
        found by its id, and writes to it raise ``SessionDeletedError`` until all of it
        is removed. The next call finishes one that was interrupted.

        Raises:
            SessionNotFoundError: If *expected_tenant* has no session of this id.
        """
        ...

    async def aclose(self) -> None:
        """
        Finish the calls in progress, release what the store owns, refuse later calls.

        Closing twice is allowed. An engine that the caller passed in stays open.
        """
        ...
