"""
The part of a session store's port that forks and rewinds sessions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol, runtime_checkable

from asm_async.values.event import Event
from asm_async.values.session import Session

NO_SCOPES: Mapping[str, str] = MappingProxyType({})


@runtime_checkable
class SessionRewriter(Protocol):
    """
    The methods that take events back or fork a session, although a log only grows.

    :class:`~asm_async.ports.session_store.SessionStore` states the rules for all
    methods.
    """

    async def retract_events(
        self,
        session_id: str,
        *,
        first: int,
        last: int,
        replacement: Sequence[Event] = (),
        expected_sequence: int | None = None,
        operation_id: str | None = None,
        expected_tenant: str | None = None,
    ) -> list[Event]:
        """
        Hide events from readers, and append others instead.

        An event of the type ``asm.events_retracted`` is appended, and after it the
        *replacement*, in one block. Nothing is removed or changed: ``get_events`` with
        *visible_only* leaves out the hidden events, and followers, which have seen
        these, get the retraction like any other event. To remove events for good,
        delete the session.

        The event's *data* has the numbers *first* and *last*, and *hidden*: all ranges
        that are hidden now, including those of earlier retractions, merged and in
        order, each a list of its first and last number. So the latest retraction is
        complete, and concurrent ones lose nothing of each other. Pruning never removes
        the latest one, and hidden events stay hidden.

        Args:
            session_id: The session.

            first: The number of the first event to hide, at least 1.

            last: That of the last one, at most the session's latest number. Some in
                between may be hidden already, be retractions themselves, or be pruned.

            replacement: New events of the session, without sequence numbers.

            expected_sequence: The latest sequence number the caller has seen.

            operation_id:
                The id of the call, to repeat it with, which is also the id of the
                retraction. The same operation again writes nothing, and returns what
                the first one wrote, whatever it expects.

            expected_tenant: Whose the session must be; None if that is not asked.

        Returns:
            The stored events: the retraction, then the replacement.

        Raises:
            ValidationError: If *first* comes after *last*, or an event of *replacement*
                belongs to another session, has a number, or has the id of another one.

            SessionNotFoundError: If the session does not exist.

            SessionDeletedError: If it is soft-deleted.

            SequenceConflictError: If the session has moved on from *expected_sequence*.

            EventConflictError: If an id of *replacement* is stored with other content.

            ConflictError: If there is no event *last* yet, *replacement* is stored
                already, or *operation_id* was used for something else.

            UnsupportedOperationError: If the hidden events would form more than 1,000
                ranges; adjacent ones count as one.
        """
        ...

    async def copy_session(
        self,
        source_id: str,
        target: Session,
        *,
        through: int | None = None,
        scopes: Mapping[str, str] = NO_SCOPES,
        operation_id: str | None = None,
        expected_tenant: str | None = None,
    ) -> Session:
        """
        Copy a session up to a number under another id, to continue it differently.

        The copy has the source's events up to *through*, with their ids, numbers and
        times, including retractions, and its numbers continue after them. Events that
        were pruned in the source are pruned in the copy. No data passes through this
        process, and later changes of one session do not affect the other.

        State items that go with the source are copied if their scope is the source's id
        or begins with that and ``/``: the target's id replaces it. Others are copied to
        the scope that *scopes* names, or not at all. Items have no history: they are
        copied as they are now, whatever *through* is, with their times and new
        revisions.

        Runs and artifacts stay with the source, and count there: the *run_id* of a
        copied event names a run of the source. Only large data that events have
        elsewhere (:func:`~asm_async.artifacts.large_data`) is registered for the copy
        too. In the feed of all sessions the copied
        events come when they are copied.

        A large session is copied in several transactions, so that other writers wait
        for each only briefly. Until the last one the copy counts as soft-deleted, and
        is neither exported nor restored. The same operation continues a copy that was
        interrupted; it is removed like a soft-deleted session.

        Args:
            source_id: The session to copy, which is not deleted.

            target:
                The copy, of the same tenant, under an id that no session ever had. Its
                parent becomes the source, even if it does not say so.

            through: The last number to copy, 0 for no event; None for the latest one.

            scopes:
                The scopes to copy items of other scopes to, by the source's scopes,
                each to a different one; up to 1,000.

            operation_id:
                The id of the call, to repeat it with. If the copy was made by this
                operation, and no other call has saved it since, it is returned as it
                is.

            expected_tenant: The tenant that both must belong to; None for any.

        Returns:
            The copy as stored.

        Raises:
            ValidationError: If *target* has the source's id, another parent or a
                *deleted_at*, or does not belong to *expected_tenant*, or two scopes
                would become one, or *scopes* names one that begins with ``asm.``.

            SessionNotFoundError: If there is no such session to copy.

            SessionDeletedError: If it is soft-deleted.

            ConflictError: If *target*'s id is or was another session's, its tenant
                differs from the source's, the source has no number *through* yet,
                *operation_id* was used for another copy, or an item would overwrite an
                existing one.

            UnsupportedOperationError: If a retraction was pruned that may have hidden
                events at *through*: a copy shows nothing that the source hides.
        """
        ...
