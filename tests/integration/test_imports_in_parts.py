"""
How a session of very many lines is imported: in parts, and found when it is whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import attrs
import pytest
import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import (
    HistoryConflictError,
    SessionDeletedError,
    SessionNotFoundError,
    ValidationError,
)
from asm_async.sql import SQLEventFeed, SQLMaintenance, SQLQueryAPI, SQLSessionStore
from asm_async.sql.core import tables
from asm_async.testing.factories import (
    NOON,
    make_event,
    make_events,
    make_item,
    make_run,
    make_session,
)
from asm_async.testing.query_api.transfer import (
    export_of,
    exported,
    history,
    pieces,
    store_session,
)
from asm_async.values.event import Event
from asm_async.values.retention import RetentionPolicy
from tests.integration.by_hand import issues_of

EVENT_COUNT = 6_500
PRUNED_COUNT = 7
LONG_SECONDS = 60
SECOND = timedelta(seconds=1)


def long_history(**fields: Any) -> list[Any]:
    """
    Make the records of a session whose items and events take four parts, with gaps.
    """
    session = make_session(revision=3, tags=("a",), **fields)
    runs = [make_run(id=f"run_{number}", revision=1) for number in range(3)]
    events = make_events(EVENT_COUNT)
    numbered = [
        event.with_given(number + PRUNED_COUNT * (number > 4_200))
        for number, event in enumerate(events, 1)
    ]
    items = [
        make_item(scope=f"scope/{number:04}", data=number, updated_at=NOON)
        for number in range(1_200)
    ]
    return history(
        session, runs=runs, items=items, events=numbered, pruned_count=PRUNED_COUNT
    )


@contextmanager
def failing_at(engine: AsyncEngine, number: int) -> Generator[None]:
    """
    Have the insertion of a batch of events fail as no database has it fail.
    """
    seen: list[str] = []

    def fail_later(*told: Any) -> None:
        statement: str = told[2]
        if statement.startswith("INSERT INTO asm_events"):
            seen.append(statement)
            if len(seen) == number:
                raise RuntimeError

    sa_event.listen(engine.sync_engine, "before_cursor_execute", fail_later)
    try:
        with pytest.raises(RuntimeError):
            yield
    finally:
        sa_event.remove(engine.sync_engine, "before_cursor_execute", fail_later)


async def break_off(engine: AsyncEngine, export: bytes) -> None:
    """
    Import with a fault in the second part.
    """
    with failing_at(engine, 6):
        await SQLQueryAPI(engine).import_sessions(pieces(export))


async def stored_counts(engine: AsyncEngine) -> dict[str, int]:
    """
    Count what there is of sessions, in every table of theirs.
    """
    owned = [
        tables.sessions,
        tables.session_sequences,
        tables.session_tags,
        tables.runs,
        tables.state_items,
        tables.events,
    ]
    async with engine.connect() as conn:
        return {
            table.name: await conn.scalar(sa.select(sa.func.count()).select_from(table))
            or 0
            for table in owned
        }


@pytest.mark.parametrize("deleted_at", [None, NOON])
async def test_a_long_session_is_the_same_as_before(
    engine: AsyncEngine, deleted_at: Any
) -> None:
    """
    However many parts it came in; and its numbers go on.
    """
    query, export = SQLQueryAPI(engine), export_of(long_history(deleted_at=deleted_at))
    report = await query.import_sessions(pieces(export))

    assert report.sessions_imported == 1
    assert await exported(query, include_deleted=True) == export
    assert (await query.import_sessions(pieces(export))).sessions_unchanged == 1
    assert await issues_of(engine) == set()
    store = SQLSessionStore(engine)
    if deleted_at is not None:
        await SQLMaintenance(engine).restore_session("ses_1")
    stored = await store.append_event_with_sequence(make_event(id="new"))
    assert stored.sequence_number == EVENT_COUNT + PRUNED_COUNT + 1


async def test_writers_do_not_wait_for_all_of_a_long_import(
    engine: AsyncEngine,
) -> None:
    """
    They are let in between its parts, and followers are given all of it, in order.
    """
    store = SQLSessionStore(engine, timeout=1)
    feed = SQLEventFeed(engine, poll_interval=0.1)
    await store.save_session(make_session(id="ses_2"))
    followed: list[Event] = []
    seen: list[Event] = []

    async def follow() -> None:
        following = feed.follow_session("ses_1", until_over=True)
        followed.extend([event async for event in following])

    async def follow_all() -> None:
        async for event, _ in feed.follow_all():
            if event.session_id == "ses_1":
                seen.append(event)
            if len(seen) == EVENT_COUNT:
                return

    following_all = asyncio.create_task(follow_all())
    export = export_of(long_history(status="completed"))
    importing = asyncio.create_task(SQLQueryAPI(engine).import_sessions(pieces(export)))
    appended = 0
    following: asyncio.Task[None] | None = None
    while not importing.done():
        await store.append_event(make_event(id=f"evt_{appended}", session_id="ses_2"))
        appended += 1
        if following is None and await store.list_sessions(
            include_deleted=True, agent_id=make_session().agent_id
        ):
            following = asyncio.create_task(follow())
    await importing
    async with asyncio.timeout(LONG_SECONDS):
        assert following is not None
        await following
        await following_all
    await feed.aclose()

    stored = await store.get_events("ses_1")
    assert appended >= 3
    assert len(stored) == EVENT_COUNT
    assert followed == stored
    assert seen == stored


async def test_a_session_that_is_there_in_part_is_as_if_it_were_deleted(
    engine: AsyncEngine,
) -> None:
    """
    Until it is whole it is neither listed, exported, written to nor restored.
    """
    await break_off(engine, export_of(long_history()))
    store, query = SQLSessionStore(engine), SQLQueryAPI(engine)

    assert 0 < await store.get_latest_sequence("ses_1") < EVENT_COUNT
    assert await store.list_sessions() == []
    assert b'"event"' not in await exported(query, include_deleted=True)
    for write in (
        store.append_event(make_event(id="new")),
        store.append_events(make_events(2, first=EVENT_COUNT + 50)),
        store.save_session(make_session()),
        store.save_run(make_run()),
    ):
        with pytest.raises(SessionDeletedError):
            await write
    restoring = SQLMaintenance(engine).restore_session("ses_1")
    for refused in (query.export_session("ses_1"), restoring):
        with pytest.raises(SessionNotFoundError):
            await refused
    assert await issues_of(engine) == set()


async def test_the_next_import_goes_on_with_one_that_broke_off(
    engine: AsyncEngine,
) -> None:
    """
    What is stored stays, and nothing is stored twice.
    """
    export = export_of(long_history())
    await break_off(engine, export)
    query = SQLQueryAPI(engine)
    inserted: list[int] = []

    def count(*told: Any) -> None:
        if told[2].startswith("INSERT INTO asm_events"):
            inserted.append(len(told[3]))

    sa_event.listen(engine.sync_engine, "before_cursor_execute", count)
    report = await query.import_sessions(pieces(export))
    sa_event.remove(engine.sync_engine, "before_cursor_execute", count)

    assert report.sessions_imported == 1
    assert 0 < sum(inserted) < EVENT_COUNT
    assert await exported(query) == export
    assert await issues_of(engine) == set()


async def test_another_history_takes_the_place_of_one_that_broke_off(
    engine: AsyncEngine,
) -> None:
    """
    A part of one is never mixed with a part of the other, whichever is longer.
    """
    await break_off(engine, export_of(long_history()))
    query = SQLQueryAPI(engine)
    other = export_of(long_history(agent_id="other"))
    await break_off(engine, other)
    short = export_of(history(make_session(revision=9)))

    await query.import_sessions(pieces(short))

    assert await exported(query) == short
    with pytest.raises(HistoryConflictError):
        await query.import_sessions(pieces(other))
    assert await exported(query) == short
    assert await issues_of(engine) == set()


async def test_an_import_whose_place_was_taken_says_so(engine: AsyncEngine) -> None:
    """
    It leaves alone what the other one stores.
    """
    query, store = SQLQueryAPI(engine), SQLSessionStore(engine)
    other = export_of(long_history(agent_id="other"))
    export = export_of(long_history())
    first = asyncio.create_task(query.import_sessions(pieces(export)))
    while not await store.list_sessions(include_deleted=True):  # noqa: ASYNC110 - nobody is told of a first part
        await asyncio.sleep(0)
    await query.import_sessions(pieces(other))

    with pytest.raises(HistoryConflictError):
        await first
    assert await exported(query) == other


async def test_two_imports_of_one_history_store_it_once(engine: AsyncEngine) -> None:
    """
    Whoever comes to a part first stores it.
    """
    export = export_of(long_history())
    reports = await asyncio.gather(
        *(SQLQueryAPI(engine).import_sessions(pieces(export)) for _ in range(3))
    )

    assert sum(report.sessions_imported for report in reports) >= 1
    assert await exported(SQLQueryAPI(engine)) == export
    assert await issues_of(engine) == set()


async def test_what_a_later_part_is_refused_for_leaves_nothing(
    engine: AsyncEngine,
) -> None:
    """
    An id that stands twice, thousands of lines apart.
    """
    records = long_history()
    records[-2] = records[-2].__class__.from_dict(
        records[-2].to_dict() | {"id": records[1_210].id}
    )
    with pytest.raises(ValidationError, match="appears twice"):
        await SQLQueryAPI(engine).import_sessions(pieces(export_of(records)))

    assert set((await stored_counts(engine)).values()) == {0}


async def test_a_run_of_another_session_is_refused_before_the_first_part(
    engine: AsyncEngine,
) -> None:
    """
    Though it stands behind thousands: nobody ever sees any of them.
    """
    await store_session(SQLSessionStore(engine), "ses_0")
    runs = [
        make_run(id=f"run_{number}", revision=1, started_at=NOON + number * SECOND)
        for number in range(5_000)
    ]
    runs[-1] = attrs.evolve(runs[-1], id="run_ses_0_1")
    before = await stored_counts(engine)
    export = export_of(history(runs=runs))
    with (
        pytest.raises(HistoryConflictError, match="belongs to"),
        inserting_none(engine),
    ):
        await SQLQueryAPI(engine).import_sessions(pieces(export))

    assert await stored_counts(engine) == before


@contextmanager
def inserting_none(engine: AsyncEngine) -> Generator[None]:
    """
    Assert that nothing is inserted.
    """
    inserted: list[str] = []

    def note(*told: Any) -> None:
        if told[2].startswith("INSERT INTO asm_"):
            inserted.append(told[2])

    sa_event.listen(engine.sync_engine, "before_cursor_execute", note)
    try:
        yield
    finally:
        sa_event.remove(engine.sync_engine, "before_cursor_execute", note)
        assert inserted == []


async def test_what_broke_off_is_removed_like_any_deleted_session(
    engine: AsyncEngine,
) -> None:
    """
    By hand, if its time has not come.
    """
    await break_off(engine, export_of(long_history()))
    await SQLMaintenance(engine).execute(RetentionPolicy())
    assert (await stored_counts(engine))["asm_sessions"] == 1

    await SQLSessionStore(engine).delete_session("ses_1")

    counts = await stored_counts(engine)
    assert counts.pop("asm_session_sequences") == 1
    assert set(counts.values()) == {0}
    assert await issues_of(engine) == set()
