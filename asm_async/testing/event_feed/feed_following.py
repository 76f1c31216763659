"""
Following all sessions.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
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
)
from asm_async.testing.session_store.contract import OpenStore
from asm_async.values.event import Event, EventType

__all__ = ["TestFeedFollowing"]


def keys_of(found: Iterable[tuple[Event, str]]) -> list[tuple[str, int]]:
    """
    Return session and number of each event.
    """
    return [(event.session_id, event.sequence_number) for event, _ in found]


async def open_sessions(store: SessionStore, *ids: str) -> None:
    """
    Store sessions of these ids.
    """
    for session_id in ids:
        await store.save_session(make_session(id=session_id))


@pytest.mark.usefixtures("session")
class TestFeedFollowing(EventFeedContract):
    """
    The feed of all sessions leaves nothing out and keeps each session's order.
    """

    @needs(Capability.ONE_FEED, is_likely=True)
    async def test_events_of_all_sessions_come(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        What is stored comes in the order of the commits, then what is appended.
        """
        await open_sessions(store, "ses_2")
        following = Collecting(feed.follow_all())
        for number in range(4):
            session_id = f"ses_{1 + number % 2}"
            await store.append_event(
                make_event(id=f"evt_{number}", session_id=session_id)
            )
        found = await following.until(4)
        await following.stop()
        assert keys_of(found) == [
            ("ses_1", 1),
            ("ses_2", 1),
            ("ses_1", 2),
            ("ses_2", 2),
        ]
        assert keys_of(await take(feed.follow_all(), 4)) == keys_of(found)

    async def test_events_are_as_stored(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        Whole events come, with and without a filter.
        """
        stored = await store.append_events(make_events(2))
        assert [event for event, _ in await take(feed.follow_all(), 2)] == stored
        found = await take(feed.follow_all(agent_id="assistant"), 2)
        assert [event for event, _ in found] == stored

    async def test_a_checkpoint_is_where_to_go_on(
        self, store: SessionStore, feed: EventFeed, open_feed: OpenFeed
    ) -> None:
        """
        From each event's checkpoint on, what comes behind it is given, and only that.
        """
        await store.append_events(make_events(5))
        found = await take(feed.follow_all(), 5)
        another = await open_feed()
        for place, (_, checkpoint) in enumerate(found[:-1], start=1):
            rest = await take(another.follow_all(checkpoint=checkpoint), 5 - place)
            assert rest == found[place:]

    async def test_from_the_latest_checkpoint_only_news_come(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        Also where nothing was stored before.
        """
        beginning = await feed.get_latest_checkpoint()
        await store.append_events(make_events(2))
        await take(feed.follow_all(), 2)
        latest = await feed.get_latest_checkpoint()
        following = Collecting(feed.follow_all(checkpoint=latest))
        await store.append_events(make_events(1, first=3))
        assert keys_of(await following.until(1)) == [("ses_1", 3)]
        await following.stop()
        found = await take(feed.follow_all(checkpoint=beginning), 3)
        assert keys_of(found) == [("ses_1", 1), ("ses_1", 2), ("ses_1", 3)]

    async def test_only_the_types_that_are_asked_for_come(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        Others are passed over, however many they are.
        """
        rare = make_event(id="rare", type=EventType.ERROR_OCCURRED)
        await store.append_events([*make_events(1_500), rare])
        following = Collecting(feed.follow_all(types=[EventType.ERROR_OCCURRED]))
        assert keys_of(await following.until(1)) == [("ses_1", 1_501)]
        await store.append_events(make_events(1, first=2_000))
        await store.append_event(
            make_event(id="rare too", type=EventType.ERROR_OCCURRED)
        )
        assert keys_of(await following.until(2))[1:] == [("ses_1", 1_503)]
        await following.stop()
        alone = await take(feed.follow_all(types="error_occurred"), 2)
        assert keys_of(alone) == [("ses_1", 1_501), ("ses_1", 1_503)]

    @needs(Capability.ONE_FEED, is_likely=True)
    async def test_only_the_agent_that_is_asked_for_comes(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        Events of other agents' sessions are passed over.
        """
        await store.save_session(make_session(id="ses_2", agent_id="another"))
        following = Collecting(feed.follow_all(agent_id="another"))
        await store.append_events(make_events(2))
        await store.append_events(make_events(2, session_id="ses_2"))
        assert keys_of(await following.until(2)) == [("ses_2", 1), ("ses_2", 2)]
        await following.stop()

    @needs(Capability.ONE_FEED, is_likely=True)
    async def test_events_that_were_deleted_are_left_out(
        self, store: SessionStore, feed: EventFeed, backend: EventFeedBackend
    ) -> None:
        """
        Pruned or gone with their session, they vanish, and the rest comes.
        """
        await open_sessions(store, "ses_2")
        await store.append_events(make_events(4))
        await store.append_events(make_events(2, session_id="ses_2"))
        await backend.prune("ses_1", [1, 3])
        await store.delete_session("ses_2")
        await open_sessions(store, "ses_2")
        await store.append_events(make_events(1, session_id="ses_2"))
        found = await take(feed.follow_all(), 3)
        assert keys_of(found) == [("ses_1", 2), ("ses_1", 4), ("ses_2", 3)]

    async def test_a_checkpoint_outlives_its_event(
        self, store: SessionStore, feed: EventFeed, backend: EventFeedBackend
    ) -> None:
        """
        One can go on from where an event was that has been deleted since.
        """
        await store.append_events(make_events(3))
        found = await take(feed.follow_all(), 3)
        await backend.prune("ses_1", [2, 3])
        following = Collecting(feed.follow_all(checkpoint=found[2][1]))
        await store.append_events(make_events(1, first=4))
        assert keys_of(await following.until(1)) == [("ses_1", 4)]
        await following.stop()

    @needs(Capability.ONE_FEED, is_likely=True)
    async def test_writers_together_leave_nothing_out(
        self, store: SessionStore, open_store: OpenStore, open_feed: OpenFeed
    ) -> None:
        """
        Four stores append and flush to four sessions; all followers see one order.

        Each session's events come in the order of their numbers, and none is missing.
        """
        ids = [f"ses_{number}" for number in range(1, 5)]
        await open_sessions(store, *ids[1:])
        stores = [store, *[await open_store() for _ in range(3)]]
        feeds = [await open_feed() for _ in range(2)]
        followers = [Collecting(feed.follow_all()) for feed in feeds]

        async def write(name: str, store: SessionStore) -> None:
            for number in range(12):
                session_id = ids[number % 4]
                fields = {
                    "session_id": session_id,
                    "run_id": f"run_{name}_{session_id}",
                }
                events = [
                    make_event(id=f"{name}-{number}-{place}", **fields)
                    for place in range(2)
                ]
                if number % 3:
                    await store.append_events(events)
                else:
                    await store.flush(
                        make_execution_result(
                            session=make_session(id=session_id),
                            run=make_run(id=fields["run_id"], session_id=session_id),
                            events=events,
                        )
                    )

        names = "abcd"
        await run_together(
            write(name, store) for name, store in zip(names, stores, strict=True)
        )
        followers.append(Collecting(feeds[0].follow_all()))
        records = [await following.until(96) for following in followers]
        for following in followers:
            await following.stop()
        assert records[0] == records[1] == records[2]
        numbers: dict[str, list[int]] = defaultdict(list)
        for session_id, number in keys_of(records[0]):
            numbers[session_id].append(number)
        assert numbers == {id_: list(range(1, 25)) for id_ in ids}

    async def test_long_feeds_come_whole(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        More events than a follower holds at a time come without hole or repetition.
        """
        await store.append_events(make_events(700))
        found = await take(feed.follow_all(), 700)
        assert keys_of(found) == [("ses_1", number) for number in range(1, 701)]

    async def test_a_slow_consumer_holds_up_nobody(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        One that does not go on keeps neither writers nor other followers waiting.
        """
        async with aclosing(feed.follow_all()) as slow:
            await store.append_events(make_events(1))
            async with asyncio.timeout(LONG_SECONDS):
                await anext(slow)
            quick = Collecting(feed.follow_all())
            for number in range(5):
                await store.append_events(make_events(100, first=2 + 100 * number))
            assert len(await quick.until(501)) == 501
            await quick.stop()

    async def test_the_lag_is_what_is_still_to_come(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        It counts the events behind a checkpoint, or all of them.
        """
        assert (await feed.feed_lag()).pending_events == 0
        await store.append_events(make_events(5))
        found = await take(feed.follow_all(), 5)
        assert (await feed.feed_lag()).pending_events == 5
        lag = await feed.feed_lag(checkpoint=found[2][1])
        assert lag.pending_events == 2
