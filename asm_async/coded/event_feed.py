"""
An event feed that yields what callers see of stored events.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from copy import copy
from typing import Any

import attrs

from asm_async.coded.coder import Coder
from asm_async.coded.coding import Coding
from asm_async.fronts.signatures import takes_arguments_of
from asm_async.ports.event_consumer import EventBatch, EventConsumer
from asm_async.ports.event_feed import EventFeed
from asm_async.values import fields
from asm_async.values.event import Event
from asm_async.values.event_feed import ConsumerState, FeedLag


class CodedEventFeed(EventFeed):
    """
    An :class:`~asm_async.ports.event_feed.EventFeed` in front of another one.

    Events are decoded as they are yielded; one that cannot be decoded does not stop an
    iteration: the coder says what is yielded instead. Batches are those of the feed
    behind, with what they can do beside the port.

    Args:
        feed: The feed to follow; closed with this one.

        coder: Decodes its events.

    Raises:
        ValidationError: If *feed* or *coder* is something else.
    """

    def __init__(self, feed: EventFeed, coder: Coder) -> None:
        if not callable(getattr(feed, "follow_session", None)):
            raise fields.unexpected("feed", "an EventFeed", feed)
        self.behind: EventFeed = feed
        """
        The feed that it wraps.
        """
        self._coding = Coding(fields.instance(coder, "coder", Coder))

    @property
    def coder(self) -> Coder:
        """
        What encodes and decodes its values.
        """
        return self._coding.coder

    def over(self, behind: EventFeed) -> CodedEventFeed:
        """
        Return the same feed in front of another one.
        """
        feed = copy(self)
        feed.behind = behind
        return feed

    @takes_arguments_of(EventFeed.follow_session)
    def follow_session(self, session_id: str, **filters: Any) -> AsyncGenerator[Event]:
        """
        Follow the events of one session.
        """
        return self._events(self.behind.follow_session(session_id, **filters))

    @takes_arguments_of(EventFeed.follow_all)
    def follow_all(self, **filters: Any) -> AsyncGenerator[tuple[Event, str]]:
        """
        Follow the events of all sessions.
        """
        return self._events_with_checkpoints(self.behind.follow_all(**filters))

    async def _events(self, stored: AsyncGenerator[Event]) -> AsyncGenerator[Event]:
        async with aclosing(stored):
            async for event in stored:
                yield await self._shown(event)

    async def _events_with_checkpoints(
        self, stored: AsyncGenerator[tuple[Event, str]]
    ) -> AsyncGenerator[tuple[Event, str]]:
        async with aclosing(stored):
            async for event, checkpoint in stored:
                yield await self._shown(event), checkpoint

    async def _shown(self, event: Event) -> Event:
        (shown,) = await self._coding.shown([event])
        return shown

    async def get_latest_checkpoint(self) -> str:
        """
        Return the place after everything that a follower could have received by now.
        """
        return await self.behind.get_latest_checkpoint()

    async def feed_lag(self, *, checkpoint: str | None = None) -> FeedLag:
        """
        Return how many events come after *checkpoint*.
        """
        return await self.behind.feed_lag(checkpoint=checkpoint)

    @takes_arguments_of(EventFeed.consumer)
    def consumer(self, name: str, **options: Any) -> EventConsumer:
        """
        Return the durable consumer of this name.
        """
        return _CodedConsumer(self.behind.consumer(name, **options), self._coding)

    async def list_consumers(self) -> list[ConsumerState]:
        """
        List the durable consumers, by name.
        """
        return await self.behind.list_consumers()

    async def delete_consumer(self, name: str) -> None:
        """
        Delete a durable consumer and its checkpoint.
        """
        await self.behind.delete_consumer(name)

    async def aclose(self) -> None:
        """
        Close the feed that it wraps.
        """
        await self.behind.aclose()


class _CodedConsumer(EventConsumer):
    """
    A consumer in front of another one.
    """

    def __init__(self, consumer: EventConsumer, coding: Coding) -> None:
        self._consumer = consumer
        self._coding = coding

    @property
    def name(self) -> str:
        return self._consumer.name

    def batches(
        self, *, max_size: int = 100, max_wait: float = 0.0
    ) -> AsyncGenerator[EventBatch]:
        return self._batches(
            self._consumer.batches(max_size=max_size, max_wait=max_wait)
        )

    async def _batches(
        self, stored: AsyncGenerator[EventBatch]
    ) -> AsyncGenerator[EventBatch]:
        async with aclosing(stored):
            async for batch in stored:
                # The batch stays one of its class, which may know a transaction.
                made: Any = batch
                events = tuple(await self._coding.shown(batch.events))
                yield attrs.evolve(made, events=events)
