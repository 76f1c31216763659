"""
What each tenant follows.
"""

from __future__ import annotations

from contextlib import aclosing

import attrs
import pytest

from asm_async.errors import ValidationError
from asm_async.ports.event_feed import EventFeed
from asm_async.ports.session_store import SessionStore
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.event_feed.contract import (
    LONG_SECONDS,
    EventFeedContract,
    take,
)
from asm_async.testing.factories import make_event, make_session
from asm_async.values.session import SessionStatus

__all__ = ["TestTenantFollowing"]


async def _append(store: SessionStore, session_id: str, number: int) -> None:
    await store.append_event(make_event(id=f"evt_{number}", session_id=session_id))


class TestTenantFollowing(EventFeedContract):
    """
    With a tenant, a follower is given events of that tenant's sessions alone.
    """

    @needs(Capability.ONE_FEED, is_likely=True)
    async def test_the_feed_gives_a_tenant_its_own_events(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        Others' events, and those of nobody's sessions, are left out.
        """
        for number, tenant_id in enumerate(("tenant_1", "tenant_2", None)):
            session = make_session(id=f"ses_{number}", tenant_id=tenant_id)
            await store.save_session(session)
        for number in range(9):
            await _append(store, f"ses_{number % 3}", number)

        found = await take(feed.follow_all(tenant_id="tenant_1"), 3)

        assert [event.id for event, _ in found] == ["evt_0", "evt_3", "evt_6"]

    async def test_a_session_that_moved_away_is_followed_no_longer(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        Anyone who follows a session is given nothing of it once it is another tenant's.
        """
        session = make_session(tenant_id="tenant_1")
        await store.save_session(session)
        await _append(store, "ses_1", 1)
        async with aclosing(
            feed.follow_session("ses_1", tenant_id="tenant_1", until_over=True)
        ) as following:
            first = await anext(following)
            moved = attrs.evolve(session, tenant_id="tenant_2")
            await store.save_session(moved)
            await _append(store, "ses_1", 2)
            await store.save_session(moved.update_status(SessionStatus.COMPLETED))
            rest = [event async for event in following]
        other = await take(feed.follow_session("ses_1", tenant_id="tenant_2"), 2)

        assert (first.id, rest) == ("evt_1", [])
        assert [event.id for event in other] == ["evt_1", "evt_2"]

    async def test_another_tenants_session_has_no_events(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        Following another tenant's session to its end gives nothing.
        """
        await store.save_session(make_session(tenant_id="tenant_1", status="completed"))
        await _append(store, "ses_1", 1)

        following = feed.follow_session("ses_1", tenant_id="tenant_2", until_over=True)

        assert await take(following, 1) == []

    @needs(Capability.ONE_FEED, is_likely=True)
    async def test_a_consumer_works_off_one_tenants_events(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        Its checkpoint is a place in the whole feed, good for whatever it asks for next.
        """
        for number, tenant_id in enumerate(("tenant_1", "tenant_2", None)):
            session = make_session(id=f"ses_{number}", tenant_id=tenant_id)
            await store.save_session(session)
        for number in range(9):
            await _append(store, f"ses_{number % 3}", number)

        # What was just committed may have to wait for a transaction of others.
        wait = LONG_SECONDS
        one = feed.consumer("one", tenant_id="tenant_2")
        async with aclosing(one.batches(max_size=2, max_wait=wait)) as batches:
            batch = await anext(batches)
            await batch.acknowledge()
        again = feed.consumer("one", tenant_id="tenant_2")
        (rest,) = await take(again.batches(), 1)
        (others,) = await take(
            feed.consumer("one").batches(max_size=4, max_wait=wait), 1
        )

        assert [event.id for event in batch.events] == ["evt_1", "evt_4"]
        assert [event.id for event in rest.events] == ["evt_7"]
        assert [event.id for event in others.events] == [
            "evt_5",
            "evt_6",
            "evt_7",
            "evt_8",
        ]

    @pytest.mark.parametrize("tenant_id", ["", "a\0", 7])
    async def test_what_is_no_tenant_is_refused(
        self, feed: EventFeed, tenant_id: str
    ) -> None:
        """
        A tenant's id is text, as everywhere.
        """
        with pytest.raises(ValidationError, match=r"^tenant_id: "):
            feed.follow_all(tenant_id=tenant_id)
        with pytest.raises(ValidationError, match=r"^tenant_id: "):
            feed.follow_session("ses_1", tenant_id=tenant_id)
        with pytest.raises(ValidationError, match=r"^tenant_id: "):
            feed.consumer("one", tenant_id=tenant_id)
