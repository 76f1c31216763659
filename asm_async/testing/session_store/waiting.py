"""
Reading events that are not there yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from asm_async.errors import StoreClosedError
from asm_async.ports.session_store import SessionStore
from asm_async.testing.concurrency import cancel_after, run_together
from asm_async.testing.factories import (
    make_event,
    make_events,
    make_execution_result,
    make_session,
)
from asm_async.testing.session_store.contract import (
    OpenStore,
    SessionStoreContract,
    numbers_of,
)
from asm_async.values.event import Event, EventType

__all__ = ["TestWaiting"]

_LONG_SECONDS = 60
_SHORT_SECONDS = 0.1


async def begin(call: Coroutine[Any, Any, list[Event]]) -> asyncio.Task[list[Event]]:
    """
    Start *call* and make sure that it waits.
    """
    waiting = asyncio.create_task(call)
    done, _ = await asyncio.wait({waiting}, timeout=_SHORT_SECONDS)
    assert not done
    return waiting


class TestWaiting(SessionStoreContract):
    """
    With wait_timeout, get_events waits for the first match, no matter who writes it.
    """

    async def test_a_match_that_is_there_comes_at_once(
        self, store: SessionStore
    ) -> None:
        """
        Anyone who finds something does not wait for more.
        """
        await store.save_session(make_session())
        stored = await store.append_events(make_events(2))
        async with asyncio.timeout(_LONG_SECONDS / 2):
            found = await store.get_events("ses_1", wait_timeout=_LONG_SECONDS)
        assert found == stored

    async def test_the_wait_ends_empty(self, store: SessionStore) -> None:
        """
        When the time is over and nothing matches, the list is empty.
        """
        await store.save_session(make_session())
        await store.append_event(make_event())
        loop = asyncio.get_running_loop()
        start = loop.time()
        found = await store.get_events("ses_1", after=1, wait_timeout=_SHORT_SECONDS)
        assert found == []
        assert loop.time() - start >= _SHORT_SECONDS * 0.9

    async def test_0_does_not_wait(self, store: SessionStore) -> None:
        """
        No time to wait is the same as none given.
        """
        assert await store.get_events("ses_1", wait_timeout=0) == []

    async def test_nothing_is_waited_for_where_nothing_can_come(
        self, store: SessionStore
    ) -> None:
        """
        A limit of 0 is met at once.
        """
        async with asyncio.timeout(_LONG_SECONDS / 2):
            first = await store.get_events("ses_1", limit=0, wait_timeout=_LONG_SECONDS)
            last = await store.get_events("ses_1", last=0, wait_timeout=_LONG_SECONDS)
        assert first == last == []

    async def test_an_append_wakes_whoever_waits(self, store: SessionStore) -> None:
        """
        All that wait for the session get what was appended, as one batch.
        """
        await store.save_session(make_session())
        waiting = [
            await begin(store.get_events("ses_1", wait_timeout=_LONG_SECONDS))
            for _ in range(3)
        ]
        stored = await store.append_events(make_events(3))
        async with asyncio.timeout(_LONG_SECONDS / 2):
            assert await asyncio.gather(*waiting) == [stored] * 3

    async def test_an_append_of_another_store_wakes_whoever_waits(
        self, store: SessionStore, open_store: OpenStore
    ) -> None:
        """
        It does not matter who writes, nor that the session did not exist before.
        """
        waiting = await begin(store.get_events("ses_1", wait_timeout=_LONG_SECONDS))
        another = await open_store()
        await another.save_session(make_session())
        stored = await another.append_event_with_sequence(make_event())
        async with asyncio.timeout(_LONG_SECONDS / 2):
            assert await waiting == [stored]

    async def test_a_flush_wakes_whoever_waits(self, store: SessionStore) -> None:
        """
        Events that come with a flush are events like others.
        """
        waiting = await begin(store.get_events("ses_1", wait_timeout=_LONG_SECONDS))
        flushed = await store.flush(make_execution_result())
        async with asyncio.timeout(_LONG_SECONDS / 2):
            assert await waiting == list(flushed.events)

    async def test_only_a_match_ends_the_wait(self, store: SessionStore) -> None:
        """
        Events that the filters leave out are let pass, and so are other sessions'.
        """
        await store.save_session(make_session())
        await store.save_session(make_session(id="ses_2"))
        await store.append_event(make_event(id="evt_1", type=EventType.ERROR_OCCURRED))
        waiting = await begin(
            store.get_events(
                "ses_1",
                type=EventType.ERROR_OCCURRED,
                after=1,
                wait_timeout=_LONG_SECONDS,
            )
        )
        await store.append_event(
            make_event(session_id="ses_2", type=EventType.ERROR_OCCURRED)
        )
        await store.append_events(make_events(2, first=2))
        done, _ = await asyncio.wait({waiting}, timeout=_SHORT_SECONDS)
        assert not done
        match = make_event(id="evt_4", type=EventType.ERROR_OCCURRED)
        stored = await store.append_event_with_sequence(match)
        async with asyncio.timeout(_LONG_SECONDS / 2):
            assert await waiting == [stored]

    async def test_no_wake_up_is_missed(self, store: SessionStore) -> None:
        """
        Waiting and appending that start at the same moment always meet.
        """
        await store.save_session(make_session())
        async with asyncio.timeout(_LONG_SECONDS / 2):
            for number in range(50):
                append = store.append_events(make_events(1, first=number + 1))
                wait = store.get_events(
                    "ses_1", after=number, wait_timeout=_LONG_SECONDS
                )
                stored, found = await run_together([append, wait])
                assert numbers_of(found) == numbers_of(stored) == [number + 1]

    async def test_a_wait_can_be_cancelled(self, store: SessionStore) -> None:
        """
        The cancellation goes on at once, and the store works as before.
        """
        await store.save_session(make_session())
        async with asyncio.timeout(_LONG_SECONDS / 2):
            for turns in (0, 1, 10, 100, 1_000):
                waiting = store.get_events("ses_1", wait_timeout=_LONG_SECONDS)
                assert await cancel_after(turns, waiting) is None
        stored = await store.append_event_with_sequence(make_event())
        assert await store.get_events("ses_1") == [stored]

    async def test_closing_ends_the_wait(self, store: SessionStore) -> None:
        """
        Anyone who waits when the store is closed is told so.
        """
        waiting = await begin(store.get_events("ses_1", wait_timeout=_LONG_SECONDS))
        await store.aclose()
        async with asyncio.timeout(_LONG_SECONDS / 2):
            with pytest.raises(StoreClosedError):
                await waiting
