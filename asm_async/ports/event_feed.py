"""
The port through which events are seen as they are appended.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from typing import Protocol, runtime_checkable

from asm_async.ports.event_consumer import EventConsumer
from asm_async.values.event import Event, EventType
from asm_async.values.event_feed import ConsumerState, FeedLag


@runtime_checkable
class EventFeed(Protocol):
    """
    Live views of the log: one session's, or all sessions' together.

    **Following** returns an async iterator: first the stored events, then new ones,
    within milliseconds, from any process. Each event is yielded exactly once, and a
    session's events in the order of their numbers; numbers are missing only where
    events were pruned or left out by a filter, or the session was deleted before they
    were read. Nothing is done before the first step of the iteration.

    **Wake-ups.** A wake-up makes a follower read the database, and it also reads from
    time to time without one. Lost wake-ups cost delay, never an event.

    **Bounds.** A follower holds one batch of events, however slow its consumer is, and
    delays no other follower. While its consumer is busy it holds no connection.

    **Ending.** An iterator ends when its consumer closes it (``aclose``, best through
    ``contextlib.aclosing``) or is cancelled. Then it leaves no connection, no task, and
    no thread.

    **Checkpoints** are opaque text that may be stored, of at most 1,500 characters,
    valid for the feed of the database that they come from.

    **History.** Delivered events stay in the log, unless they are pruned or deleted. If
    a failover has lost some, or an older state of the database was restored, then
    active followers, and those that begin at a checkpoint, raise ``HistoryLostError``
    instead of skipping the events that replaced them.

    **Errors.** A bad argument raises ``ValidationError`` at the call, before the
    iteration (``InvalidCheckpointError`` for a checkpoint that is malformed, was
    changed, or belongs to another kind of database). ``StoreClosedError`` is raised
    after :meth:`aclose`, also in active iterators, and from another event loop than the
    one that first used the feed; the family of ``StorageError`` if the database fails
    for longer than the feed's timeout. An error ends an iterator: begin a new one after
    the last event that was seen.
    """

    def follow_session(
        self,
        session_id: str,
        *,
        after: int | Event = 0,
        types: EventType | str | Collection[EventType | str] | None = None,
        run_id: str | None = None,
        until_over: bool = False,
        tenant_id: str | None = None,
        user_id: str | None = None,
    ) -> AsyncGenerator[Event]:
        """
        Follow the events of one session: the stored ones and new ones.

        The session need not exist yet. If it is deleted, the iterator waits until it is
        restored or its id is saved again; then its numbers continue, and so does the
        iterator.

        Args:
            session_id: The session.

            after: Only sequence numbers greater than this: the last one seen, or the
                last event seen, which is then checked to be still in the log.

            types: Only events of this type, or of one of these; none at all if empty.

            run_id: Only events of this run.

            until_over:
                End once the session has ended or is deleted, and every event that was
                stored by then was yielded. Otherwise the iterator has no end.

            tenant_id: Only events that are read while the session belongs to this
                tenant.

            user_id: Only events that are read while the session belongs to this user.

        Raises:
            HistoryLostError: From the iteration, if an event before its place was lost.
        """
        ...

    def follow_all(
        self,
        *,
        checkpoint: str | None = None,
        types: EventType | str | Collection[EventType | str] | None = None,
        agent_id: str | None = None,
        tenant_id: str | None = None,
        user_id: str | None = None,
    ) -> AsyncGenerator[tuple[Event, str]]:
        """
        Follow the events of all sessions, each with a checkpoint.

        Nothing is skipped, whatever order transactions commit in, and each session is
        in its own order. All followers see one and the same order. Events that were
        pruned or deleted before they were read are left out.

        Args:
            checkpoint: Begin after the event that came with it; None for the first.

            types: Only events of this type, or of one of these; none at all if empty.

            agent_id: Only events of sessions that belong to this agent when they are
                read.

            tenant_id: Only events of sessions that belong to this tenant when they are
                read.

            user_id: Only events of sessions that belong to this user when they are
                read.

        Raises:
            HistoryLostError: From the iteration, if the event that *checkpoint* came
                with was lost, or *checkpoint* is ahead of everything in the database:
                it comes from another one, or from this one before it lost events.
        """
        ...

    async def get_latest_checkpoint(self) -> str:
        """
        Return the place after everything that a follower could have received by now.

        A follower that begins there gets only new events.
        """
        ...

    async def feed_lag(self, *, checkpoint: str | None = None) -> FeedLag:
        """
        Return how many events come after *checkpoint*, and what holds up the feed.

        Args:
            checkpoint: A follower's place; None for the beginning.
        """
        ...

    def consumer(
        self,
        name: str,
        *,
        checkpoint: str | None = None,
        types: EventType | str | Collection[EventType | str] | None = None,
        agent_id: str | None = None,
        tenant_id: str | None = None,
        user_id: str | None = None,
        lease_seconds: float = 60.0,
    ) -> EventConsumer:
        """
        Return the durable consumer of this name; nothing is read or written yet.

        Args:
            name: The name under which the database keeps its checkpoint.

            checkpoint: Where it begins if the name is new; None for the first event.

            types: As for :meth:`follow_all`.

            agent_id: As for :meth:`follow_all`.

            tenant_id: As for :meth:`follow_all`.

            user_id: As for :meth:`follow_all`.

            lease_seconds: How long, in seconds, after the last renewal another process
                may take the lease; longer than handling a batch takes. From 0.1 to a
                year.
        """
        ...

    async def list_consumers(self) -> list[ConsumerState]:
        """
        List the durable consumers, by name.
        """
        ...

    async def delete_consumer(self, name: str) -> None:
        """
        Delete a durable consumer and its checkpoint; an unknown one is not an error.

        Its holder, if there is one, loses the lease.
        """
        ...

    async def aclose(self) -> None:
        """
        End all iterators and release what the feed holds; refuse later calls.

        The leases of its consumers are released, also while a batch is being handled;
        such a batch can be acknowledged only in the handler's own transaction, until
        another process takes the lease.

        Closing twice is allowed. An engine that the caller passed in stays open.
        """
        ...
