"""
How a session of very many rows is deleted: in parts, and closed from the first one on.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import (
    RunNotFoundError,
    SessionDeletedError,
    SessionNotFoundError,
)
from asm_async.sql import SQLEventFeed, SQLMaintenance, SQLQueryAPI, SQLSessionStore
from asm_async.sql.core import tables
from asm_async.sql.retention.batches import MAX_ROWS_PER_TRANSACTION
from asm_async.testing.factories import (
    make_event,
    make_events,
    make_run,
    make_session,
)
from asm_async.values.retention import RetentionPolicy
from tests.integration.by_hand import issues_of

EVENT_COUNT = 3_500


@pytest.fixture
async def store(engine: AsyncEngine) -> SQLSessionStore:
    """
    Return a store with a session of thousands of events, and a run.
    """
    store = SQLSessionStore(engine, timeout=5)
    await store.save_session(make_session(tags=["a"]))
    await store.save_run(make_run())
    await store.append_events(make_events(EVENT_COUNT))
    return store


async def left(engine: AsyncEngine) -> int:
    """
    Count the session's events that are still in the table.
    """
    counting = sa.select(sa.func.count()).select_from(tables.events)
    async with engine.connect() as conn:
        return await conn.scalar(counting) or 0


async def break_off(store: SQLSessionStore) -> None:
    """
    Delete the session with a fault that comes after the first part.
    """
    engine = store.engine.sync_engine
    commits: list[str] = []

    def fail_later(*told: Any) -> None:
        statement: str = told[2]
        if statement.startswith("DELETE FROM asm_events"):
            commits.append(statement)
            if len(commits) == 2:
                raise RuntimeError

    sa_event.listen(engine, "before_cursor_execute", fail_later)
    try:
        with pytest.raises(RuntimeError):
            await store.delete_session("ses_1")
    finally:
        sa_event.remove(engine, "before_cursor_execute", fail_later)


async def test_writers_do_not_wait_for_all_of_a_long_deletion(
    store: SQLSessionStore,
) -> None:
    """
    They are let in between its parts, also where there is one writer at a time.
    """
    await store.save_session(make_session(id="ses_2"))
    deletion = asyncio.create_task(store.delete_session("ses_1"))
    meanwhile = 0
    while not deletion.done():
        await store.append_event(make_event(id=f"evt_{meanwhile}", session_id="ses_2"))
        meanwhile += not deletion.done()
    await deletion

    assert meanwhile >= EVENT_COUNT // MAX_ROWS_PER_TRANSACTION
    assert await store.get_events("ses_1") == []


async def test_a_session_that_is_deleted_in_part_is_closed_to_everybody(
    store: SQLSessionStore,
) -> None:
    """
    Nothing of it is found by its id, and nothing can be added to it.
    """
    await break_off(store)
    assert 0 < await left(store.engine) < EVENT_COUNT

    query, feed = SQLQueryAPI(store.engine), SQLEventFeed(store.engine)
    for refused in (store.get_session("ses_1"), query.export_session("ses_1")):
        with pytest.raises(SessionNotFoundError):
            await refused
    with pytest.raises(RunNotFoundError):
        await store.get_run("run_1")
    assert await store.get_events("ses_1") == []
    assert await store.list_runs("ses_1") == []
    assert await store.get_active_run("ses_1") is None
    assert await store.get_latest_sequence("ses_1") == 0
    assert await store.list_sessions(include_deleted=True) == []
    followed = feed.follow_session("ses_1", until_over=True)
    assert [event async for event in followed] == []
    for write in (
        store.append_event(make_event(id="new")),
        store.save_session(make_session()),
    ):
        with pytest.raises(SessionDeletedError):
            await write
    assert await issues_of(store.engine) == set()
    await feed.aclose()


async def test_the_next_deletion_finishes_one_that_broke_off(
    store: SQLSessionStore,
) -> None:
    """
    Then its id can be taken again, and its numbers go on.
    """
    await break_off(store)
    await store.delete_session("ses_1")

    assert await left(store.engine) == 0
    await store.save_session(make_session())
    stored = await store.append_event_with_sequence(make_event())
    assert stored.sequence_number == EVENT_COUNT + 1
    assert await issues_of(store.engine) == set()


async def test_maintenance_finishes_a_deletion_that_broke_off(
    store: SQLSessionStore,
) -> None:
    """
    Where nobody calls for it again.
    """
    await break_off(store)
    await SQLMaintenance(store.engine).execute(RetentionPolicy())

    assert await left(store.engine) == 0
    with pytest.raises(SessionNotFoundError):
        await store.append_event(make_event())


async def test_a_deletion_leaves_a_session_alone_that_took_the_id_meanwhile(
    store: SQLSessionStore,
) -> None:
    """
    Another deletes the rest and begins anew between two parts of the first one.
    """
    other, begun = SQLSessionStore(store.engine), asyncio.Event()

    def take_note(*told: Any) -> None:
        if told[2].startswith("DELETE FROM asm_events"):
            begun.set()

    engine = store.engine.sync_engine
    sa_event.listen(engine, "after_cursor_execute", take_note)
    deletion = asyncio.create_task(store.delete_session("ses_1"))
    await begun.wait()
    await other.delete_session("ses_1")
    await other.save_session(make_session())
    stored = await other.append_event_with_sequence(make_event())
    await deletion
    sa_event.remove(engine, "after_cursor_execute", take_note)

    assert await other.get_events("ses_1") == [stored]
