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
    is used twice, also not after events were pruned or the session was deleted.

    **Atomicity.** Each method that writes is one transaction: whole or not at all.
    Cancelled before its transaction begins, a call is withdrawn. After that the caller
    waits, for as long as the store's timeout lasts, until the outcome is known; then
    the cancellation goes on.

    **Idempotence.** Appending is idempotent by event id within a session. A save or a
    flush is an operation with an id: its own at each call, unless it is given one. The
    same operation again succeeds without being done twice, unless others have saved
    since; the same content under another id is another call. The store repeats its own.

    **Tenants.** Every method that reads or writes one session or run takes an
    *expected_tenant*. If it is given, a session of another tenant, or of none, does not
    exist for the call: ``SessionNotFoundError`` is raised, or for a run
    ``RunNotFoundError``, exactly as for one that is not stored. That is decided where
    the call reads or writes, so that nothing which happens in between makes it another
    tenant's. Methods that answer an unknown session with nothing raise then.

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
        expected_tenant: str | None = None,
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

            expected_tenant: Whose the session must be; None if that is not asked.

        Returns:
            The stored value, with its new revision.

        Raises:
            ValidationError: If *session* carries *deleted_at*, or is not of
                *expected_tenant*.

            SessionNotFoundError: If the stored session is not of *expected_tenant*.

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

        The stored revision becomes one more than it was; *run*'s own is ignored.
        The status may only change as ``RunStatus`` allows, seen from the stored one; a
        new run may begin in any, so that it can be recorded after the fact.

        Args:
            run: The value to store.

            expected_revision: As in :meth:`save_session`.

            operation_id: As in :meth:`save_session`.

            expected_tenant: Whose the session must be; None if that is not asked.

        Returns:
            The stored value, with its new revision.

        Raises:
            SessionNotFoundError: If its session does not exist.

            RunNotFoundError: If the id is that of another session's run, and
                *expected_tenant* is given: whose run it is does not show.

            SessionDeletedError: If its session is soft-deleted.

            ConflictError: If the id is that of another session's run, or *operation_id*
                has saved other content.

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
        Read the session, and save what *change* makes of it.

        What others save meanwhile is not lost: then the session is read and changed
        anew, for as long as the store's timeout lasts.

        Args:
            session_id: Which session.

            change:
                Called with the stored value, perhaps several times; returns the changed
                one. What it raises is raised here, and nothing is saved. If it returns
                what it was given, nothing is saved either.

            expected_tenant: Whose the session must be; None if that is not asked.

        Returns:
            The stored value, with its revision.

        Raises:
            ValidationError: If *change* returns something else, or another session.

            SessionNotFoundError: If no session of this id is stored, or it is not of
                *expected_tenant*.

            SessionDeletedError: If the session is soft-deleted.

            RevisionConflictError: If others have saved it again and again.

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
        Read the run, and save what *change* makes of it: as :meth:`update_session`.

        Raises:
            ValidationError: If *change* returns something else, or another run.

            RunNotFoundError: If no run of this id is stored, or its session is not of
                *expected_tenant*.

            SessionDeletedError: If its session is soft-deleted.

            RevisionConflictError: If others have saved it again and again.

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

            expected_tenant: Whose the sessions must be; None if that is not asked.

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

    async def delete_session(
        self, session_id: str, *, expected_tenant: str | None = None
    ) -> None:
        """
        Remove the session permanently, with its runs and events.

        Deleting an unknown session does nothing. Its latest sequence number stays
        remembered: should the id be saved again, the numbers go on from there. For
        another tenant they, and the revisions, go on from a random place behind: they
        do not say how much there was.

        A session of very many events may be removed in several transactions, so that
        other writers wait for none of them long. The first one closes it: from then on
        it is not found by its id, and writes to it raise ``SessionDeletedError`` until
        all of it is gone. A call that breaks off is finished by the next one.

        Raises:
            SessionNotFoundError: If *expected_tenant* has no session of this id.
        """
        ...

    async def aclose(self) -> None:
        """
        Finish what was begun, release what the store owns, refuse what comes after.

        Closing twice is allowed. An engine that the caller handed in stays open.
        """
        ...
