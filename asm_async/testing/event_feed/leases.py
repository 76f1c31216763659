"""
Leases of durable consumers: one holder at a time, and no other can acknowledge.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from asm_async.errors import LeaseLostError
from asm_async.ports.event_feed import EventFeed
from asm_async.ports.session_store import SessionStore
from asm_async.testing.event_feed.contract import (
    LONG_SECONDS,
    Collecting,
    EventFeedContract,
    OpenFeed,
    acknowledged,
    take,
)
from asm_async.testing.factories import make_events
from asm_async.testing.session_store.contract import numbers_of

__all__ = ["TestLeases"]

_SHORT_SECONDS = 0.2

# It is to run out.
_SHORT_LEASE_SECONDS = 0.3

# It is to be kept, also where a holder gets no processor for as long as a second.
_KEPT_LEASE_SECONDS = 3.0


@pytest.mark.usefixtures("session")
class TestLeases(EventFeedContract):
    """
    Anyone who took the lease last is the only one who can move the checkpoint.
    """

    async def test_the_second_waits_until_the_first_has_ended(
        self, store: SessionStore, feed: EventFeed, open_feed: OpenFeed
    ) -> None:
        """
        A lease that is given up can be taken at once, however long it would last.
        """
        await store.append_events(make_events(2))
        another = await open_feed()
        async with aclosing(feed.consumer("one").batches()) as batches:
            await anext(batches)
            waiting = Collecting(another.consumer("one").batches())
            done, _ = await asyncio.wait({waiting.task}, timeout=_SHORT_SECONDS)
            assert not done
            assert waiting.items == []
        (batch, *_) = await waiting.until(1)
        await waiting.stop()
        assert numbers_of(batch.events) == [1, 2]

    async def test_a_holder_that_hangs_is_succeeded(
        self, store: SessionStore, feed: EventFeed, open_feed: OpenFeed
    ) -> None:
        """
        It can neither acknowledge nor renew any more, and is told so when it goes on.
        """
        await store.append_events(make_events(2))
        another = await open_feed()
        hung = feed.consumer("one", lease_seconds=_SHORT_LEASE_SECONDS)
        async with aclosing(hung.batches()) as batches:
            late = await anext(batches)
            (batch,) = await take(another.consumer("one").batches(), 1)
            assert batch.events == late.events
            with pytest.raises(LeaseLostError):
                await late.acknowledge()
            with pytest.raises(LeaseLostError):
                await late.renew_lease()
            with pytest.raises(LeaseLostError):
                await anext(batches)
        (state,) = await feed.list_consumers()
        assert state.checkpoint is None

    async def test_who_was_succeeded_with_all_acknowledged_takes_its_turn_again(
        self, store: SessionStore, feed: EventFeed, open_feed: OpenFeed
    ) -> None:
        """
        Nothing was lost with the lease, so that nobody need be told.
        """
        await store.append_events(make_events(1))
        another = await open_feed()
        slow = feed.consumer("one", lease_seconds=_SHORT_LEASE_SECONDS)
        async with asyncio.timeout(LONG_SECONDS), aclosing(slow.batches()) as batches:
            await (await anext(batches)).acknowledge()
            await store.append_events(make_events(1, first=2))
            async with aclosing(another.consumer("one").batches()) as others:
                batch = await anext(others)
                await batch.acknowledge()
            await store.append_events(make_events(1, first=3))
            again = await anext(batches)
        assert numbers_of(batch.events) == [2]
        assert numbers_of(again.events) == [3]

    async def test_a_holder_that_waits_keeps_its_lease(
        self, store: SessionStore, feed: EventFeed, open_feed: OpenFeed
    ) -> None:
        """
        While it waits for events, for longer than the lease, nobody succeeds it.
        """
        await store.append_events(make_events(1))
        first = Collecting(
            acknowledged(feed.consumer("one", lease_seconds=_KEPT_LEASE_SECONDS))
        )
        await first.until(1)
        another = await open_feed()
        second = Collecting(
            another.consumer("one", lease_seconds=_KEPT_LEASE_SECONDS).batches()
        )
        await asyncio.wait({first.task, second.task}, timeout=2 * _KEPT_LEASE_SECONDS)
        await store.append_events(make_events(1, first=2))
        await first.until(2)
        assert second.items == []
        await second.stop()
        await first.stop()

    async def test_a_lease_can_be_renewed_while_a_batch_is_dealt_with(
        self, store: SessionStore, feed: EventFeed, open_feed: OpenFeed
    ) -> None:
        """
        A handler that takes long says that it is still there.
        """
        await store.append_events(make_events(1))
        another = await open_feed()
        patient = feed.consumer("one", lease_seconds=_KEPT_LEASE_SECONDS)
        async with aclosing(patient.batches()) as batches:
            batch = await anext(batches)
            waiting = Collecting(another.consumer("one").batches())
            for _ in range(4):
                await asyncio.wait({waiting.task}, timeout=_KEPT_LEASE_SECONDS / 3)
                await batch.renew_lease()
            await batch.acknowledge()
        assert waiting.items == []
        await waiting.stop()
        (state,) = await feed.list_consumers()
        assert state.checkpoint == batch.checkpoint

    async def test_a_lease_that_was_given_up_is_not_revived(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        Who acknowledges after the iteration has ended keeps nobody waiting by it.
        """
        await store.append_events(make_events(2))
        batches = feed.consumer("one").batches(max_size=1)
        batch = await anext(batches)
        await batches.aclose()
        await batch.acknowledge()
        await batch.renew_lease()
        (state,) = await feed.list_consumers()
        assert (state.holder, state.leased_until) == (None, None)
        (following,) = await take(feed.consumer("one").batches(), 1)
        assert numbers_of(following.events) == [2]

    async def test_tokens_ascend(self, store: SessionStore, feed: EventFeed) -> None:
        """
        Each time the lease is taken the fencing token is greater, also of a new name.
        """
        await store.append_events(make_events(1))
        tokens: list[int] = []
        for _ in range(2):
            for _ in range(2):
                await take(feed.consumer("one").batches(), 1)
                (state,) = await feed.list_consumers()
                tokens.append(state.fencing_token)
            await feed.delete_consumer("one")
        assert tokens == sorted(set(tokens))

    async def test_to_forget_a_consumer_takes_its_lease_away(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        Anyone who held it cannot acknowledge, though the name was taken again.
        """
        await store.append_events(make_events(1))
        async with aclosing(feed.consumer("one").batches()) as batches:
            batch = await anext(batches)
            await feed.delete_consumer("one")
            with pytest.raises(LeaseLostError):
                await batch.acknowledge()
            await take(feed.consumer("one").batches(), 1)
            with pytest.raises(LeaseLostError):
                await batch.acknowledge()

    async def test_many_who_want_it_share_the_feed(
        self, store: SessionStore, open_feed: OpenFeed
    ) -> None:
        """
        Of five consumers of one name, each event is given to one, in order.
        """
        feeds = [await open_feed() for _ in range(5)]
        numbers: list[int] = []

        async def consume(feed: EventFeed) -> None:
            while len(numbers) < 40:
                async with aclosing(feed.consumer("one").batches(max_size=3)) as them:
                    batch = await anext(them)
                    numbers.extend(numbers_of(batch.events))
                    await batch.acknowledge()

        tasks = [asyncio.create_task(consume(feed)) for feed in feeds]
        for number in range(20):
            await store.append_events(make_events(2, first=1 + 2 * number))
        await asyncio.wait(
            tasks, timeout=LONG_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert numbers == list(range(1, 41))
