"""
Following one session.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from asm_async.ports.event_feed import EventFeed
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import EventFeedBackend
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.concurrency import run_together
from asm_async.testing.event_feed.contract import (
    LONG_SECONDS,
    Collecting,
    EventFeedContract,
    OpenFeed,
    take,
)
from asm_async.testing.factories import (
    make_event,
    make_events,
    make_execution_result,
    make_run,
    make_session,
    numbered,
)
from asm_async.testing.session_store.contract import OpenStore, numbers_of
from asm_async.values.event import EVENTS_RETRACTED, Event, EventType

__all__ = ["TestSessionFollowing"]

_MORE_THAN_ONE_BATCH = 600


@pytest.mark.usefixtures("session")
class TestSessionFollowing(EventFeedContract):
    """
    A follower is given every event of its session once, in order, however it joins.
    """

    async def test_what_is_stored_comes_first(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        Events come as they are stored, from the first one on.
        """
        stored = await store.append_events(make_events(3))
        assert await take(feed.follow_session("ses_1"), 3) == stored

    async def test_then_comes_what_is_appended(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        A follower that has seen everything is given each event that follows.
        """
        async with aclosing(feed.follow_session("ses_1")) as following:
            for number in range(1, 21):
                async with asyncio.timeout(LONG_SECONDS):
                    _, event = await asyncio.gather(
                        store.append_events(make_events(1, first=number)),
                        anext(following),
                    )
                assert event.sequence_number == number

    async def test_resuming_is_by_number(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        Only events behind the number that was seen last are given.
        """
        await store.append_events(make_events(5))
        events = await take(feed.follow_session("ses_1", after=3), 2)
        assert numbers_of(events) == [4, 5]

    async def test_a_number_that_is_not_reached_yet_can_be_waited_for(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        Anyone who resumes from a number to come is given what comes behind it.
        """
        following = Collecting(feed.follow_session("ses_1", after=2))
        await store.append_events(make_events(4))
        assert numbers_of(await following.until(2)) == [3, 4]
        await following.stop()

    async def test_long_logs_come_whole(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        More events than a follower holds at a time come without hole or repetition.
        """
        await store.append_events(make_events(_MORE_THAN_ONE_BATCH))
        events = await take(feed.follow_session("ses_1"), _MORE_THAN_ONE_BATCH)
        assert numbers_of(events) == list(range(1, _MORE_THAN_ONE_BATCH + 1))

    async def test_only_the_types_that_are_asked_for_come(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        Others are passed over, our own types and the application's alike.
        """
        types = [EventType.TURN_COMPLETED, "myapp.noted", EventType.MESSAGE_SENT]
        following = Collecting(
            feed.follow_session("ses_1", types=["myapp.noted", types[0]])
        )
        for number in range(6):
            await store.append_event(
                make_event(id=f"evt_{number}", type=types[number % 3])
            )
        assert numbers_of(await following.until(4)) == [1, 2, 4, 5]
        await following.stop()

    async def test_a_retraction_comes_like_any_other_event(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        With what stands in the place of what is hidden, which was given out before.
        """
        following = Collecting(feed.follow_session("ses_1"))
        told_alone = Collecting(feed.follow_session("ses_1", types=EVENTS_RETRACTED))
        stored = await store.append_events(make_events(3))
        retracted = await store.retract_events(
            "ses_1", first=2, last=3, replacement=make_events(1, first=4)
        )
        assert await following.until(5) == [*stored, *retracted]
        assert await told_alone.until(1) == retracted[:1]
        await following.stop()
        await told_alone.stop()

    async def test_only_the_run_that_is_asked_for_comes(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        Events of other runs, and of none, are passed over.
        """
        runs = ["run_1", None, "run_2"]
        for number, run_id in enumerate(runs * 2):
            await store.append_event(make_event(id=f"evt_{number}", run_id=run_id))
        events = await take(feed.follow_session("ses_1", run_id="run_2"), 2)
        assert numbers_of(events) == [3, 6]

    async def test_no_types_are_no_events(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        An empty collection of types lets nothing through.
        """
        following = Collecting(feed.follow_session("ses_1", types=[]))
        witness = Collecting(feed.follow_session("ses_1"))
        await store.append_events(make_events(3))
        await witness.until(3)
        await witness.stop()
        assert await following.stop() == []

    @needs(Capability.SPANS_SESSIONS)
    async def test_other_sessions_are_not_seen(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        A follower is given the events of its own session alone.
        """
        await store.save_session(make_session(id="ses_2"))
        following = Collecting(feed.follow_session("ses_1"))
        mixed = [
            make_event(id=f"evt_{number}", session_id=f"ses_{1 + number % 2}")
            for number in range(10)
        ]
        await store.append_events(mixed)
        events = await following.until(5)
        await following.stop()
        assert {event.session_id for event in events} == {"ses_1"}
        assert numbers_of(events) == [1, 2, 3, 4, 5]

    async def test_a_session_may_be_followed_before_it_is_there(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        Followers of an id that is not known yet wait for it, also if a flush brings it.
        """
        following = Collecting(feed.follow_session("ses_new"))
        flushed = await store.flush(
            make_execution_result(
                session=make_session(id="ses_new"),
                run=make_run(session_id="ses_new"),
                events=make_events(2, run_id="run_1", session_id="ses_new"),
            )
        )
        assert await following.until(2) == list(flushed.events)
        await following.stop()

    async def test_followers_join_before_during_and_after(
        self, store: SessionStore, open_store: OpenStore, open_feed: OpenFeed
    ) -> None:
        """
        While four stores append, anyone who joins sees the same log, whole.
        """
        stores = [store, *[await open_store() for _ in range(3)]]
        feeds = [await open_feed() for _ in range(2)]
        followers = [Collecting(feed.follow_session("ses_1")) for feed in feeds]

        async def write(name: int, store: SessionStore) -> None:
            for number in range(10):
                await store.append_events(make_events(2, first=100 * name + 2 * number))
                if number == name:
                    followers.append(
                        Collecting(feeds[name % 2].follow_session("ses_1"))
                    )

        await run_together(write(name, store) for name, store in enumerate(stores))
        followers += [Collecting(feed.follow_session("ses_1")) for feed in feeds]
        log = await store.get_events("ses_1")
        assert numbers_of(log) == list(range(1, 81))
        for following in followers:
            assert await following.until(80) == log
            await following.stop()

    async def test_a_slow_consumer_holds_up_nobody(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        One that does not go on keeps neither writers nor other followers waiting.
        """
        async with aclosing(feed.follow_session("ses_1")) as slow:
            await store.append_events(make_events(1))
            await anext(slow)
            quick = Collecting(feed.follow_session("ses_1"))
            for number in range(10):
                await store.append_events(make_events(50, first=2 + 50 * number))
            assert len(await quick.until(501)) == 501
            await quick.stop()
            rest = [await anext(slow) for _ in range(500)]
            assert numbers_of(rest) == list(range(2, 502))

    async def test_what_a_consumer_does_to_an_event_is_its_own_affair(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        Changing the JSON of an event changes neither the log nor what others are given.
        """
        stored = await store.append_event_with_sequence(make_event())
        (event,) = await take(feed.follow_session("ses_1"), 1)
        event.data["content"] = "changed"
        assert await take(feed.follow_session("ses_1"), 1) == [stored]
        assert await store.get_events("ses_1") == [stored]

    async def test_pruned_events_are_skipped(
        self, store: SessionStore, feed: EventFeed, backend: EventFeedBackend
    ) -> None:
        """
        Numbers skip where events were pruned before they were read, and nowhere else.
        """
        await store.append_events(make_events(6))
        await backend.prune("ses_1", [2, 3])
        following = Collecting(feed.follow_session("ses_1"))
        assert numbers_of(await following.until(4)) == [1, 4, 5, 6]
        await backend.prune("ses_1", [6])
        await store.append_events(make_events(1, first=7))
        assert numbers_of(await following.until(5)) == [1, 4, 5, 6, 7]
        await following.stop()

    async def test_many_followers_share_what_there_is(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        A hundred followers in one process are all given everything.
        """
        followers = [
            Collecting(feed.follow_session("ses_1", after=number % 3))
            for number in range(100)
        ]
        events: list[Event] = []
        for number in range(5):
            events += await store.append_events(make_events(2, first=1 + 2 * number))
        for number, following in enumerate(followers):
            after = number % 3
            assert await following.until(10 - after) == events[after:]
            await following.stop()
        assert events == numbered(make_events(10))
