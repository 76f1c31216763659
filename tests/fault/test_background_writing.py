"""
Background writers whose database is locked, slow or gone for a while.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Generator
from contextlib import closing, contextmanager

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import (
    EventsNotWrittenError,
    QueueFullError,
    StorageBusyError,
    StorageError,
)
from asm_async.recording import BackgroundWriter
from asm_async.sql import SQLSessionStore
from asm_async.testing.factories import make_event, make_events, make_session
from asm_async.testing.faults import Hold, Moment, failing
from asm_async.testing.faults.engines import watched_engine
from tests.fault.acts import refusing, terminated
from tests.fault.conftest import OpenEngine

LONG_SECONDS = 20

APPENDING = r"(INSERT|WITH|UPDATE).*"
"""
Statements that write events, on either database.
"""


@contextmanager
def locked(url: str) -> Generator[sqlite3.Connection]:
    """
    Hold the write lock of an SQLite file, as another program might.
    """
    path = str(sa.make_url(url).database)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


@pytest.fixture
async def engine(url: str, open_engine: OpenEngine) -> AsyncEngine:
    """
    Return an engine on each database in turn, which holds a session.
    """
    engine = open_engine(url)
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    await store.aclose()
    await engine.dispose()
    return engine


@pytest.fixture
async def store(engine: AsyncEngine) -> AsyncIterator[SQLSessionStore]:
    """
    Yield a store that soon gives up.
    """
    store = SQLSessionStore(engine, timeout=0.2)
    yield store
    await store.aclose()


async def ids_in(engine: AsyncEngine) -> list[str]:
    """
    Return the ids of the session's events, as a patient store finds them.
    """
    async with asyncio.timeout(LONG_SECONDS):
        return [e.id for e in await SQLSessionStore(engine).get_events("ses_1")]


async def test_a_locked_file_holds_up_nobody_who_appends(
    sqlite_url: str, open_engine: OpenEngine
) -> None:
    """
    Events gather until the queue is full, and are all written, in order, afterwards.
    """
    engine = open_engine(sqlite_url)
    store = SQLSessionStore(engine, timeout=0.2)
    await store.save_session(make_session())
    events = make_events(50)
    async with BackgroundWriter(store, max_pending=50, timeout=LONG_SECONDS) as writer:
        with locked(sqlite_url) as other:
            for event in events:
                writer.append_nowait(event)
            # For longer than the store itself goes on trying.
            await asyncio.sleep(0.5)
            assert len(writer.unwritten) == 50
            with pytest.raises(QueueFullError):
                writer.append_nowait(make_event(id="evt_late"))
            other.execute("COMMIT")
        await writer.flush()
        assert await ids_in(engine) == [event.id for event in events]
    await store.aclose()


async def test_a_file_that_stays_locked_is_told_of(
    sqlite_url: str, open_engine: OpenEngine
) -> None:
    """
    What was appended is named, is not there, and can be appended once it is free.
    """
    engine = open_engine(sqlite_url)
    store = SQLSessionStore(engine, timeout=0.2)
    await store.save_session(make_session())
    writer = BackgroundWriter(store, timeout=0.2)
    with locked(sqlite_url):
        for event in make_events(3):
            writer.append_nowait(event)
        async with asyncio.timeout(LONG_SECONDS):
            with pytest.raises(EventsNotWrittenError) as caught:
                await writer.flush()
    assert isinstance(caught.value.__cause__, StorageBusyError)
    assert caught.value.event_ids == ("evt_1", "evt_2", "evt_3")
    assert not caught.value.outcome_unknown
    assert await ids_in(engine) == []

    await store.append_events(writer.unwritten)
    assert await ids_in(engine) == ["evt_1", "evt_2", "evt_3"]
    await store.aclose()


async def test_leaving_ends_in_time_though_the_file_stays_locked(
    sqlite_url: str, open_engine: OpenEngine
) -> None:
    """
    Cancelled, it waits for its timeout and the store's, and then says what is left.
    """
    engine = open_engine(sqlite_url)
    store = SQLSessionStore(engine, timeout=0.4)
    await store.save_session(make_session())
    writer = BackgroundWriter(store, timeout=0.4)

    async def record() -> None:
        async with writer:
            writer.append_nowait(make_event())

    with locked(sqlite_url):
        recording = asyncio.create_task(record())
        await asyncio.sleep(0.05)
        recording.cancel()
        await asyncio.wait({recording}, timeout=LONG_SECONDS)
        assert recording.cancelled()
    with pytest.raises(EventsNotWrittenError):
        await writer.flush()
    assert await ids_in(engine) == []
    await store.aclose()


async def test_an_unknown_outcome_is_found_out_by_writing_again(
    engine: AsyncEngine, store: SQLSessionStore
) -> None:
    """
    A batch whose commit was not heard of in time is there once, and so is the rest.
    """
    hold = Hold()
    events = make_events(5)
    with watched_engine(engine) as points:
        points.arm(hold, "COMMIT|WITH|INSERT", moment=Moment.BEFORE_ANSWER)
        async with BackgroundWriter(store, timeout=LONG_SECONDS) as writer:
            for event in events:
                writer.append_nowait(event)
            async with asyncio.timeout(LONG_SECONDS):
                await hold.happened.wait()
                await asyncio.sleep(0.5)
                hold.released.set()
                await writer.flush()
            writer.append_nowait(make_event(id="evt_6"))

    assert await ids_in(engine) == [f"evt_{number}" for number in range(1, 7)]


async def test_an_unknown_outcome_is_found_out_though_nothing_may_pass(
    sqlite_url: str, open_engine: OpenEngine
) -> None:
    """
    A commit that has happened, and is said to have met a broken disk, is no failure.
    """
    broken = sqlite3.OperationalError("disk I/O error")
    broken.sqlite_errorname = "SQLITE_IOERR_FSYNC"
    engine = open_engine(sqlite_url)
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    await engine.dispose()
    with watched_engine(engine) as points:
        fault = points.arm(failing(broken), "COMMIT", moment=Moment.BEFORE_ANSWER)
        async with BackgroundWriter(store) as writer:
            writer.append_nowait(make_event())
    await store.aclose()

    assert fault.struck
    assert await ids_in(engine) == ["evt_1"]


async def test_a_refusal_by_the_database_stops_the_writer(
    engine: AsyncEngine, store: SQLSessionStore
) -> None:
    """
    At once, where to try again is of no use; the driver's error is there to be seen.
    """
    with watched_engine(engine) as points:
        points.arm(refusing(engine), APPENDING, times=1_000)
        writer = BackgroundWriter(store, timeout=LONG_SECONDS)
        for event in make_events(4):
            writer.append_nowait(event)
        async with asyncio.timeout(LONG_SECONDS / 2):
            with pytest.raises(EventsNotWrittenError) as caught:
                await writer.flush()

    assert isinstance(caught.value.__cause__, StorageError)
    assert len(caught.value.event_ids) == 4
    assert await ids_in(engine) == []


@pytest.mark.postgres
async def test_a_killed_backend_costs_no_event(
    migrated_postgres_url: str, open_engine: OpenEngine
) -> None:
    """
    Whenever it is killed, everything is there once and in order.
    """
    engine = open_engine(migrated_postgres_url)
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    await engine.dispose()
    events = make_events(60)
    with watched_engine(engine) as points:
        async with BackgroundWriter(store) as writer:
            for number, event in enumerate(events):
                writer.append_nowait(event)
                if number % 10 == 0:
                    moment = list(Moment)[number // 10 % len(Moment)]
                    kill = terminated(migrated_postgres_url)
                    fault = points.arm(kill, "(?!CONNECT)", moment=moment)
                    async with asyncio.timeout(LONG_SECONDS):
                        await writer.flush()
                    assert fault.struck

    assert await ids_in(engine) == [event.id for event in events]
    await store.aclose()
