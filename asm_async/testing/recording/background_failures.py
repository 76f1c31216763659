"""
Events that cannot be written in the background.
"""

from __future__ import annotations

import asyncio

import pytest

from asm_async.errors import (
    EventConflictError,
    EventsNotWrittenError,
    SessionNotFoundError,
    StoreClosedError,
)
from asm_async.ports.session_store import SessionStore
from asm_async.recording.background_writer import BackgroundWriter
from asm_async.testing.factories import make_event, make_events, make_session
from asm_async.testing.session_store.contract import OpenStore, SessionStoreContract

__all__ = ["TestBackgroundFailures"]


@pytest.mark.usefixtures("session")
class TestBackgroundFailures(SessionStoreContract):
    """
    What cannot be written is named, by every later call, and nothing overtakes it.
    """

    async def test_what_stands_before_the_culprit_is_written(
        self, store: SessionStore
    ) -> None:
        """
        And nothing from it on, though it is all of one batch.
        """
        events = [
            *make_events(20),
            make_event(id="evt_lost", session_id="ses_unknown"),
            *make_events(20, first=21),
        ]
        writer = BackgroundWriter(store)
        for event in events:
            writer.append_nowait(event)
        with pytest.raises(EventsNotWrittenError) as caught:
            await writer.flush()

        assert isinstance(caught.value.__cause__, SessionNotFoundError)
        assert caught.value.event_ids == tuple(event.id for event in events[20:])
        assert not caught.value.outcome_unknown
        assert str(caught.value) == (
            "events not written: 'evt_lost', 'evt_21', 'evt_22' and 18 more:"
            " no session 'ses_unknown' is stored"
        )
        stored = await store.get_events("ses_1")
        assert [event.id for event in stored] == [e.id for e in events[:20]]
        assert writer.unwritten == tuple(events[20:])

    async def test_every_later_call_says_what_was_not_written(
        self, store: SessionStore
    ) -> None:
        """
        Whether it appends, flushes or closes, also again.
        """
        writer = BackgroundWriter(store)
        writer.append_nowait(make_event(session_id="ses_unknown"))
        for _ in range(2):
            with pytest.raises(EventsNotWrittenError, match="not written: 'evt_1'"):
                await writer.flush()
            with pytest.raises(EventsNotWrittenError):
                writer.append_nowait(make_event())
            with pytest.raises(EventsNotWrittenError):
                await writer.append(make_event())
            with pytest.raises(EventsNotWrittenError):
                await writer.aclose()

        assert await store.get_events("ses_1") == []

    async def test_who_waits_for_room_is_told_of_the_failure(
        self, store: SessionStore
    ) -> None:
        """
        Its event is none of those that were taken, and neither is it stored.
        """
        writer = BackgroundWriter(store, max_pending=1)
        writer.append_nowait(make_event(session_id="ses_unknown"))
        waiting = [
            asyncio.ensure_future(writer.append(make_event(id=f"evt_{number}")))
            for number in (2, 3)
        ]
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)

        assert [type(each) for each in outcomes] == [EventsNotWrittenError] * 2
        assert [event.id for event in writer.unwritten] == ["evt_1"]
        assert await store.get_events("ses_1") == []

    async def test_leaving_raises_what_failed(self, store: SessionStore) -> None:
        """
        After an error of the body, too, which is noted.
        """
        with pytest.raises(EventsNotWrittenError):
            async with BackgroundWriter(store) as writer:
                writer.append_nowait(make_event(session_id="ses_unknown"))

        async def fail() -> None:
            async with BackgroundWriter(store) as writer:
                writer.append_nowait(make_event(session_id="ses_unknown"))
                raise LookupError

        with pytest.raises(EventsNotWrittenError) as caught:
            await fail()
        assert isinstance(caught.value.__cause__, SessionNotFoundError)
        assert "LookupError()" in caught.value.__notes__[0]

    async def test_leaving_lets_the_bodys_own_word_of_it_pass(
        self, store: SessionStore
    ) -> None:
        """
        The error of a call in the body goes on as it is.
        """

        async def flush() -> None:
            async with BackgroundWriter(store) as writer:
                writer.append_nowait(make_event(session_id="ses_unknown"))
                try:
                    await writer.flush()
                except EventsNotWrittenError as error:
                    error.add_note("of the body")
                    raise

        with pytest.raises(EventsNotWrittenError) as caught:
            await flush()
        assert caught.value.__notes__ == ["of the body"]

    async def test_a_cancellation_goes_on_though_something_failed(
        self, store: SessionStore
    ) -> None:
        """
        A cancellation goes on, and the writer says afterwards what failed.
        """
        writer = BackgroundWriter(store)

        async def record() -> None:
            async with writer:
                writer.append_nowait(make_event(session_id="ses_unknown"))
                await asyncio.Event().wait()

        task = asyncio.create_task(record())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})

        assert task.cancelled()
        with pytest.raises(EventsNotWrittenError):
            await writer.flush()

    async def test_other_content_under_an_id_is_a_failure(
        self, store: SessionStore
    ) -> None:
        """
        As by any append: the first event stays, and the second is named.
        """
        await store.append_event(make_event())
        writer = BackgroundWriter(store)
        writer.append_nowait(make_event(id="evt_0"))
        writer.append_nowait(make_event(data={"content": "other"}))
        with pytest.raises(EventsNotWrittenError) as caught:
            await writer.aclose()

        assert isinstance(caught.value.__cause__, EventConflictError)
        assert caught.value.event_ids == ("evt_1",)
        stored = await store.get_events("ses_1")
        assert [event.id for event in stored] == ["evt_1", "evt_0"]

    async def test_what_was_not_written_can_be_appended_again(
        self, store: SessionStore
    ) -> None:
        """
        Once the cause is gone; a second time does no harm.
        """
        writer = BackgroundWriter(store)
        for event in make_events(3, session_id="ses_2"):
            writer.append_nowait(event)
        with pytest.raises(EventsNotWrittenError):
            await writer.aclose()
        await store.save_session(make_session(id="ses_2"))
        for _ in range(2):
            await store.append_events(writer.unwritten)

        stored = await store.get_events("ses_2")
        assert [event.id for event in stored] == ["evt_1", "evt_2", "evt_3"]

    async def test_another_tenants_session_does_not_exist(
        self, store: SessionStore
    ) -> None:
        """
        For a writer that expects a tenant.
        """
        await store.save_session(make_session(id="ses_2", tenant_id="acme"))
        async with BackgroundWriter(store, expected_tenant="acme") as writer:
            writer.append_nowait(make_event(session_id="ses_2"))
        with pytest.raises(EventsNotWrittenError) as caught:
            async with BackgroundWriter(store, expected_tenant="umbrella") as writer:
                writer.append_nowait(make_event(id="evt_2", session_id="ses_2"))

        assert isinstance(caught.value.__cause__, SessionNotFoundError)
        assert len(await store.get_events("ses_2")) == 1

    async def test_a_store_that_was_closed_is_named(
        self, open_store: OpenStore
    ) -> None:
        """
        A writer outlives its store only with what it could not write.
        """
        store = await open_store()
        writer = BackgroundWriter(store)
        writer.append_nowait(make_event())
        await store.aclose()
        with pytest.raises(EventsNotWrittenError) as caught:
            await writer.aclose()

        assert isinstance(caught.value.__cause__, StoreClosedError)
        assert caught.value.event_ids == ("evt_1",)
