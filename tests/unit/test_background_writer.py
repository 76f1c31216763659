"""
What a background writer refuses before it has a store write anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import pytest

from asm_async.errors import EventsNotWrittenError, StoreClosedError, ValidationError
from asm_async.memory import InMemorySessionStore
from asm_async.recording import BackgroundWriter
from asm_async.testing.factories import make_event, make_session


@pytest.mark.parametrize(
    ("options", "culprit"),
    [
        ({"max_pending": 0}, "max_pending: expected at least 1"),
        ({"max_pending": "10"}, "max_pending: expected a whole number"),
        ({"max_pending_bytes": 0}, "max_pending_bytes: expected at least 1"),
        ({"timeout": -1}, "timeout: expected a finite number"),
        ({"expected_tenant": ""}, "expected_tenant: expected 1 to 255"),
    ],
)
def test_wrong_arguments_are_refused(options: Mapping[str, Any], culprit: str) -> None:
    """
    Each by its name.
    """
    with pytest.raises(ValidationError, match=f"^{culprit}"):
        BackgroundWriter(InMemorySessionStore(), **options)


def test_what_is_no_store_is_refused() -> None:
    """
    When the writer is made, not when it is too late.
    """
    with pytest.raises(ValidationError, match="store: expected a SessionStore"):
        BackgroundWriter(cast("Any", "sqlite+aiosqlite://"))


def test_a_writer_belongs_to_one_event_loop() -> None:
    """
    Another one, or none, is told what to do.
    """
    store = InMemorySessionStore()
    writer = BackgroundWriter(store)

    async def write() -> None:
        await store.save_session(make_session())
        writer.append_nowait(make_event())
        await writer.flush()

    asyncio.run(write())
    with pytest.raises(StoreClosedError, match="outside of an event loop: call it"):
        writer.append_nowait(make_event(id="evt_2"))
    with pytest.raises(StoreClosedError, match="another event loop: make another"):
        asyncio.run(writer.flush())


async def test_what_the_end_of_the_loop_cuts_off_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """
    Where all tasks are cancelled, the log and later calls say what was not written.

    As ``asyncio.run`` cancels them in the end, perhaps before writing has begun.
    """
    store = InMemorySessionStore()
    await store.save_session(make_session())
    before = asyncio.all_tasks()
    writer = BackgroundWriter(store)
    writer.append_nowait(make_event())
    (writing,) = asyncio.all_tasks() - before
    writing.cancel()
    with pytest.raises(EventsNotWrittenError) as caught:
        await writer.aclose()

    assert caught.value.event_ids == ("evt_1",)
    assert caught.value.outcome_unknown
    assert "1 events were not written, from 'evt_1' of session 'ses_1'" in caplog.text
