"""
Sessions that come to an end while they are followed.
"""

from __future__ import annotations

import attrs
import pytest

from asm_async.ports.event_feed import EventFeed
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import EventFeedBackend
from asm_async.testing.event_feed.contract import Collecting, EventFeedContract, take
from asm_async.testing.factories import (
    make_events,
    make_execution_result,
    make_session,
)
from asm_async.testing.session_store.contract import numbers_of
from asm_async.values.event import EventType
from asm_async.values.session import SessionStatus

__all__ = ["TestSessionEnds"]


@pytest.mark.usefixtures("session")
class TestSessionEnds(EventFeedContract):
    """
    An iterator ends with its session if that was asked for, and never before all came.
    """

    @pytest.mark.parametrize(
        "status",
        [SessionStatus.COMPLETED, SessionStatus.FAILED, SessionStatus.CANCELLED],
    )
    async def test_it_ends_when_the_session_is_over(
        self, store: SessionStore, feed: EventFeed, status: SessionStatus
    ) -> None:
        """
        All that was stored by then is given first, whatever way the session ended.
        """
        following = Collecting(feed.follow_session("ses_1", until_over=True))
        await store.append_events(make_events(3))
        await following.until(3)
        await store.append_events(make_events(2, first=4))
        await store.save_session(make_session(status=status))
        assert numbers_of(await following.end()) == [1, 2, 3, 4, 5]

    async def test_it_ends_at_once_where_the_session_was_over(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        Anyone who comes late is given the log and no more, be it longer than a batch.
        """
        await store.append_events(make_events(600))
        await store.save_session(make_session(status=SessionStatus.COMPLETED))
        events = await take(feed.follow_session("ses_1", until_over=True), 601)
        assert numbers_of(events) == list(range(1, 601))

    async def test_a_flush_that_ends_the_session_is_given_whole(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        Events that are stored together with the end are not lost.
        """
        following = Collecting(feed.follow_session("ses_1", until_over=True))
        await store.flush(
            make_execution_result(session=make_session(status=SessionStatus.FAILED))
        )
        assert numbers_of(await following.end()) == [1, 2]

    async def test_a_filter_does_not_hide_the_end(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        It ends although none of the last events is wanted.
        """
        following = Collecting(
            feed.follow_session(
                "ses_1", types=[EventType.ERROR_OCCURRED], until_over=True
            )
        )
        await store.append_events(make_events(3))
        await store.save_session(make_session(status=SessionStatus.COMPLETED))
        assert await following.end() == []

    async def test_it_ends_when_the_session_is_deleted(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        What is gone for good is over, too.
        """
        following = Collecting(feed.follow_session("ses_1", until_over=True))
        await store.append_events(make_events(2))
        await following.until(2)
        await store.delete_session("ses_1")
        assert numbers_of(await following.end()) == [1, 2]
        assert await take(feed.follow_session("ses_1", until_over=True), 1) == []

    async def test_it_ends_when_the_session_is_soft_deleted(
        self, store: SessionStore, feed: EventFeed, backend: EventFeedBackend
    ) -> None:
        """
        What cannot be written to is over; its log is given all the same.
        """
        following = Collecting(feed.follow_session("ses_1", until_over=True))
        await store.append_events(make_events(2))
        await backend.soft_delete("ses_1")
        assert numbers_of(await following.end()) == [1, 2]

    async def test_a_session_that_never_was_is_waited_for(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        An unknown session is not over: it may be on its way.
        """
        following = Collecting(feed.follow_session("ses_2", until_over=True))
        new = make_session(id="ses_2")
        await store.save_session(new)
        await store.append_events(make_events(1, session_id="ses_2"))
        await following.until(1)
        await store.save_session(attrs.evolve(new, status=SessionStatus.CANCELLED))
        assert numbers_of(await following.end()) == [1]

    async def test_without_being_asked_it_goes_on(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        Events that are appended to a session that is over come like any others.
        """
        following = Collecting(feed.follow_session("ses_1"))
        await store.append_events(make_events(1))
        await store.save_session(make_session(status=SessionStatus.COMPLETED))
        await following.until(1)
        await store.append_events(make_events(1, first=2))
        assert numbers_of(await following.until(2)) == [1, 2]
        await following.stop()

    async def test_a_session_that_comes_back_is_followed_on(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        Deleted and saved again, its numbers go on, and so does the iterator.
        """
        following = Collecting(feed.follow_session("ses_1"))
        await store.append_events(make_events(3))
        await following.until(3)
        await store.delete_session("ses_1")
        await store.save_session(make_session())
        await store.append_events(make_events(2, first=4))
        assert numbers_of(await following.until(5)) == [1, 2, 3, 4, 5]
        await following.stop()

    async def test_a_soft_deleted_session_goes_on_when_it_is_restored(
        self, store: SessionStore, feed: EventFeed, backend: EventFeedBackend
    ) -> None:
        """
        A follower that does not end with it waits for its restoring.
        """
        following = Collecting(feed.follow_session("ses_1"))
        await store.append_events(make_events(1))
        await backend.soft_delete("ses_1")
        await following.until(1)
        await backend.restore("ses_1")
        await store.append_events(make_events(1, first=2))
        assert numbers_of(await following.until(2)) == [1, 2]
        await following.stop()
