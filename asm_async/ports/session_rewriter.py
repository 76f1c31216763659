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
    How what was said is taken back or goes another way, though a log only ever grows.

    :class:`~asm_async.ports.session_store.SessionStore` says what holds for all of it.
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
        Hide events from readers, and append others in their place.

        An event of the type ``asm.events_retracted`` is appended, and behind it the
        *replacement*, in one block. Nothing is removed or changed: ``get_events``
        leaves out what is hidden if it is asked for what is visible only, and
        followers, who have seen the events, are given the retraction like any other
        event. To remove what was said is another thing: delete the session.

        The event's *data* has the numbers *first* and *last*, and *hidden*: all ranges
        that are hidden by now, those of earlier retractions among them, merged and in
        order, each a list of its first and last number. So the latest retraction says
        it all, and concurrent ones lose nothing of each other. Pruning never takes the
        latest one, and what is hidden stays so.

        Args:
            session_id: Whose events.

            first: The number of the first event to hide, at least 1.

            last: That of the last one, at most the session's latest number. Some in
                between may be hidden already, be retractions themselves, or be pruned.

            replacement: New events of the session, without sequence numbers.

            expected_sequence: The latest sequence number the caller has seen.

            operation_id:
                The id of the call, to repeat it with, and of the event that tells of
                the retraction. The same operation again writes nothing, and returns
                what the first has written, whatever it expects.

            expected_tenant: Whose the session must be; None if that is not asked.

        Returns:
            The stored events: the one that tells of the retraction, then the
            replacement.

        Raises:
            ValidationError: If *first* comes after *last*, or an event of *replacement*
                is of another session, carries a number, or has the id of another one.

            SessionNotFoundError: If the session does not exist.

            SessionDeletedError: If it is soft-deleted.

            SequenceConflictError: If the session has moved on from *expected_sequence*.

            EventConflictError: If an id of *replacement* is stored with other content.

            ConflictError: If there is no event *last* yet, *replacement* is stored
                already, or *operation_id* was that of something else.

            UnsupportedOperationError: If the hidden events would lie in more than 1,000
                ranges; adjacent ones are one.
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
        Copy a session up to a number under another id, so that it can go another way.

        The copy has the source's events up to *through*, with their ids, numbers and
        times, retractions among them, and its numbers go on from there. Events that
        were pruned of the source are pruned of the copy. Nothing passes through this
        process, and neither session knows of what happens to the other one later.

        State items that go with the source are copied if their scope is the source's id
        or begins with that and ``/``: the target's id stands in its place. Others are
        copied where *scopes* says under which scope, and stay behind else. Items have
        no history: they are copied as they are now, whatever *through* is, with their
        times and new revisions.

        Runs and artifacts stay the source's own, and count there: the *run_id* of a
        copied event is that of a run of the source. In the feed of all sessions the
        copied events come when they are copied.

        A session of very much is copied in several transactions, so that other
        writers wait for none of them long. Until the last one the copy is as good as
        soft-deleted, and is neither exported nor restored. A copy that breaks off is
        gone on with by the same operation, and removed like a soft-deleted session.

        Args:
            source_id: The session to copy, which is not deleted.

            target:
                The copy, of the same tenant, under an id that never was a session's.
                Its parent is the source, whether it says so or not.

            through: The last number to copy, 0 for no event; None for the latest one.

            scopes:
                Under which scope the items of another one come, each under a scope of
                its own; up to 1,000.

            operation_id:
                The id of the call, to repeat it with. If the copy was made by this
                operation, and nobody has saved it since, it is returned as it is.

            expected_tenant: Whose both must be; None if that is not asked.

        Returns:
            The copy as stored.

        Raises:
            ValidationError: If *target* has the source's id, another parent or a
                *deleted_at*, or is not of *expected_tenant*, or two scopes would become
                one, or *scopes* names one that begins with ``asm.``.

            SessionNotFoundError: If there is no such session to copy.

            SessionDeletedError: If it is soft-deleted.

            ConflictError: If *target*'s id is or was another session's, its tenant is
                another than the source's, the source has no number *through* yet,
                *operation_id* was that of another copy, or an item is there already
                where one is to be copied to; nothing takes its place.

            UnsupportedOperationError: If a retraction was pruned that may have hidden
                something at *through*: a copy shows nothing that the source hides.
        """
        ...
