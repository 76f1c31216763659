"""
Reading events.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone

import pytest

from asm_async.errors import ValidationError
from asm_async.ports.session_store import SessionStore
from asm_async.testing.factories import (
    NOON,
    make_event,
    make_events,
    make_session,
    numbered,
)
from asm_async.testing.session_store.contract import SessionStoreContract, numbers_of
from asm_async.values.event import Event, EventType

__all__ = ["TestReads"]


def mixed_events() -> Iterable[Event]:
    """
    Make nine events: a run every third, a type every second, times going backwards.
    """
    for number in range(1, 10):
        yield make_event(
            id=f"evt_{number}",
            run_id=f"run_{number % 3}" if number % 3 else None,
            type=EventType.MESSAGE_SENT if number % 2 else "myapp.thought",
            timestamp=NOON - timedelta(seconds=number),
        )


@pytest.mark.usefixtures("session")
class TestReads(SessionStoreContract):
    """
    get_events gives what matches every filter, in order, oldest first.
    """

    async def test_without_filters_the_whole_log_comes(
        self, store: SessionStore
    ) -> None:
        """
        A session's events and no other's, in order of their numbers.
        """
        await store.save_session(make_session(id="ses_2"))
        await store.append_event(make_event(session_id="ses_2"))
        await store.append_events(list(mixed_events()))
        assert await store.get_events("ses_1") == numbered(mixed_events())

    async def test_an_unknown_session_has_no_events(self, store: SessionStore) -> None:
        """
        Reading a log that is not there is no error.
        """
        assert await store.get_events("ses_unknown") == []

    async def test_after_and_before_are_exclusive(self, store: SessionStore) -> None:
        """
        They cut the log without the numbers they name; beyond its ends is nothing.
        """
        await store.append_events(make_events(9))
        assert numbers_of(await store.get_events("ses_1", after=6)) == [7, 8, 9]
        assert numbers_of(await store.get_events("ses_1", before=3)) == [1, 2]
        between = await store.get_events("ses_1", after=4, before=7)
        assert numbers_of(between) == [5, 6]
        assert len(await store.get_events("ses_1", after=0)) == 9
        assert await store.get_events("ses_1", after=9) == []
        assert await store.get_events("ses_1", before=1) == []
        assert await store.get_events("ses_1", before=0) == []
        assert await store.get_events("ses_1", after=5, before=5) == []
        assert await store.get_events("ses_1", after=2**53 - 1) == []
        assert len(await store.get_events("ses_1", before=2**53 - 1)) == 9

    async def test_only_the_ids_that_are_asked_for_come(
        self, store: SessionStore
    ) -> None:
        """
        In the order of the log, whatever that of the ids; unknown ones are left out.
        """
        await store.save_session(make_session(id="ses_2"))
        await store.append_event(make_event(id="evt_3", session_id="ses_2"))
        await store.append_events(list(mixed_events()))
        ids = ["evt_7", "evt_none", "evt_2", "evt_7", "evt_4"]
        assert numbers_of(await store.get_events("ses_1", ids=ids)) == [2, 4, 7]
        assert numbers_of(await store.get_events("ses_1", ids=ids, last=1)) == [7]
        assert numbers_of(await store.get_events("ses_1", ids=ids, after=3)) == [4, 7]
        odd = await store.get_events("ses_1", ids=ids, type=EventType.MESSAGE_SENT)
        assert numbers_of(odd) == [7]
        assert await store.get_events("ses_1", ids=()) == []
        assert await store.get_events("ses_2", ids={"evt_2"}) == []
        many = [f"evt_{number}" for number in range(40_000)]
        assert len(await store.get_events("ses_1", ids=many)) == 9

    async def test_only_the_correlation_that_is_asked_for_comes(
        self, store: SessionStore
    ) -> None:
        """
        What belongs together, such as a call and its result, bears one.
        """
        for number, correlation_id in enumerate(("a", None, "b", "a"), 1):
            event = make_event(id=f"evt_{number}", correlation_id=correlation_id)
            await store.append_event(event)
        found = await store.get_events("ses_1", correlation_id="a")
        assert numbers_of(found) == [1, 4]
        assert await store.get_events("ses_1", correlation_id="none") == []

    async def test_a_limit_counts_from_the_oldest_on(self, store: SessionStore) -> None:
        """
        It cuts what matches; more than there is gives all.
        """
        await store.append_events(make_events(5))
        assert numbers_of(await store.get_events("ses_1", limit=2)) == [1, 2]
        page = await store.get_events("ses_1", after=2, limit=2)
        assert numbers_of(page) == [3, 4]
        assert len(await store.get_events("ses_1", limit=6)) == 5

    async def test_last_gives_the_latest_oldest_first(
        self, store: SessionStore
    ) -> None:
        """
        It cuts what matches from the other end and keeps the order.
        """
        await store.append_events(make_events(5))
        assert numbers_of(await store.get_events("ses_1", last=2)) == [4, 5]
        page = await store.get_events("ses_1", before=4, last=2)
        assert numbers_of(page) == [2, 3]
        assert numbers_of(await store.get_events("ses_1", after=4, last=2)) == [5]
        assert len(await store.get_events("ses_1", last=6)) == 5

    async def test_a_limit_of_0_gives_nothing(self, store: SessionStore) -> None:
        """
        Zero is a number like others, not "no limit".
        """
        await store.append_events(make_events(3))
        assert await store.get_events("ses_1", limit=0) == []
        assert await store.get_events("ses_1", last=0) == []

    async def test_limit_and_last_exclude_each_other(self, store: SessionStore) -> None:
        """
        Cutting from both ends at once says nothing and is refused.
        """
        with pytest.raises(ValidationError, match="limit"):
            await store.get_events("ses_1", limit=1, last=1)

    async def test_a_run_narrows_the_log(self, store: SessionStore) -> None:
        """
        Only events that name the run; those that name none stay out.
        """
        await store.append_events(list(mixed_events()))
        of_run = await store.get_events("ses_1", run_id="run_1")
        assert numbers_of(of_run) == [1, 4, 7]
        assert await store.get_events("ses_1", run_id="run_unknown") == []

    async def test_a_type_narrows_the_log(self, store: SessionStore) -> None:
        """
        An EventType, its text and an application's own type are all filters.
        """
        await store.append_events(list(mixed_events()))
        for kind in (EventType.MESSAGE_SENT, "message_sent"):
            sent = await store.get_events("ses_1", type=kind)
            assert numbers_of(sent) == [1, 3, 5, 7, 9]
        thoughts = await store.get_events("ses_1", type="myapp.thought")
        assert numbers_of(thoughts) == [2, 4, 6, 8]
        assert await store.get_events("ses_1", type=EventType.ERROR_OCCURRED) == []

    async def test_since_is_inclusive(self, store: SessionStore) -> None:
        """
        It compares timestamps, to the microsecond and in any zone, not numbers.
        """
        await store.append_events(list(mixed_events()))
        third = NOON - timedelta(seconds=3)
        since = await store.get_events("ses_1", since=third)
        assert numbers_of(since) == [1, 2, 3]
        zone = timezone(timedelta(hours=-9, minutes=-30))
        assert await store.get_events("ses_1", since=third.astimezone(zone)) == since
        just_later = third + timedelta(microseconds=1)
        without = await store.get_events("ses_1", since=just_later)
        assert numbers_of(without) == [1, 2]
        start = datetime.min.replace(tzinfo=UTC)
        assert len(await store.get_events("ses_1", since=start)) == 9
        end = datetime.max.replace(tzinfo=UTC)
        assert await store.get_events("ses_1", since=end) == []

    async def test_filters_add_up(self, store: SessionStore) -> None:
        """
        All of them must match, and limit and last cut what does.
        """
        await store.append_events(list(mixed_events()))
        matching = await store.get_events(
            "ses_1",
            run_id="run_1",
            type=EventType.MESSAGE_SENT,
            since=NOON - timedelta(seconds=8),
            after=1,
            before=9,
        )
        assert numbers_of(matching) == [7]
        first = await store.get_events("ses_1", type="myapp.thought", after=2, limit=2)
        assert numbers_of(first) == [4, 6]
        last = await store.get_events("ses_1", run_id="run_2", before=8, last=1)
        assert numbers_of(last) == [5]

    async def test_pages_by_number_give_every_event_once(
        self, store: SessionStore
    ) -> None:
        """
        Reading on after the last number seen misses nothing, also while events come in.
        """
        await store.append_events(make_events(5))
        seen: list[Event] = []
        for first in (6, 8, 10, 12):
            after = seen[-1].sequence_number if seen else 0
            seen += await store.get_events("ses_1", after=after, limit=4)
            await store.append_events(make_events(2, first=first))
        assert numbers_of(seen) == list(range(1, 12))
