"""
Durable consumers: what they are given, and what they remember.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from asm_async.ports.event_consumer import EventBatch, EventConsumer
from asm_async.ports.event_feed import EventFeed
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import EventFeedBackend
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.event_feed.contract import (
    LONG_SECONDS,
    EventFeedContract,
    OpenFeed,
    take,
)
from asm_async.testing.factories import make_event, make_events, make_session
from asm_async.testing.session_store.contract import numbers_of
from asm_async.values.event import EventType

__all__ = ["TestConsumers"]

_SHORT_SECONDS = 0.2


async def consume(consumer: EventConsumer, count: int, **options: int) -> list[int]:
    """
    Acknowledge batches until so many events have come; gives their numbers.
    """
    numbers: list[int] = []
    async with (
        asyncio.timeout(LONG_SECONDS),
        aclosing(consumer.batches(**options)) as batches,
    ):
        while len(numbers) < count:
            batch = await anext(batches)
            numbers += numbers_of(batch.events)
            await batch.acknowledge()
    return numbers


async def next_batch(consumer: EventConsumer) -> EventBatch:
    """
    Return the next batch, which is not acknowledged.
    """
    (batch,) = await take(consumer.batches(), 1)
    return batch


@pytest.mark.usefixtures("session")
class TestConsumers(EventFeedContract):
    """
    A durable consumer is given everything behind what it has acknowledged.
    """

    async def test_batches_come_in_order_and_bounded(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        No batch is larger than asked for, and together they are the feed.
        """
        await store.append_events(make_events(25))
        sizes: list[int] = []
        numbers: list[int] = []
        async with (
            asyncio.timeout(LONG_SECONDS),
            aclosing(feed.consumer("one").batches(max_size=10)) as batches,
        ):
            while len(numbers) < 25:
                batch = await anext(batches)
                sizes.append(len(batch.events))
                numbers += numbers_of(batch.events)
                await batch.acknowledge()
        assert numbers == list(range(1, 26))
        assert sizes == [10, 10, 5]

    async def test_a_batch_is_bounded_in_bytes_as_well(
        self, feed: EventFeed, store: SessionStore
    ) -> None:
        """
        Large events come in several batches, however many a batch may have.
        """
        large = {"text": "x" * (1 << 20)}
        for event in make_events(12, data=large):
            await store.append_event(event)
        sizes: list[int] = []
        async with (
            asyncio.timeout(LONG_SECONDS),
            aclosing(feed.consumer("one").batches(max_size=100)) as batches,
        ):
            while sum(sizes) < 12:
                batch = await anext(batches)
                sizes.append(len(batch.events))
                await batch.acknowledge()
        assert sum(sizes) == 12
        assert max(sizes) <= 8

    async def test_a_batch_ends_at_its_checkpoint(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        Anyone who follows from there is given what comes behind the batch.
        """
        await store.append_events(make_events(4))
        (batch,) = await take(feed.consumer("one").batches(max_size=3), 1)
        ((event, checkpoint),) = await take(
            feed.follow_all(checkpoint=batch.checkpoint), 1
        )
        assert event.sequence_number == 4
        assert (await take(feed.follow_all(), 3))[2][1] == batch.checkpoint
        assert checkpoint != batch.checkpoint

    async def test_what_was_acknowledged_is_remembered(
        self, store: SessionStore, feed: EventFeed, open_feed: OpenFeed
    ) -> None:
        """
        Another holder of the name, anywhere, goes on behind it.
        """
        await store.append_events(make_events(4))
        assert await consume(feed.consumer("one"), 2, max_size=2) == [1, 2]
        another = await open_feed()
        assert await consume(another.consumer("one"), 2) == [3, 4]
        assert await consume(another.consumer("two"), 4) == [1, 2, 3, 4]

    async def test_what_was_not_acknowledged_comes_again(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        In the same iteration, and to anyone who takes over.
        """
        await store.append_events(make_events(2))
        consumer = feed.consumer("one")
        first, second = await take(consumer.batches(), 2)
        assert first.events == second.events
        assert (await next_batch(consumer)).events == first.events

    async def test_to_acknowledge_twice_is_once(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        The second time changes nothing, also after a later batch.
        """
        await store.append_events(make_events(3))
        consumer = feed.consumer("one")
        async with (
            asyncio.timeout(LONG_SECONDS),
            aclosing(consumer.batches(max_size=1)) as batches,
        ):
            first = await anext(batches)
            await first.acknowledge()
            await first.acknowledge()
            second = await anext(batches)
            await second.acknowledge()
            await first.acknowledge()
            third = await anext(batches)
        given = [first, second, third]
        assert [numbers_of(batch.events) for batch in given] == [[1], [2], [3]]

    async def test_a_consumer_waits_for_events(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        Nothing comes until something is appended; no batch is empty.
        """
        consuming = asyncio.create_task(consume(feed.consumer("one"), 2))
        done, _ = await asyncio.wait({consuming}, timeout=_SHORT_SECONDS)
        assert not done
        await store.append_events(make_events(2))
        async with asyncio.timeout(LONG_SECONDS):
            assert await consuming == [1, 2]

    async def test_a_batch_can_be_waited_full(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        With time to wait, a batch gathers what comes until it is full.
        """
        batches = feed.consumer("one").batches(max_size=4, max_wait=LONG_SECONDS)
        gathering = asyncio.create_task(take(batches, 1))
        for number in range(1, 5):
            await store.append_events(make_events(1, first=number))
        (batch,) = await gathering
        assert numbers_of(batch.events) == [1, 2, 3, 4]

    async def test_a_batch_is_not_waited_for_longer_than_asked(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        When the time is over, what is there is given.
        """
        await store.append_events(make_events(2))
        batches = feed.consumer("one").batches(max_size=9, max_wait=_SHORT_SECONDS)
        start = asyncio.get_running_loop().time()
        (batch,) = await take(batches, 1)
        assert asyncio.get_running_loop().time() - start >= _SHORT_SECONDS * 0.9
        assert numbers_of(batch.events) == [1, 2]

    async def test_a_consumer_may_begin_anywhere(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        A new name begins at the checkpoint given; a known one where it stands.
        """
        await store.append_events(make_events(4))
        found = await take(feed.follow_all(), 3)
        consumer = feed.consumer("one", checkpoint=found[1][1])
        assert await consume(consumer, 1, max_size=1) == [3]
        assert await consume(feed.consumer("one", checkpoint=found[0][1]), 1) == [4]

    @needs(Capability.ONE_FEED, is_likely=True)
    async def test_a_consumer_may_be_choosy(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        Only the types and the agent that are asked for come.
        """
        await store.save_session(make_session(id="ses_2", agent_id="another"))
        for number in range(4):
            types = [EventType.ERROR_OCCURRED, EventType.TURN_COMPLETED]
            fields = {"id": f"evt_{number}", "type": types[number % 2]}
            await store.append_event(make_event(**fields))
            await store.append_event(make_event(session_id="ses_2", **fields))
        consumer = feed.consumer(
            "one", types=[EventType.TURN_COMPLETED], agent_id="another"
        )
        batches = await take(consumer.batches(max_size=1), 1)
        assert [event.session_id for event in batches[0].events] == ["ses_2"]
        assert await consume(consumer, 2) == [2, 4]

    async def test_deleted_events_are_left_out(
        self, store: SessionStore, feed: EventFeed, backend: EventFeedBackend
    ) -> None:
        """
        They vanish from batches that were not given yet.
        """
        await store.append_events(make_events(5))
        await backend.prune("ses_1", [2, 3])
        assert await consume(feed.consumer("one"), 3) == [1, 4, 5]

    async def test_consumers_are_listed(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        By name, with their checkpoints and leases.
        """
        await store.append_events(make_events(2))
        await consume(feed.consumer("b"), 2)
        async with (
            asyncio.timeout(LONG_SECONDS),
            aclosing(feed.consumer("a").batches()) as batches,
        ):
            batch = await anext(batches)
            held, free = await feed.list_consumers()
        assert [held.name, free.name] == ["a", "b"]
        assert held.checkpoint is None
        assert held.leased_until is not None
        assert held.leased_until > held.updated_at
        assert free.checkpoint == batch.checkpoint
        assert free.leased_until is None
        lag = await feed.feed_lag(checkpoint=free.checkpoint)
        assert lag.pending_events == 0

    async def test_a_consumer_can_be_forgotten(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        Its name begins again; to forget an unknown one does nothing.
        """
        await store.append_events(make_events(2))
        await consume(feed.consumer("one"), 2)
        await feed.delete_consumer("one")
        await feed.delete_consumer("one")
        assert await feed.list_consumers() == []
        assert await consume(feed.consumer("one"), 2) == [1, 2]
