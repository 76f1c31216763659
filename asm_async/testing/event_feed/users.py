"""
What is followed of each user.
"""

from __future__ import annotations

from contextlib import aclosing

import attrs
import pytest

from asm_async.errors import ValidationError
from asm_async.ports.event_feed import EventFeed
from asm_async.ports.session_store import SessionStore
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.event_feed.contract import EventFeedContract, take
from asm_async.testing.factories import make_event, make_session
from asm_async.values.session import SessionStatus

__all__ = ["TestUserFollowing"]


async def _save_sessions(store: SessionStore) -> None:
    owners = (("tenant_1", "ann"), ("tenant_1", "bob"), ("tenant_2", "ann"))
    for number, (tenant_id, user_id) in enumerate(owners):
        session = make_session(id=f"ses_{number}", tenant_id=tenant_id, user_id=user_id)
        await store.save_session(session)


async def _append(store: SessionStore, *numbers: int) -> None:
    for number in numbers:
        event = make_event(id=f"evt_{number}", session_id=f"ses_{number % 3}")
        await store.append_event(event)


class TestUserFollowing(EventFeedContract):
    """
    With a user, a follower is given events of that user's sessions alone.
    """

    @needs(Capability.ONE_FEED, is_likely=True)
    async def test_the_feed_gives_a_user_its_own_events(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        Stored ones and those to come, of one tenant alone if that is asked for too.
        """
        await _save_sessions(store)
        await _append(store, *range(6))
        async with aclosing(feed.follow_all(user_id="ann")) as following:
            found = [await anext(following) for _ in range(4)]
            await _append(store, 6, 7, 8)
            found += [await anext(following) for _ in range(2)]
        both = feed.follow_all(user_id="ann", tenant_id="tenant_2")

        assert [event.id for event, _ in found] == [
            f"evt_{number}" for number in (0, 2, 3, 5, 6, 8)
        ]
        assert [event.id for event, _ in await take(both, 3)] == [
            "evt_2",
            "evt_5",
            "evt_8",
        ]

    async def test_a_consumer_works_off_one_users_events(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        Others' events are no part of its batches.
        """
        await _save_sessions(store)
        await _append(store, *range(6))

        (batch,) = await take(feed.consumer("one", user_id="bob").batches(), 1)

        assert [event.id for event in batch.events] == ["evt_1", "evt_4"]

    async def test_a_session_that_became_anothers_is_followed_no_longer(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        Anyone who follows a session is given nothing of it once it is another user's.
        """
        await _save_sessions(store)
        await _append(store, 0)
        session = await store.get_session("ses_0")
        async with aclosing(
            feed.follow_session("ses_0", user_id="ann", until_over=True)
        ) as following:
            first = await anext(following)
            moved = attrs.evolve(session, user_id="bob")
            await store.save_session(moved)
            await _append(store, 3)
            await store.save_session(moved.update_status(SessionStatus.COMPLETED))
            rest = [event async for event in following]
        other = await take(feed.follow_session("ses_0", user_id="bob"), 2)

        assert (first.id, rest) == ("evt_0", [])
        assert [event.id for event in other] == ["evt_0", "evt_3"]

    @pytest.mark.parametrize("user_id", ["", "a\0", 7])
    async def test_what_is_no_user_is_refused(
        self, feed: EventFeed, user_id: str
    ) -> None:
        """
        A user's id is text, as everywhere.
        """
        with pytest.raises(ValidationError, match=r"^user_id: "):
            feed.follow_all(user_id=user_id)
        with pytest.raises(ValidationError, match=r"^user_id: "):
            feed.follow_session("ses_1", user_id=user_id)
        with pytest.raises(ValidationError, match=r"^user_id: "):
            feed.consumer("one", user_id=user_id)
