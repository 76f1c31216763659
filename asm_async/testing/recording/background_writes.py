"""
Events that are written in the background.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from asm_async.errors import QueueFullError, StoreClosedError, ValidationError
from asm_async.ports.session_store import SessionStore
from asm_async.recording.background_writer import BackgroundWriter
from asm_async.testing.concurrency import cancel_after
from asm_async.testing.factories import make_event, make_events, make_session
from asm_async.testing.faults import Moment, cancel_at, count_awaits
from asm_async.testing.session_store.contract import SessionStoreContract, numbers_of
from asm_async.values.event import Event

__all__ = ["TestBackgroundWrites"]


async def _ids_in(store: SessionStore, session_id: str = "ses_1") -> list[str]:
    return [event.id for event in await store.get_events(session_id)]


def _ids_of(events: Sequence[Event]) -> list[str]:
    return [event.id for event in events]


@pytest.mark.usefixtures("session")
class TestBackgroundWrites(SessionStoreContract):
    """
    Appending returns at once, and everything is written, once and in order.
    """

    async def test_what_is_appended_is_written_in_order(
        self, store: SessionStore
    ) -> None:
        """
        Also where it is more than one batch, and belongs to several sessions.
        """
        await store.save_session(make_session(id="ses_2"))
        events = [
            make_event(id=f"evt_{number}", session_id=f"ses_{1 + number % 2}")
            for number in range(1_200)
        ]
        async with BackgroundWriter(store) as writer:
            for event in events:
                writer.append_nowait(event)
            assert writer.unwritten == tuple(events)
            await writer.flush()
            assert writer.unwritten == ()
            stored = [await store.get_events(f"ses_{number}") for number in (1, 2)]

        for each, own in zip(stored, (events[::2], events[1::2]), strict=True):
            assert _ids_of(each) == _ids_of(own)
            assert numbers_of(each) == list(range(1, 601))

    async def test_a_flush_waits_for_what_was_appended_before_it(
        self, store: SessionStore
    ) -> None:
        """
        Each of many flushes finds its events stored, and nothing is ever out of order.
        """
        events = make_events(40)

        async def append_and_flush(number: int) -> None:
            writer.append_nowait(events[number])
            await writer.flush()
            stored = await _ids_in(store)
            assert stored == _ids_of(events[: len(stored)])
            assert len(stored) > number

        async with BackgroundWriter(store) as writer:
            # In the order given, unlike those that start from a barrier.
            await asyncio.gather(*map(append_and_flush, range(len(events))))

    async def test_leaving_writes_everything(self, store: SessionStore) -> None:
        """
        Also after an error, which goes on.
        """
        writer = BackgroundWriter(store)

        async def fail() -> None:
            async with writer:
                writer.append_nowait(make_event())
                raise LookupError("in the body")

        with pytest.raises(LookupError, match="in the body"):
            await fail()
        assert await _ids_in(store) == ["evt_1"]
        with pytest.raises(StoreClosedError, match="was closed"):
            writer.append_nowait(make_event())
        with pytest.raises(StoreClosedError, match="was closed"):
            await writer.append(make_event())
        await writer.flush()
        await writer.aclose()

    async def test_a_full_queue_takes_no_more(self, store: SessionStore) -> None:
        """
        The error says so at once, the event is not stored, and later there is room.
        """
        async with BackgroundWriter(store, max_pending=3) as writer:
            for event in make_events(3):
                writer.append_nowait(event)
            with pytest.raises(
                QueueFullError, match=r"event 'evt_4' was not taken: 3 "
            ):
                writer.append_nowait(make_event(id="evt_4"))
            await writer.flush()
            writer.append_nowait(make_event(id="evt_5"))

        assert await _ids_in(store) == ["evt_1", "evt_2", "evt_3", "evt_5"]

    async def test_the_queue_is_bounded_in_bytes(self, store: SessionStore) -> None:
        """
        A single event has room whatever it weighs, and no other beside it.
        """
        great = make_event(data={"content": "x" * 100_000})
        async with BackgroundWriter(store, max_pending_bytes=50_000) as writer:
            writer.append_nowait(great)
            with pytest.raises(QueueFullError, match=r"at most 10000 with 50000\);"):
                writer.append_nowait(make_event(id="evt_2"))
            await writer.append(make_event(id="evt_3"))

        assert await _ids_in(store) == ["evt_1", "evt_3"]

    async def test_who_waits_for_room_gets_it_in_turn(
        self, store: SessionStore
    ) -> None:
        """
        Many appends through a queue of two are stored in the order of the calls.
        """
        events = make_events(60)
        async with BackgroundWriter(store, max_pending=2) as writer:
            waiting = [asyncio.ensure_future(writer.append(event)) for event in events]
            await asyncio.gather(*waiting)

        assert await _ids_in(store) == _ids_of(events)

    async def test_nobody_overtakes_who_waits_for_room(
        self, store: SessionStore
    ) -> None:
        """
        Also not with an event that is small enough for the room there is.
        """
        writer = BackgroundWriter(store, max_pending_bytes=50_000)
        great = make_event(id="evt_2", data={"content": "x" * 100_000})

        async def append() -> None:
            writer.append_nowait(make_event())
            await writer.append(great)

        async with writer:
            appending = asyncio.ensure_future(append())
            await asyncio.sleep(0)
            if not appending.done():
                with pytest.raises(QueueFullError):
                    writer.append_nowait(make_event(id="evt_late"))
            await appending

        assert await _ids_in(store) == ["evt_1", "evt_2"]

    async def test_who_waits_for_room_is_told_of_the_end(
        self, store: SessionStore
    ) -> None:
        """
        A writer that is closed meanwhile takes nothing, and says so.
        """
        writer = BackgroundWriter(store, max_pending=1)
        writer.append_nowait(make_event())
        waiting = [
            asyncio.ensure_future(writer.append(make_event(id=f"evt_{number}")))
            for number in (2, 3)
        ]
        await asyncio.sleep(0)
        await writer.aclose()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)

        # The first may have found room before.
        assert isinstance(outcomes[1], StoreClosedError)
        taken = [] if isinstance(outcomes[0], StoreClosedError) else ["evt_2"]
        assert await _ids_in(store) == ["evt_1", *taken]

    async def test_what_the_caller_does_to_an_event_later_changes_nothing(
        self, store: SessionStore
    ) -> None:
        """
        What is stored is the event as it was appended.
        """
        event = make_event(data={"content": "hello"})
        async with BackgroundWriter(store) as writer:
            writer.append_nowait(event)
            event.data["content"] = "spoilt"

        (stored,) = await store.get_events("ses_1")
        assert stored.data == {"content": "hello"}

    async def test_what_cannot_be_stored_is_refused_at_once(
        self, store: SessionStore
    ) -> None:
        """
        As by the store itself, and it stops nothing.
        """
        wrong = make_event(data={"content": "hello"})
        wrong.data["content"] = float("nan")
        async with BackgroundWriter(store) as writer:
            with pytest.raises(ValidationError, match=r"^events\[0\]\.data\['content'"):
                writer.append_nowait(wrong)
            with pytest.raises(ValidationError, match=r"^events\[0\]: .* sequence num"):
                await writer.append(make_event(sequence_number=1))
            writer.append_nowait(make_event())

        assert await _ids_in(store) == ["evt_1"]

    async def test_the_same_event_again_is_stored_once(
        self, store: SessionStore
    ) -> None:
        """
        As by any append.
        """
        async with BackgroundWriter(store) as writer:
            for event in [*make_events(2), *make_events(2)]:
                writer.append_nowait(event)
            await writer.flush()
            writer.append_nowait(make_event(id="evt_2"))

        assert await _ids_in(store) == ["evt_1", "evt_2"]

    async def test_an_append_that_is_cancelled_is_withdrawn(
        self, store: SessionStore
    ) -> None:
        """
        While it waits for room, whenever that is; who waits behind it gets the room.
        """
        for turns in range(40):
            names = [f"evt_{turns}_{place}" for place in range(3)]
            async with BackgroundWriter(store, max_pending=1) as writer:
                writer.append_nowait(make_event(id=names[0]))
                cancelled, behind = (
                    asyncio.ensure_future(writer.append(make_event(id=name)))
                    for name in names[1:]
                )
                for _ in range(turns):
                    await asyncio.sleep(0)
                was_cancelled = cancelled.cancel()
                await asyncio.wait({cancelled})
                await behind

            stored = (await _ids_in(store))[-3:]
            is_withdrawn = was_cancelled and cancelled.cancelled()
            expected = [names[0], names[2]] if is_withdrawn else names
            assert stored[-len(expected) :] == expected
            assert (names[1] in stored) is not is_withdrawn

    async def test_a_flush_that_is_cancelled_harms_nothing(
        self, store: SessionStore
    ) -> None:
        """
        Whenever that is, the events are written all the same.
        """
        events = make_events(30)
        async with BackgroundWriter(store) as writer:
            for turns, event in enumerate(events):
                writer.append_nowait(event)
                await cancel_after(turns, writer.flush())

        assert await _ids_in(store) == _ids_of(events)

    async def test_leaving_can_be_cancelled_at_each_await(
        self, store: SessionStore
    ) -> None:
        """
        It goes on waiting: afterwards everything is stored, and nothing goes on.
        """

        async def record(name: str) -> None:
            async with BackgroundWriter(store) as writer:
                for place in range(3):
                    writer.append_nowait(make_event(id=f"{name}_{place}"))

        awaits = await count_awaits(record("counted"))
        moments = (Moment.AFTER_SEND, Moment.BEFORE_ANSWER)
        for number in range(1, awaits + 1):
            for moment in moments:
                name = f"{moment}_{number}"
                await cancel_at(number, record(name), moment)
                stored = (await _ids_in(store))[-3:]
                assert stored == [f"{name}_{place}" for place in range(3)]
