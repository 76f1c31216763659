"""
Copies of long sessions that break off in the middle.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import attrs
import pytest
from sqlalchemy import event as sa_event
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import ConflictError, SessionDeletedError
from asm_async.sql import SQLMaintenance, SQLQueryAPI, SQLSessionStore, create_engine
from asm_async.testing.factories import make_event, make_events, make_session
from tests.fault.killed_processes import kill_until_done
from tests.integration.by_hand import issues_of

EVENTS = 4_500


async def store_source(engine: AsyncEngine) -> SQLSessionStore:
    """
    Store a session that takes more than one part to copy.
    """
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    await store.append_events(make_events(EVENTS))
    return store


async def check_copy(store: SQLSessionStore) -> None:
    """
    Assert that the copy has each event once, and goes on behind the last.
    """
    copied = await store.get_events("copy")
    source = await store.get_events("ses_1")
    assert [attrs.evolve(one, session_id="ses_1") for one in copied] == source
    event = make_event(id="next", session_id="copy")
    stored = await store.append_event_with_sequence(event)
    assert stored.sequence_number == EVENTS + 1
    assert await SQLQueryAPI(store.engine).count_events() == 2 * EVENTS + 1
    assert await issues_of(store.engine) == set()


async def test_a_copy_is_finished_by_the_same_operation_wherever_it_was_killed(
    url: str, tmp_path: Path
) -> None:
    """
    No event is copied twice, and none is left out.
    """
    engine = create_engine(url)
    store = await store_source(engine)
    assert await kill_until_done("copy", url, tmp_path) > 2
    await check_copy(store)
    await store.aclose()
    await engine.dispose()


async def test_a_cancelled_copy_is_closed_until_the_same_operation_finishes_it(
    url: str,
) -> None:
    """
    Meanwhile it is not written to, not restored, and nobody else's to begin.
    """
    engine = create_engine(url)
    store = await store_source(engine)
    target = make_session(id="copy")
    copying = asyncio.ensure_future(
        store.copy_session("ses_1", target, operation_id="copying")
    )

    def cancel(*told: Any) -> None:
        if "INSERT INTO asm_events" in told[2]:
            copying.cancel()

    sa_event.listen(engine.sync_engine, "after_cursor_execute", cancel)
    with pytest.raises(asyncio.CancelledError):
        await copying
    sa_event.remove(engine.sync_engine, "after_cursor_execute", cancel)
    assert 0 < len(await store.get_events("copy")) < EVENTS
    assert await issues_of(engine) == set()
    with pytest.raises(SessionDeletedError):
        await store.append_event(make_event(session_id="copy"))
    with pytest.raises(ConflictError, match="exists already"):
        await store.copy_session("ses_1", target, operation_id="another")

    await store.copy_session("ses_1", target, operation_id="copying")

    await check_copy(store)
    await store.aclose()
    await engine.dispose()


async def test_a_copy_that_broke_off_can_be_erased(url: str) -> None:
    """
    Then the operation that began it hears so, and copies nothing more.
    """
    engine = create_engine(url)
    store = await store_source(engine)
    target = make_session(id="copy", user_id="ann")

    parts = iter(range(EVENTS))

    def fail(*told: Any) -> None:
        # The first part is committed then.
        if "INSERT INTO asm_events" in told[2] and next(parts) == 1:
            raise RuntimeError

    sa_event.listen(engine.sync_engine, "after_cursor_execute", fail)
    with pytest.raises(RuntimeError):
        await store.copy_session("ses_1", target, operation_id="copying")
    sa_event.remove(engine.sync_engine, "after_cursor_execute", fail)
    report = await SQLMaintenance(engine).erase(user_id="ann")
    assert (report.session_count, report.event_count) == (1, 1_000)
    with pytest.raises(ConflictError, match="was hard-deleted"):
        await store.copy_session("ses_1", target, operation_id="copying")
    assert len(await store.get_events("ses_1")) == EVENTS
    assert await issues_of(engine) == set()
    await store.aclose()
    await engine.dispose()
