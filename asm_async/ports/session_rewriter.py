"""
The part of a session store's port that rewinds sessions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from asm_async.values.event import Event


@runtime_checkable
class SessionRewriter(Protocol):
    """
    How what was said is taken back, though a log only ever grows.

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
