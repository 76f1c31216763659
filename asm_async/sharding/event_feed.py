"""
An event feed over several primaries.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, TypeVar, cast

import attrs

from asm_async.fronts.signatures import takes_arguments_of
from asm_async.ports.event_consumer import EventBatch, EventConsumer
from asm_async.ports.event_feed import EventFeed
from asm_async.sharding.checkpoints import vector_of, vector_text
from asm_async.sharding.router import LEASE_SECONDS, Router
from asm_async.sharding.routing import Shards
from asm_async.sql.event_feed import SQLEventFeed
from asm_async.values.event import Event
from asm_async.values.event_feed import ConsumerState, FeedLag

T = TypeVar("T")


class ShardedEventFeed(EventFeed):
    """
    An :class:`~asm_async.ports.event_feed.EventFeed` over several primaries.

    The feeds of the primaries are merged as they come. Each session's events are in
    their order, and so are those of one primary; there is no order across primaries. A
    checkpoint has a place for each. A durable consumer has a lease on each primary, so
    that several processes may share the work.

    The events of a shard that was moved come again, from its new primary: a handler
    recognises them by session and number. ``follow_session`` yields each event once.

    Args:
        router: Knows where each shard is.

        feeds: The primaries' feeds, by name; closed with this one.
    """

    def __init__(self, router: Router, feeds: Mapping[str, SQLEventFeed]) -> None:
        self._router = router
        self._shards = Shards(router, feeds)
        self._feeds = feeds
        self._looks = set[asyncio.Future[None]]()

    async def _home(self, session_id: str) -> str:
        look = asyncio.get_running_loop().create_future()
        self._looks.add(look)
        try:
            return await self._router.home(session_id)
        finally:
            self._looks.discard(look)
            look.set_result(None)

    @takes_arguments_of(EventFeed.follow_session)
    def follow_session(
        self, session_id: str, *, after: Any, **filters: Any
    ) -> AsyncGenerator[Event]:
        # What is wrong with an argument is said at the call.
        first = next(iter(self._feeds.values()))
        first.follow_session(session_id, after=after, **filters)
        return self._follow_session(session_id, after, filters)

    async def _follow_session(
        self, session_id: str, after: Any, filters: dict[str, Any]
    ) -> AsyncGenerator[Event]:
        while True:
            name = await self._home(session_id)
            feed = self._feeds[name].follow_session(session_id, after=after, **filters)
            async with aclosing(_Merged({name: feed})) as merged:
                while True:
                    item = await merged.next(LEASE_SECONDS)
                    if item is not None:
                        yield item[1]
                        after = item[1]
                    # A session that has left seems to be deleted, and so to be over.
                    elif await self._home(session_id) != name:
                        break
                    elif merged.is_over:
                        return

    @takes_arguments_of(EventFeed.follow_all)
    def follow_all(
        self, *, checkpoint: object, **filters: Any
    ) -> AsyncGenerator[tuple[Event, str]]:
        places = vector_of(checkpoint, "checkpoint", self._feeds)
        feeds = {
            name: feed.follow_all(checkpoint=places.get(name), **filters)
            for name, feed in self._feeds.items()
        }
        return self._follow_all(feeds, places)

    async def _follow_all(
        self,
        feeds: Mapping[str, AsyncGenerator[tuple[Event, str]]],
        places: dict[str, str],
    ) -> AsyncGenerator[tuple[Event, str]]:
        self._router.check_loop()
        async with aclosing(_Merged(feeds)) as merged:
            while item := await merged.next():
                name, (event, place) = item
                places[name] = place
                yield event, vector_text(places, name)

    async def get_latest_checkpoint(self) -> str:
        places = await self._shards.everywhere(SQLEventFeed.get_latest_checkpoint)
        return vector_text(dict(zip(self._feeds, places, strict=True)))

    async def feed_lag(self, *, checkpoint: str | None = None) -> FeedLag:
        places = vector_of(checkpoint, "checkpoint", self._feeds)
        self._router.check_loop()
        lags = await asyncio.gather(
            *[
                feed.feed_lag(checkpoint=places.get(name))
                for name, feed in self._feeds.items()
            ]
        )
        longest = max(
            lags, key=lambda lag: (lag.held_events, lag.held_for_seconds or 0)
        )
        return attrs.evolve(
            longest,
            pending_events=sum(lag.pending_events for lag in lags),
            held_events=sum(lag.held_events for lag in lags),
        )

    @takes_arguments_of(EventFeed.consumer)
    def consumer(
        self, name: str, *, checkpoint: object, **options: Any
    ) -> EventConsumer:
        places = vector_of(checkpoint, "checkpoint", self._feeds)
        consumers = {
            primary: feed.consumer(name, checkpoint=places.get(primary), **options)
            for primary, feed in self._feeds.items()
        }
        return _ShardedConsumer(consumers, places)

    async def list_consumers(self) -> list[ConsumerState]:
        lists = await self._shards.everywhere(SQLEventFeed.list_consumers)
        by_name: dict[str, dict[str, ConsumerState]] = {}
        for primary, states in zip(self._feeds, lists, strict=True):
            for state in states:
                by_name.setdefault(state.name, {})[primary] = state
        return [_together(by_name[name]) for name in sorted(by_name)]

    async def delete_consumer(self, name: str) -> None:
        await self._shards.everywhere(lambda feed: feed.delete_consumer(name))

    async def aclose(self) -> None:
        for feed in self._feeds.values():
            await feed.aclose()
        # Who looks for a session's primary is in none of the feeds meanwhile.
        if self._looks:
            await asyncio.wait(self._looks)


@attrs.frozen(eq=False)
class _ShardedConsumer(EventConsumer):
    """
    A consumer of the feeds of several primaries, each with a lease of its own.
    """

    _consumers: Mapping[str, EventConsumer]
    _begin: Mapping[str, str]

    @property
    def name(self) -> str:
        return next(iter(self._consumers.values())).name

    def batches(
        self, *, max_size: int = 100, max_wait: float = 0.0
    ) -> AsyncGenerator[EventBatch]:
        return self._batches(
            {
                name: consumer.batches(max_size=max_size, max_wait=max_wait)
                for name, consumer in self._consumers.items()
            }
        )

    async def _batches(
        self, batches: Mapping[str, AsyncGenerator[EventBatch]]
    ) -> AsyncGenerator[EventBatch]:
        places = dict(self._begin)
        async with aclosing(_Merged(batches)) as merged:
            while item := await merged.next():
                name, batch = item
                places[name] = batch.checkpoint
                made: Any = batch
                yield cast(
                    "EventBatch",
                    attrs.evolve(made, checkpoint=vector_text(places, name)),
                )


class _Merged:
    """
    The items of several generators as they come, at most one of each held.

    Args:
        sources: The generators, by name; closed in the end.
    """

    def __init__(self, sources: Mapping[str, AsyncGenerator[Any]]) -> None:
        self._sources = sources
        self._next: dict[asyncio.Future[Any], str] = {}
        self._idle = list(sources)
        self.is_over = False

    async def next(self, timeout: float | None = None) -> tuple[str, Any] | None:
        """
        Wait for an item, and return it with the name of its source.

        Returns:
            None if none came in time, or one of the generators has ended.
        """
        for name in self._idle:
            coming = asyncio.ensure_future(anext(self._sources[name]))
            self._next[coming] = name
        self._idle.clear()
        done, _ = await asyncio.wait(
            self._next, timeout=timeout, return_when=asyncio.FIRST_COMPLETED
        )
        for first in done:
            name = self._next.pop(first)
            try:
                item = first.result()
            except StopAsyncIteration:
                self.is_over = True
                return None
            self._idle.append(name)
            return name, item
        return None

    async def aclose(self) -> None:
        """
        Close the generators, and wait for their end.
        """
        for coming in self._next:
            coming.cancel()
        if self._next:
            await asyncio.wait(self._next)
        for source in self._sources.values():
            await source.aclose()


def _together(states: Mapping[str, ConsumerState]) -> ConsumerState:
    """
    Return what the primaries remember of one consumer as one state.
    """
    first, *_ = states.values()
    places = {
        name: state.checkpoint
        for name, state in states.items()
        if state.checkpoint is not None
    }
    holders = sorted({state.holder for state in states.values() if state.holder})
    ends = [state.leased_until for state in states.values() if state.leased_until]
    return ConsumerState(
        name=first.name,
        checkpoint=vector_text(places) if places else None,
        fencing_token=sum(state.fencing_token for state in states.values()),
        holder=", ".join(holders)[:255] or None,
        leased_until=min(ends, default=None),
        updated_at=max(state.updated_at for state in states.values()),
    )
