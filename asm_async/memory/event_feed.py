"""
The event feed over what is kept in memory.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection

from asm_async.memory.database import InMemoryDatabase
from asm_async.memory.event_consumer import InMemoryConsumer
from asm_async.memory.lifecycle import Lifecycle
from asm_async.memory.tails import FeedReader, SessionReader
from asm_async.ports.event_feed_arguments import (
    START,
    ConsumerOptions,
    FeedFilter,
    SessionFilter,
    check_checkpoint,
    check_consumer_name,
)
from asm_async.ports.following import event_alone, follow
from asm_async.values.checkpoint import checkpoint_text
from asm_async.values.event import Event, EventType
from asm_async.values.event_feed import ConsumerState, FeedLag

__all__ = ["InMemoryEventFeed"]

_KIND = "memory"


class InMemoryEventFeed:
    """
    An :class:`~asm_async.ports.event_feed.EventFeed` without a database.

    Every append is seen in the order in which it was made, and every follower is woken
    at once, so that nothing ever holds the feed up.

    Args:
        database: What the feed shows; the one that the session stores were given.
    """

    def __init__(self, database: InMemoryDatabase) -> None:
        self._database = database
        self._lifecycle = Lifecycle("feed")
        self._holders: set[str] = set()

    def follow_session(
        self,
        session_id: str,
        *,
        after: int = 0,
        types: Collection[EventType | str] | None = None,
        run_id: str | None = None,
        until_over: bool = False,
        tenant_id: str | None = None,
    ) -> AsyncGenerator[Event]:
        """
        Give the events of one session, those to come included.
        """
        wanted = SessionFilter(
            session_id=session_id,
            after=after,
            types=types,
            run_id=run_id,
            until_over=until_over,
            tenant_id=tenant_id,
        )
        reader = SessionReader(self._database, wanted, self._lifecycle.check_usable)
        return follow(reader, after, event_alone)

    def follow_all(
        self,
        *,
        checkpoint: str | None = None,
        types: Collection[EventType | str] | None = None,
        agent_id: str | None = None,
        tenant_id: str | None = None,
    ) -> AsyncGenerator[tuple[Event, str]]:
        """
        Give the events of all sessions, those to come included, each with a checkpoint.
        """
        wanted = FeedFilter(types=types, agent_id=agent_id, tenant_id=tenant_id)
        return follow(
            FeedReader(self._database, wanted, self._lifecycle.check_usable),
            check_checkpoint(checkpoint, _KIND),
            lambda event, at: (event, checkpoint_text(at, _KIND)),
        )

    async def get_latest_checkpoint(self) -> str:
        """
        Give the place behind all that a follower could have been given by now.
        """
        self._lifecycle.check_usable()
        return checkpoint_text((0, self._database.log.latest), _KIND)

    async def feed_lag(self, *, checkpoint: str | None = None) -> FeedLag:
        """
        Tell how many events lie behind *checkpoint*; nothing is ever held up.
        """
        place = check_checkpoint(checkpoint, _KIND)
        self._lifecycle.check_usable()
        behind = sum(1 for _ in self._database.log.behind(place[1]))
        return FeedLag(pending_events=behind)

    def consumer(
        self,
        name: str,
        *,
        checkpoint: str | None = None,
        types: Collection[EventType | str] | None = None,
        agent_id: str | None = None,
        tenant_id: str | None = None,
        lease_seconds: float = 60.0,
    ) -> InMemoryConsumer:
        """
        Give the durable consumer of this name; nothing is read or written yet.
        """
        return InMemoryConsumer(
            self._database,
            ConsumerOptions(name=name, lease_seconds=lease_seconds),
            FeedFilter(types=types, agent_id=agent_id, tenant_id=tenant_id),
            check_checkpoint(checkpoint, _KIND),
            check_usable=self._lifecycle.check_usable,
            holders=self._holders,
        )

    async def list_consumers(self) -> list[ConsumerState]:
        """
        List the durable consumers, by name.
        """
        self._lifecycle.check_usable()
        return [
            ConsumerState(
                name=name,
                checkpoint=None
                if row.place == START
                else checkpoint_text(row.place, _KIND),
                fencing_token=row.fencing_token,
                holder=row.holder,
                leased_until=row.leased_until,
                updated_at=row.updated_at,
            )
            for name, row in sorted(self._database.consumers.items())
        ]

    async def delete_consumer(self, name: str) -> None:
        """
        Forget a durable consumer and its checkpoint; an unknown one is none.
        """
        name = check_consumer_name(name)
        self._lifecycle.check_usable()
        self._database.consumers.pop(name, None)

    async def aclose(self) -> None:
        """
        End all iterators, give their leases up, and refuse what comes after.
        """
        if self._lifecycle.close():
            for row in self._database.consumers.values():
                if row.holder in self._holders:
                    row.release()
            self._database.wake_all()
