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

    **Following** returns an async iterator: first what is stored, then what is
    appended, within milliseconds, by whichever process. Each event is yielded exactly
    once, and a session's events in the order of their numbers; numbers skip only where
    events were pruned or left out by a filter, or the session was deleted before they
    were read. Nothing is done before the first step of the iteration.

    **Wake-ups.** A follower that is woken reads the database for the truth, and it
    reads now and then without a wake-up. To lose them all costs delay, never an event.

    **Bounds.** A follower holds one batch of events, however slow its consumer is, and
    holds up nobody. While its consumer is busy it holds no connection.

    **Ending.** An iterator ends when its consumer closes it (``aclose``, best through
    ``contextlib.aclosing``) or is cancelled. Then nothing of it is left: no connection,
    no task, no thread.

    **Checkpoints** are opaque text that may be stored, of at most 1,500 characters,
    good for the feed of the database that gave them.

    **History.** Events that were given stay, unless they are pruned or deleted. If a
    failover has lost some, or an older state of the database was restored, then
    followers under way, and those that begin at a checkpoint, raise
    ``HistoryLostError`` instead of skipping what is there in their stead.

    **Errors.** A bad argument raises ``ValidationError`` at the call, before the
    iteration (``InvalidCheckpointError`` for a checkpoint that is malformed, was
    changed, or is of another kind of database). ``StoreClosedError`` is raised after
    :meth:`aclose`, also in iterators that are under way, and from another event loop
    than the one that first used the feed; the family of ``StorageError`` where the
    database fails for longer than the feed's timeout. After an error an iterator is at
    its end: begin a new one behind the last event that was seen.
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
        Follow the events of one session: those stored and those to come.

        The session need not exist yet. If it is deleted, nothing comes until it is
        restored or its id is saved again; then its numbers go on, and so does the
        iterator.

        Args:
            session_id: The session.

            after: Only sequence numbers greater than this: the last one seen, or the
                last event seen, of which it is then made sure that it still is there.

            types: Only events of this type, or of one of these; none at all if empty.

            run_id: Only events of this run.

            until_over:
                End once the session has a status that is over, or is deleted, and every
                event that was stored by then was yielded. Otherwise the iterator has no
                end.

            tenant_id: Only events that are read while the session is this tenant's.

            user_id: Only events that are read while the session is this user's.

        Raises:
            HistoryLostError: From the iteration, if an event that it came behind was
                lost.
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
            checkpoint: Begin behind the event that came with it; None for the first.

            types: Only events of this type, or of one of these; none at all if empty.

            agent_id: Only events of sessions that are this agent's when they are read.

            tenant_id: Only events of sessions that are this tenant's when they are
                read.

            user_id: Only events of sessions that are this user's when they are
                read.

        Raises:
            HistoryLostError: From the iteration, if the event that *checkpoint* came
                with was lost, or *checkpoint* lies ahead of all that the database ever
                held: it is of another one, or of this one before it lost something.
        """
        ...

    async def get_latest_checkpoint(self) -> str:
        """
        Return the place behind all that a follower could have been given by now.

        To follow from there is to see what comes, and nothing of the past.
        """
        ...

    async def feed_lag(self, *, checkpoint: str | None = None) -> FeedLag:
        """
        Return how many events lie behind *checkpoint*, and what holds the feed up.

        Args:
            checkpoint: How far a follower has come; None for the beginning.
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

            lease_seconds: How long after a holder last renewed its lease another may
                take it; longer than handling a batch takes. From 0.1 to a year.
        """
        ...

    async def list_consumers(self) -> list[ConsumerState]:
        """
        List the durable consumers, by name.
        """
        ...

    async def delete_consumer(self, name: str) -> None:
        """
        Forget a durable consumer and its checkpoint; an unknown one is no error.

        Its holder, if there is one, loses the lease.
        """
        ...

    async def aclose(self) -> None:
        """
        End all iterators and release what the feed holds; refuse what comes after.

        The leases of its consumers are given up, also while a batch is being handled;
        only in a handler's own transaction can it still be acknowledged, until another
        takes the lease.

        Closing twice is allowed. An engine that the caller handed in stays open.
        """
        ...
