"""
Appending events that are stored already.
"""

from __future__ import annotations

from datetime import timedelta, timezone
from typing import Any

import attrs
import pytest

from asm_async.errors import EventConflictError
from asm_async.ports.session_store import SessionStore
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.factories import (
    NOON,
    make_event,
    make_events,
    make_session,
    numbered,
)
from asm_async.testing.session_store.contract import (
    OpenStore,
    SessionStoreContract,
    numbers_of,
)
from asm_async.values.event import EventType

__all__ = ["TestIdempotence"]

_OTHER_CONTENT: tuple[dict[str, Any], ...] = (
    {"type": EventType.MESSAGE_SENT},
    {"type": "myapp.message_received"},
    {"timestamp": NOON + timedelta(microseconds=1)},
    {"run_id": "run_1"},
    {"data": {}},
    {"data": {"content": "hello", "n": 1.0}},
    {"data": {"content": "hello", "n": True}},
    {"data": {"content": "hello", "n": None}},
    {"data": {"n": 1, "content": "hello"}},
    {"metadata": {"content": "hello"}},
    {"schema_version": 2},
    {"provider": "acme"},
    {"correlation_id": "trace_1"},
)

_DIFFERENCES: tuple[tuple[dict[str, Any], str], ...] = (
    ({"timestamp": NOON + timedelta(microseconds=1)}, "timestamp"),
    ({"timestamp": NOON + timedelta(1), "data": {}, "run_id": "run_1"}, "timestamp"),
    ({"data": {"a": [1, {"b": 2.0}], "c": 3}}, "data['a'][1]['b']"),
    ({"data": {"a": [1, {"b": [2]}], "c": 3}}, "data['a'][1]['b']"),
    ({"data": {"a": [1], "c": 3}}, "data['a'][1]"),
    ({"data": {"a": [1, {"b": 2}, 4], "c": 3}}, "data['a'][2]"),
    ({"data": {"a": [1, {"b": 2}]}}, "data['c']"),
    ({"data": {"a": [1, {"b": 2}], "c": 3, "d": 4}}, "data['d']"),
    ({"data": {"c": 3, "a": [1, {"b": 2}]}}, "data"),
    ({"metadata": {"c": None}}, "metadata['c']"),
)


@pytest.mark.usefixtures("session")
class TestIdempotence(SessionStoreContract):
    """
    An event whose id its session already holds is not written again.
    """

    async def test_a_repeated_event_comes_back_as_stored(
        self, store: SessionStore, open_store: OpenStore
    ) -> None:
        """
        Each way of appending, from whatever store, gives the first event's number.
        """
        first = await store.append_event_with_sequence(make_event())
        await store.append_event(make_event(id="evt_2"))
        for opened in (store, await open_store()):
            assert await opened.append_event_with_sequence(make_event()) == first
            assert await opened.append_events([make_event()]) == [first]
            await opened.append_event(make_event())
        assert numbers_of(await store.get_events("ses_1")) == [1, 2]

    async def test_a_repeated_batch_writes_nothing(self, store: SessionStore) -> None:
        """
        The stored events come back, in the order now given.
        """
        stored = await store.append_events(make_events(3))
        assert await store.append_events(make_events(3)) == stored
        assert await store.append_events(make_events(3)[::-1]) == stored[::-1]
        assert await store.get_events("ses_1") == stored

    async def test_a_batch_may_mix_stored_events_and_new_ones(
        self, store: SessionStore
    ) -> None:
        """
        New events are numbered without a hole, the stored ones keep their numbers.
        """
        await store.append_events(make_events(2, first=2))
        stored = await store.append_events(make_events(4))
        assert numbers_of(stored) == [3, 1, 2, 4]
        assert await store.get_latest_sequence("ses_1") == 4

    async def test_an_event_twice_in_a_batch_is_stored_once(
        self, store: SessionStore
    ) -> None:
        """
        Both places get the same stored event.
        """
        batch = [make_event(), make_event(id="evt_2"), make_event()]
        stored = await store.append_events(batch)
        assert numbers_of(stored) == [1, 2, 1]
        assert await store.append_events(batch) == stored
        assert len(await store.get_events("ses_1")) == 2

    async def test_an_event_of_other_content_is_refused(
        self, store: SessionStore
    ) -> None:
        """
        Every field counts, as stored: 1, 1.0 and true differ, and so do orders of keys.
        """
        event = make_event(data={"content": "hello", "n": 1})
        stored = await store.append_event_with_sequence(event)
        for other in _OTHER_CONTENT:
            with pytest.raises(EventConflictError) as caught:
                await store.append_event(attrs.evolve(event, **other))
            assert (caught.value.session_id, caught.value.event_id) == (
                "ses_1",
                "evt_1",
            )
            (field,) = other
            assert caught.value.field.partition("[")[0] == field
        assert await store.get_events("ses_1") == [stored]

    async def test_a_conflict_names_the_first_field_that_differs(
        self, store: SessionStore
    ) -> None:
        """
        And in JSON the path to it; of a time, which a retry takes again, what to do.
        """
        event = make_event(data={"a": [1, {"b": 2}], "c": 3})
        await store.append_event(event)
        for change, field in _DIFFERENCES:
            other = attrs.evolve(event, **change)
            is_time = field == "timestamp"
            for refused in ([other], [make_event(id="evt_2"), other]):
                with pytest.raises(EventConflictError) as caught:
                    await store.append_events(refused)
                assert caught.value.field == field
                assert f": {field} differs" in str(caught.value)
                assert ("the time it had at first" in str(caught.value)) == is_time

    async def test_the_same_moment_in_another_zone_is_the_same_content(
        self, store: SessionStore
    ) -> None:
        """
        A time is compared as the moment it is.
        """
        stored = await store.append_event_with_sequence(make_event())
        zone = timezone(timedelta(hours=5, minutes=30))
        moved = make_event(timestamp=NOON.astimezone(zone))
        assert await store.append_event_with_sequence(moved) == stored

    @needs(Capability.SPANS_SESSIONS)
    async def test_a_conflict_keeps_the_whole_batch_out(
        self, store: SessionStore
    ) -> None:
        """
        Neither the other events nor other sessions' events are stored.
        """
        await store.save_session(make_session(id="ses_2"))
        stored = await store.append_events(make_events(1))
        batch = [
            make_event(id="evt_2"),
            make_event(session_id="ses_2"),
            make_event(data={"content": "other"}),
        ]
        with pytest.raises(EventConflictError):
            await store.append_events(batch)
        assert await store.get_events("ses_1") == stored
        assert await store.get_events("ses_2") == []

    async def test_two_contents_of_one_id_in_a_batch_conflict(
        self, store: SessionStore
    ) -> None:
        """
        A batch that contradicts itself is refused whole.
        """
        batch = [make_event(id="evt_0"), make_event(), make_event(data={})]
        with pytest.raises(EventConflictError) as caught:
            await store.append_events(batch)
        assert caught.value.event_id == "evt_1"
        assert await store.get_events("ses_1") == []

    @needs(Capability.SPANS_SESSIONS)
    async def test_an_id_is_unique_in_its_session_only(
        self, store: SessionStore
    ) -> None:
        """
        One session can neither see nor block another's ids.
        """
        await store.save_session(make_session(id="ses_2"))
        mine = make_event()
        theirs = make_event(session_id="ses_2", data={"content": "other"})
        assert numbers_of(await store.append_events([mine, theirs])) == [1, 1]
        assert await store.get_events("ses_1") == numbered([mine])
        assert await store.get_events("ses_2") == numbered([theirs])
