"""
Engines and stores in one event loop after the other, in two at once, and after a fork.
"""

from __future__ import annotations

import asyncio
import gc
import os
import select
import sqlite3
import time
from collections.abc import Awaitable, Generator
from pathlib import Path

import aiosqlite
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import PoolProxiedConnection

from asm_async.errors import StoreClosedError
from asm_async.memory import (
    InMemoryDatabase,
    InMemoryEventFeed,
    InMemorySessionStore,
)
from asm_async.sql import SQLEventFeed, SQLSessionStore, create_engine, migrations
from asm_async.sql.dialects.sqlite.driver import interrupt, run
from asm_async.testing.factories import make_event, make_session
from tests.forked_process import MAX_SECONDS, ForkedProcess

LOOPS = 12

pytestmark = [
    # Connections that are left behind with their loop.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:.*deleted before being closed:ResourceWarning"),
    # Their threads, too, find nobody to tell that they have closed a file.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    # Threads are what a fork leaves behind, and what is tried here.
    pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning"),
]


@pytest.fixture(
    params=[
        "sqlite_file",
        "sqlite_memory",
        pytest.param("postgresql", marks=pytest.mark.postgres),
    ]
)
def engine(request: pytest.FixtureRequest) -> Generator[AsyncEngine]:
    """
    Yield an engine whose database got our tables in a loop that has ended.
    """
    names = {
        "sqlite_file": "migrated_sqlite_url",
        "postgresql": "migrated_postgres_url",
    }
    url = "sqlite://"
    if name := names.get(request.param):
        url = str(request.getfixturevalue(name))
    engine = create_engine(url)
    asyncio.run(migrations.upgrade(engine))
    yield engine
    # What is left belongs to loops that are closed.
    engine.sync_engine.dispose(close=False)
    gc.collect()
    # No later test shall be told of what their threads still do.
    time.sleep(0.1)
    gc.collect()


def is_in_memory(engine: AsyncEngine) -> bool:
    """
    Return whether the database goes with its connection.
    """
    return engine.url.database is None


async def append_at_once(engine: AsyncEngine, name: str, count: int = 3) -> int:
    """
    Append *count* events beside reads, and count what is there.
    """
    store = SQLSessionStore(engine, timeout=MAX_SECONDS)
    await store.save_session(make_session())
    await asyncio.gather(
        *(store.append_event(make_event(id=f"{name}_{i}")) for i in range(count)),
        *(store.list_sessions() for _ in range(8)),
    )
    found = await store.get_events("ses_1")
    await store.aclose()
    return len(found)


async def outcome_of(call: Awaitable[object]) -> str:
    """
    Return what came of a call: its result, or the error's type and text.
    """
    try:
        async with asyncio.timeout(MAX_SECONDS):
            return str(await call)
    except Exception as error:  # noqa: BLE001 - foreign ones are what is looked for
        return f"{type(error).__name__}: {error}"


def test_an_engine_works_in_one_event_loop_after_the_other(engine: AsyncEngine) -> None:
    """
    A new store finds all that was stored in the loops before, and its calls can wait.
    """
    counts = [asyncio.run(append_at_once(engine, f"evt_{i}")) for i in range(LOOPS)]

    assert counts == [3 * (i + 1) for i in range(LOOPS)]


def test_a_loop_that_ended_in_the_middle_of_a_call_is_no_harm(
    engine: AsyncEngine,
) -> None:
    """
    Its connection is lost with it; a database in memory then, too, which is said.
    """
    asyncio.run(append_at_once(engine, "evt_1"))
    pooled = asyncio.run(take_connection(engine))

    outcome = asyncio.run(outcome_of(append_at_once(engine, "evt_2")))
    pooled.detach()

    if is_in_memory(engine):
        assert outcome.startswith("StoreClosedError: the database in memory")
    else:
        assert outcome == "6"


async def take_connection(engine: AsyncEngine) -> PoolProxiedConnection:
    """
    Take a connection out of the pool, as a call does that never ends.
    """
    await SQLSessionStore(engine).open()
    return await engine.raw_connection()


def test_a_store_of_a_loop_that_was_closed_says_so(engine: AsyncEngine) -> None:
    """
    It is not used in another loop: a new one is.
    """
    store, feed = SQLSessionStore(engine), SQLEventFeed(engine)

    async def use() -> None:
        await store.list_sessions()
        await feed.get_latest_checkpoint()

    asyncio.run(use())
    for call in (store.list_sessions, feed.get_latest_checkpoint, store.aclose):
        with pytest.raises(StoreClosedError, match="was closed: make another"):
            asyncio.run(call())


@pytest.mark.parametrize("is_derived", [False, True])
def test_an_engine_of_a_loop_that_runs_is_refused_in_another(
    engine: AsyncEngine, *, is_derived: bool
) -> None:
    """
    At once, whatever is called, and the loop that has it goes on.
    """
    other = engine.execution_options(asm_announces=False) if is_derived else engine

    async def elsewhere() -> list[str]:
        calls = (
            SQLSessionStore(other).list_sessions(),
            migrations.current(other),
            migrations.check(other),
            migrations.upgrade(other),
        )
        return [await outcome_of(call) for call in calls]

    async def here() -> list[str]:
        await append_at_once(engine, "evt_1")
        found = await asyncio.to_thread(lambda: asyncio.run(elsewhere()))
        assert await append_at_once(engine, "evt_2") == 6
        return found

    for outcome in asyncio.run(here()):
        assert outcome.startswith("StoreClosedError: the engine belongs to another")
        assert "make an engine for each loop" in outcome


def test_connections_that_the_owner_has_left_are_no_harm(engine: AsyncEngine) -> None:
    """
    Nor are those that were opened without any store, in a loop that was closed.
    """
    mine = engine if is_in_memory(engine) else create_engine(engine.url)

    async def ask() -> None:
        async with mine.connect() as conn:
            await conn.execute(sa.text("SELECT 1"))

    async def use() -> None:
        # Some wait, to which the pool's queue is bound.
        await asyncio.gather(*(ask() for _ in range(20)))

    asyncio.run(use())
    assert asyncio.run(append_at_once(mine, "evt_1")) == 3
    mine.sync_engine.dispose(close=False)


def test_a_forked_process_uses_the_engine_and_so_does_its_parent(
    engine: AsyncEngine,
) -> None:
    """
    Where that cannot be, in memory, it is said at once.
    """
    asyncio.run(append_at_once(engine, "evt_parent"))
    call = append_at_once(engine, "evt_child")
    child = ForkedProcess(lambda: asyncio.run(outcome_of(call)))
    call.close()
    outcome = child.hear()

    if is_in_memory(engine):
        assert outcome.startswith("StoreClosedError: the database in memory")
        assert asyncio.run(append_at_once(engine, "evt_after")) == 6
    else:
        assert outcome == "6"
        assert asyncio.run(append_at_once(engine, "evt_after")) == 9


def test_a_process_that_is_forked_by_a_running_loop_ends_in_time(
    engine: AsyncEngine,
) -> None:
    """
    It works, or says why it cannot, and the parent's loop goes on.
    """

    async def parent() -> tuple[str, int]:
        await append_at_once(engine, "evt_parent")
        call = append_at_once(engine, "evt_child")

        def work() -> str:
            return asyncio.run(outcome_of(call))

        heard = await asyncio.to_thread(lambda: ForkedProcess(work).hear())
        call.close()
        return heard, await append_at_once(engine, "evt_after")

    outcome, count = asyncio.run(parent())

    if engine.dialect.name == "postgresql":
        assert (outcome, count) == ("6", 9)
    else:
        assert outcome.startswith("StoreClosedError: ")
        assert count == 6
    if engine.dialect.name == "sqlite" and not is_in_memory(engine):
        assert "dispose of the engine before the fork" in outcome


def test_a_store_from_before_the_fork_says_so(engine: AsyncEngine) -> None:
    """
    The child makes another.
    """
    store = SQLSessionStore(engine)
    asyncio.run(store.open())
    call = store.list_sessions()
    child = ForkedProcess(lambda: asyncio.run(outcome_of(call)))
    call.close()
    outcome = child.hear()

    assert outcome.startswith("StoreClosedError: the store belongs to the process from")


@pytest.mark.parametrize("is_new", [False, True])
def test_nothing_that_a_forked_process_writes_is_lost(
    migrated_sqlite_url: str, *, is_new: bool
) -> None:
    """
    When the parent closes the file it does not remove the log that the child writes.

    SQLite in the child would believe that it has the parent's locks, had the child not
    closed what it inherited, also where its own engine is another.
    """
    path = Path(str(sa.make_url(migrated_sqlite_url).database))
    engine = create_engine(migrated_sqlite_url)
    asyncio.run(append_at_once(engine, "evt_parent"))
    go_on, told = os.pipe()
    ready, say = os.pipe()

    async def child() -> int:
        mine = create_engine(migrated_sqlite_url) if is_new else engine
        await append_at_once(mine, "evt_before")
        os.write(say, b"ready")
        await asyncio.to_thread(os.read, go_on, 1)
        return await append_at_once(mine, "evt_behind", 20)

    def work() -> str:
        return asyncio.run(outcome_of(child()))

    forked = ForkedProcess(work)
    try:
        assert select.select([ready], [], [], MAX_SECONDS)[0]
        asyncio.run(engine.dispose())
        assert path.with_name(f"{path.name}-wal").exists()
        os.write(told, b"x")
        assert forked.hear() == "26"
    finally:
        forked.end()
        for descriptor in (go_on, told, ready, say):
            os.close(descriptor)

    assert asyncio.run(append_at_once(engine, "evt_after")) == 29
    asyncio.run(engine.dispose())


@pytest.mark.filterwarnings("ignore:coroutine method:RuntimeWarning")
def test_followers_of_a_loop_that_was_closed_disturb_no_writer() -> None:
    """
    In dictionaries, too: nobody wakes them, and nobody fails for that.
    """
    database = InMemoryDatabase()
    loop = asyncio.new_event_loop()

    async def follow() -> asyncio.Task[object]:
        await InMemorySessionStore(database).save_session(make_session())
        followed = InMemoryEventFeed(database).follow_session("ses_1")
        task = asyncio.ensure_future(anext(aiter(followed)))
        await asyncio.sleep(0.01)
        return task

    left = loop.run_until_complete(follow())
    loop.close()
    append = InMemorySessionStore(database).append_event(make_event())

    assert asyncio.run(outcome_of(append)) == "None"
    # It cannot end any more, which asyncio would complain of.
    setattr(left, "_log_destroy_pending", False)  # noqa: B010 - of the task's own


async def test_a_connection_that_is_just_being_closed_can_be_interrupted() -> None:
    """
    As when its loop ends, which cancels the call and closes its connection at once.
    """
    async with aiosqlite.connect(":memory:") as connection:
        await run(connection, sqlite3.Connection.close)

        interrupt(connection)
