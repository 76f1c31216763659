"""
Feeds that were closed, iterators that were left, and other event loops.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import aclosing
from typing import Any, TypeAlias

import pytest

from asm_async.errors import StoreClosedError
from asm_async.ports.event_feed import EventFeed
from asm_async.ports.session_store import SessionStore
from asm_async.testing.concurrency import cancel_after
from asm_async.testing.event_feed.contract import (
    LONG_SECONDS,
    Collecting,
    EventFeedContract,
    OpenFeed,
    acknowledged,
    take,
)
from asm_async.testing.factories import make_events

__all__ = ["TestFeedClosing"]

Call: TypeAlias = Callable[[EventFeed], Coroutine[Any, Any, object]]

_CALLS: Mapping[str, Call] = {
    "follow_session": lambda feed: take(feed.follow_session("ses_1"), 1),
    "follow_all": lambda feed: take(feed.follow_all(), 1),
    "get_latest_checkpoint": lambda feed: feed.get_latest_checkpoint(),
    "feed_lag": lambda feed: feed.feed_lag(),
    "consumer": lambda feed: take(feed.consumer("one").batches(), 1),
    "list_consumers": lambda feed: feed.list_consumers(),
    "delete_consumer": lambda feed: feed.delete_consumer("one"),
}


@pytest.mark.usefixtures("session")
class TestFeedClosing(EventFeedContract):
    """
    Whatever ends, leaves nothing behind; the fixtures see to that.
    """

    async def test_every_method_of_the_port_is_tried(self) -> None:
        """
        The calls of the tests below are all there are, but for aclose itself.
        """
        methods = {name for name in vars(EventFeed) if name[0] != "_"}
        assert set(_CALLS) == methods - {"aclose"}

    async def test_every_method_refuses_once_the_feed_is_closed(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        Whether it was used before or not.
        """
        await store.append_events(make_events(1))
        await feed.aclose()
        for call in _CALLS.values():
            with pytest.raises(StoreClosedError):
                await call(feed)

    async def test_a_feed_may_be_closed_twice(self, feed: EventFeed) -> None:
        """
        Also at the same time, and before it was ever used.
        """
        await asyncio.gather(feed.aclose(), feed.aclose())
        await feed.aclose()

    async def test_closing_ends_those_who_wait(
        self, store: SessionStore, open_feed: OpenFeed
    ) -> None:
        """
        They are told so; other feeds go on.
        """
        feed, another = await open_feed(), await open_feed()
        staying = Collecting(another.follow_session("ses_1"))
        waiting: list[Collecting[Any]] = [
            Collecting(feed.follow_session("ses_1")),
            Collecting(feed.follow_all()),
            Collecting(acknowledged(feed.consumer("one"))),
        ]
        await store.append_events(make_events(2))
        for one in waiting:
            await one.until(1)
        await staying.until(2)
        await feed.aclose()
        for one in waiting:
            with pytest.raises(StoreClosedError):
                await one.end()
        await store.append_events(make_events(1, first=3))
        assert len(await staying.until(3)) == 3
        await staying.stop()

    async def test_closing_ends_those_who_are_busy(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        An iterator whose consumer was at work refuses to go on.
        """
        await store.append_events(make_events(2))
        async with (
            aclosing(feed.follow_session("ses_1")) as one,
            aclosing(feed.follow_all()) as all_,
        ):
            await anext(one)
            await anext(all_)
            await feed.aclose()
            with pytest.raises(StoreClosedError):
                await anext(one)
            with pytest.raises(StoreClosedError):
                await anext(all_)

    async def test_closing_gives_leases_up(
        self, store: SessionStore, feed: EventFeed, open_feed: OpenFeed
    ) -> None:
        """
        Another has them at once, though a batch is still in progress, or waited for.
        """
        await store.append_events(make_events(1))
        another = await open_feed()
        async with aclosing(feed.consumer("one").batches()) as batches:
            await anext(batches)
            waiting = Collecting(feed.consumer("two").batches())
            await waiting.until(1)
            await feed.aclose()
            for name in ("one", "two"):
                await take(another.consumer(name).batches(), 1)
            with pytest.raises(StoreClosedError):
                await anext(batches)
        with pytest.raises(StoreClosedError):
            await waiting.end()

    async def test_an_iterator_that_was_never_begun_leaves_nothing(
        self, feed: EventFeed
    ) -> None:
        """
        Nothing is done before its first step.
        """
        await feed.follow_session("ses_1").aclose()
        await feed.follow_all().aclose()
        await feed.consumer("one").batches().aclose()
        assert await feed.list_consumers() == []

    @pytest.mark.parametrize("turns", [0, 1, 2, 5, 20, 100, 1_000])
    async def test_an_iterator_can_be_cancelled(
        self, store: SessionStore, feed: EventFeed, turns: int
    ) -> None:
        """
        Whenever it is, nothing of it remains, and the feed works as before.
        """
        await store.append_events(make_events(1))
        for following in (
            feed.follow_session("ses_1"),
            feed.follow_all(),
            feed.consumer("one").batches(),
        ):
            await cancel_after(turns, _drain(following))
        assert len(await take(feed.follow_session("ses_1"), 1)) == 1
        assert len(await take(feed.consumer("one").batches(), 1)) == 1

    async def test_a_feed_belongs_to_the_loop_that_first_used_it(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        From another event loop every method refuses; in its own the feed goes on.
        """
        await store.append_events(make_events(1))
        await feed.get_latest_checkpoint()
        for call in _CALLS.values():
            with pytest.raises(StoreClosedError):
                await asyncio.to_thread(asyncio.run, call(feed))
        async with asyncio.timeout(LONG_SECONDS):
            assert len(await take(feed.follow_all(), 1)) == 1


async def _drain(following: Any) -> None:
    async with aclosing(following):
        async for _ in following:
            pass
