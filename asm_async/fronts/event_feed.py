"""
The front of an event feed: what every call checks before anything is read.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, Collection
from typing import Generic, TypeVar

from asm_async.fronts.consuming import ConsumerOptions, LeaseTable
from asm_async.fronts.event_consumer import LeasedBatch, LeasedConsumer
from asm_async.fronts.feed_filters import START, FeedFilter, SessionFeedFilter
from asm_async.fronts.following import EventReader, event_alone, follow
from asm_async.ports.event_feed import EventFeed
from asm_async.values import fields
from asm_async.values.checkpoint import Place, checkpoint_text, place_of
from asm_async.values.event import Event, EventType
from asm_async.values.event_feed import FeedLag

B = TypeVar("B", bound=LeasedBatch)


class EventFeedFront(EventFeed, Generic[B]):
    """
    An event feed in front of a backend, which implements the methods marked abstract.

    A backend is given filters in their normal form and places instead of checkpoints.
    It reads logs and keeps leases; how to follow and to consume is the same for all.

    Args:
        kind: The kind of database that checkpoints are good for.

        batch: The class of the batches that consumers are given.
    """

    def __init__(self, *, kind: str, batch: type[B]) -> None:
        self._kind = kind
        self._batch = batch

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
        wanted = SessionFeedFilter(
            session_id=session_id,
            after=after,
            types=types,
            run_id=run_id,
            until_over=until_over,
            tenant_id=tenant_id,
        )
        return follow(self._session_reader(wanted), wanted.after, event_alone)

    def follow_all(
        self,
        *,
        checkpoint: str | None = None,
        types: Collection[EventType | str] | None = None,
        agent_id: str | None = None,
        tenant_id: str | None = None,
    ) -> AsyncGenerator[tuple[Event, str]]:
        wanted = FeedFilter(types=types, agent_id=agent_id, tenant_id=tenant_id)
        kind = self._kind
        return follow(
            self._feed_reader(wanted),
            self._place(checkpoint),
            lambda event, at: (event, checkpoint_text(at, kind)),
        )

    async def get_latest_checkpoint(self) -> str:
        return checkpoint_text(await self._get_latest_place(), self._kind)

    async def feed_lag(self, *, checkpoint: str | None = None) -> FeedLag:
        return await self._feed_lag(self._place(checkpoint))

    def consumer(
        self,
        name: str,
        *,
        checkpoint: str | None = None,
        types: Collection[EventType | str] | None = None,
        agent_id: str | None = None,
        tenant_id: str | None = None,
        lease_seconds: float = 60.0,
    ) -> LeasedConsumer[B]:
        options = ConsumerOptions(name=name, lease_seconds=lease_seconds)
        wanted = FeedFilter(types=types, agent_id=agent_id, tenant_id=tenant_id)
        return LeasedConsumer(
            options,
            leases=self._leases(options, self._place(checkpoint)),
            new_reader=lambda: self._feed_reader(wanted),
            kind=self._kind,
            batch=self._batch,
        )

    async def delete_consumer(self, name: str) -> None:
        await self._delete_consumer(fields.text(name, "name"))

    def _place(self, checkpoint: object) -> Place:
        if checkpoint is None:
            return START
        return place_of(checkpoint, "checkpoint", self._kind)

    @abstractmethod
    def _session_reader(self, wanted: SessionFeedFilter) -> EventReader[int]: ...

    @abstractmethod
    def _feed_reader(self, wanted: FeedFilter) -> EventReader[Place]: ...

    @abstractmethod
    async def _get_latest_place(self) -> Place: ...

    @abstractmethod
    async def _feed_lag(self, place: Place) -> FeedLag: ...

    @abstractmethod
    def _leases(self, options: ConsumerOptions, first_place: Place) -> LeaseTable:
        """
        Return where the lease of a consumer is kept, which begins at *first_place*.
        """

    @abstractmethod
    async def _delete_consumer(self, name: str) -> None: ...
