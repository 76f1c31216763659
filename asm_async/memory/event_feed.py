"""
The event feed over what is kept in memory.
"""

from __future__ import annotations

from asm_async.fronts.consuming import ConsumerOptions
from asm_async.fronts.event_consumer import LeasedBatch
from asm_async.fronts.event_feed import EventFeedFront
from asm_async.fronts.feed_filters import START, FeedFilter, SessionFeedFilter
from asm_async.memory.consumer_leases import ConsumerLeases
from asm_async.memory.database import InMemoryDatabase
from asm_async.memory.lifecycle import Lifecycle
from asm_async.memory.readers import FeedReader, SessionReader
from asm_async.values.checkpoint import Place, checkpoint_text
from asm_async.values.event_feed import ConsumerState, FeedLag


class InMemoryEventFeed(EventFeedFront[LeasedBatch]):
    """
    An :class:`~asm_async.ports.event_feed.EventFeed` without a database.

    Every append is seen in the order in which it was made, and every follower is woken
    at once, so that nothing ever holds the feed up.

    Args:
        database: What the feed shows; the one that the session stores were given.
    """

    def __init__(self, database: InMemoryDatabase) -> None:
        super().__init__(kind="memory", batch=LeasedBatch)
        self._database = database
        self._lifecycle = Lifecycle("feed")
        self._holders: set[str] = set()

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
                else checkpoint_text(row.place, self._kind),
                fencing_token=row.fencing_token,
                holder=row.holder,
                leased_until=row.leased_until,
                updated_at=row.updated_at,
            )
            for name, row in sorted(self._database.consumers.items())
        ]

    async def aclose(self) -> None:
        """
        End all iterators, give their leases up, and refuse what comes after.
        """
        if self._lifecycle.close():
            for row in self._database.consumers.values():
                if row.holder in self._holders:
                    row.release()
            self._database.wake_all()

    def _session_reader(self, wanted: SessionFeedFilter) -> SessionReader:
        return SessionReader(self._database, wanted, self._lifecycle.check_usable)

    def _feed_reader(self, wanted: FeedFilter) -> FeedReader:
        return FeedReader(self._database, wanted, self._lifecycle.check_usable)

    async def _get_latest_place(self) -> Place:
        self._lifecycle.check_usable()
        return 0, self._database.log.latest

    async def _feed_lag(self, place: Place) -> FeedLag:
        self._lifecycle.check_usable()
        behind = sum(1 for _ in self._database.log.behind(place[1]))
        return FeedLag(pending_events=behind)

    def _leases(self, options: ConsumerOptions, first_place: Place) -> ConsumerLeases:
        return ConsumerLeases(
            self._database,
            options,
            first_place,
            check_usable=self._lifecycle.check_usable,
            holders=self._holders,
        )

    async def _delete_consumer(self, name: str) -> None:
        self._lifecycle.check_usable()
        self._database.consumers.pop(name, None)
