"""
Writers that wait for a lock of somebody else's, and those who must not wait with them.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from asm_async.errors import StorageBusyError
from asm_async.sql import SQLSessionStore, create_engine
from asm_async.sql.dialects.postgresql.write import session_lock_keys
from asm_async.testing.factories import make_event, make_events, make_session, numbered

LONG_SECONDS = 20

SESSIONS = [f"ses_{number}" for number in range(1, 21)]


@pytest.fixture
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    """
    Yield an engine of few connections, on a database with twenty sessions.
    """
    engine = create_engine(url, pool_size=4, max_overflow=0)
    store = SQLSessionStore(engine)
    await asyncio.gather(
        *(store.save_session(make_session(id=id_)) for id_ in SESSIONS)
    )
    await store.aclose()
    yield engine
    await engine.dispose()


@asynccontextmanager
async def locked(url: str, *session_ids: str) -> AsyncGenerator[None]:
    """
    Keep writers off sessions, or off the whole database where one writes at a time.
    """
    target = sa.make_url(url)
    if target.get_backend_name() == "sqlite":
        path = str(target.database)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")
        return
    plain = target.set(drivername="postgresql").render_as_string(hide_password=False)
    connection: asyncpg.Connection[Any] = await asyncpg.connect(plain)
    try:
        for key in session_lock_keys(session_ids):
            await connection.execute("SELECT pg_advisory_lock($1)", key)
        yield
    finally:
        await connection.close()


async def test_reads_never_wait_behind_writes(url: str, engine: AsyncEngine) -> None:
    """
    However many sessions' writers are stuck, what was committed can be read.
    """
    store = SQLSessionStore(engine)
    stored = await store.append_event_with_sequence(make_event())
    async with locked(url, *SESSIONS):
        writing = [
            asyncio.create_task(store.append_event(make_event(id="w", session_id=id_)))
            for id_ in SESSIONS
        ]
        # Long enough for a group to be taken apart.
        await asyncio.wait(writing, timeout=0.8)
        assert not any(task.done() for task in writing)
        async with asyncio.timeout(LONG_SECONDS):
            assert await store.get_events("ses_1") == [stored]
            assert len(await store.list_sessions()) == len(SESSIONS)
    async with asyncio.timeout(LONG_SECONDS):
        await asyncio.gather(*writing)

    assert await store.get_latest_sequence("ses_1") == 2


@pytest.mark.parametrize("seconds", [0.05, 30])
async def test_an_engine_that_waits_longer_is_not_waited_for(
    migrated_sqlite_url: str, seconds: float
) -> None:
    """
    The store's timeout holds on connections of any owner, which stay as they were.
    """
    engine = create_async_engine(migrated_sqlite_url, connect_args={"timeout": seconds})
    store = SQLSessionStore(engine, timeout=0.3)
    await store.save_session(make_session())
    async with locked(migrated_sqlite_url):
        with pytest.raises(StorageBusyError):
            await store.append_event(make_event())
        with pytest.raises(StorageBusyError):
            await store.delete_session("ses_1")
    await store.append_event(make_event())

    async with engine.connect() as conn:
        found = await conn.exec_driver_sql("PRAGMA busy_timeout")
        assert found.scalar_one() == seconds * 1000
    await store.aclose()
    await engine.dispose()


async def test_no_task_outlives_a_closed_store(url: str, engine: AsyncEngine) -> None:
    """
    Neither after its callers' timeouts have run out nor after they were cancelled.
    """
    for is_cancelled in (False, True):
        store = SQLSessionStore(engine, timeout=0.2)
        await store.open()
        async with locked(url, *SESSIONS):
            writing = [
                asyncio.create_task(store.append_event(make_event(session_id=id_)))
                for id_ in SESSIONS[:3]
            ]
            if is_cancelled:
                await asyncio.wait(writing, timeout=0.05)
                for task in writing:
                    task.cancel()
            async with asyncio.timeout(LONG_SECONDS):
                await asyncio.wait(writing)
        async with asyncio.timeout(LONG_SECONDS):
            await store.aclose()

        assert asyncio.all_tasks() == {asyncio.current_task()}
        if not is_cancelled:
            errors = [task.exception() for task in writing]
            assert [type(error) for error in errors] == [StorageBusyError] * 3
            assert await SQLSessionStore(engine).get_events("ses_1") == []


@pytest.mark.postgres
async def test_a_stuck_session_waits_alone(migrated_postgres_url: str) -> None:
    """
    Others go on, also those of its group; its own appends keep their order.
    """
    engine = create_engine(migrated_postgres_url)
    store = SQLSessionStore(engine)
    for id_ in ("ses_1", "ses_2"):
        await store.save_session(make_session(id=id_))
    async with locked(migrated_postgres_url, "ses_1"):
        stuck = [
            asyncio.create_task(store.append_event_with_sequence(event))
            for event in make_events(20)
        ]
        async with asyncio.timeout(LONG_SECONDS):
            for event in make_events(20, session_id="ses_2"):
                await store.append_event(event)
        assert not any(task.done() for task in stuck)
        stuck += [
            asyncio.create_task(store.append_event_with_sequence(event))
            for event in make_events(20, first=21)
        ]
        await asyncio.sleep(0)
    async with asyncio.timeout(LONG_SECONDS):
        stored = await asyncio.gather(*stuck)
    await engine.dispose()

    assert stored == numbered(make_events(40))
