"""
Whose engine it is, and what becomes of it.
"""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool, QueuePool

from asm_async import open_store
from asm_async.errors import (
    MigrationRequiredError,
    SessionNotFoundError,
    StoreClosedError,
    UnsupportedOperationError,
)
from asm_async.sql import SQLPorts, SQLSessionStore, create_engine, migrations
from asm_async.sql.dialects import dialect_of
from asm_async.sql.transactions.connections import DriverConnections
from asm_async.testing.factories import make_event, make_session

LONG_SECONDS = 30.0


@pytest.fixture
def file_url(tmp_path: Path) -> str:
    """
    Return the URL of an SQLite file that is not there yet.
    """
    return f"sqlite+aiosqlite:///{tmp_path / 'asm.sqlite3'}"


@pytest.fixture(
    params=["file_url", pytest.param("postgres_url", marks=pytest.mark.postgres)]
)
def any_url(request: pytest.FixtureRequest) -> str:
    """
    Return the URL of each database in turn.
    """
    return str(request.getfixturevalue(request.param))


async def test_closing_a_store_leaves_the_callers_engine_open(file_url: str) -> None:
    """
    What was handed in is not disposed: its connections stay, for others to use.
    """
    engine = create_engine(file_url)
    await migrations.upgrade(engine)
    store, other = SQLSessionStore(engine), SQLSessionStore(engine)
    await store.save_session(make_session())
    pool = engine.pool
    await store.aclose()

    assert engine.pool is pool
    assert isinstance(pool, QueuePool)
    assert pool.checkedin() == 1
    assert (await other.get_session("ses_1")).revision == 1
    with pytest.raises(StoreClosedError):
        await store.get_session("ses_1")
    await engine.dispose()


async def test_a_write_has_its_connection_back_in_the_pool_when_it_returns(
    any_url: str,
) -> None:
    """
    So it is where the pool asks the database first: the engine may be disposed of then.
    """
    # To tell other processes takes a connection of its own, in the background.
    engine = create_async_engine(
        any_url, pool_pre_ping=True, execution_options={"asm_announces": False}
    )
    await migrations.upgrade(engine)
    store = SQLSessionStore(engine)
    assert isinstance(engine.pool, QueuePool)
    for number in range(1, 6):
        await store.save_session(make_session(id=f"ses_{number}"))
        assert engine.pool.checkedout() == 0
        await store.append_event(make_event(session_id=f"ses_{number}"))
        assert engine.pool.checkedout() == 0
        with pytest.raises(SessionNotFoundError):
            await store.append_event(make_event(session_id="ses_unknown"))
        assert engine.pool.checkedout() == 0
    await engine.dispose()


async def fail_in_a_store(url: str, pools: list[object]) -> None:
    """
    Open a store, use it and raise an error of the caller's.
    """
    async with open_store(url, migrate=True) as store:
        await store.save_session(make_session())
        pools.append(store.engine.pool)
        raise LookupError


async def test_an_opened_store_disposes_of_its_engine(file_url: str) -> None:
    """
    What open_store has made it puts away, also when the block or the opening fails.
    """
    with pytest.raises(MigrationRequiredError):
        async with open_store(file_url):
            raise AssertionError
    pools: list[object] = []
    with pytest.raises(LookupError):
        await fail_in_a_store(file_url, pools)
    (pool,) = pools

    assert isinstance(pool, QueuePool)
    assert (pool.checkedin(), pool.checkedout()) == (0, 0)


async def test_an_engine_belongs_to_one_event_loop(file_url: str) -> None:
    """
    From another loop neither a store nor its engine can be used.
    """
    engine = create_engine(file_url)
    await migrations.upgrade(engine)
    store = SQLSessionStore(engine)
    await store.open()

    for same_engine in (store, SQLSessionStore(engine)):
        with pytest.raises(StoreClosedError, match="another event loop"):
            await asyncio.to_thread(asyncio.run, same_engine.get_events("ses_1"))
    await engine.dispose()


class OtherDriver(SQLiteDialect_aiosqlite):
    """
    SQLite through a driver that nobody has tried.
    """

    driver = "other"
    supports_statement_cache = True


class OtherDatabase(SQLiteDialect_aiosqlite):
    """
    A database that nobody has tried.
    """

    name = "other"
    supports_statement_cache = True


@pytest.mark.parametrize("dialect", [OtherDriver, OtherDatabase])
async def test_another_database_or_driver_is_refused(
    dialect: type[SQLiteDialect_aiosqlite],
) -> None:
    """
    A store is not made on what was never tried, however alike it may be.
    """
    registry.register("sqlite.untried", dialect.__module__, dialect.__name__)
    engine = create_async_engine("sqlite+untried://")

    with pytest.raises(UnsupportedOperationError, match="other"):
        SQLSessionStore(engine)
    with pytest.raises(UnsupportedOperationError, match="other"):
        await migrations.upgrade(engine)
    await engine.dispose()


@pytest.mark.parametrize("schema", [None, "agents"])
async def test_an_engine_that_moves_our_tables_is_refused(
    any_url: str, schema: str | None
) -> None:
    """
    What goes past SQLAlchemy would write to one schema, and the rest read another.
    """
    engine = create_async_engine(any_url)
    moving = engine.execution_options(schema_translate_map={schema: "others"})
    if schema is None:
        with pytest.raises(UnsupportedOperationError, match="search_path"):
            SQLSessionStore(moving)
    else:
        await migrations.upgrade(moving)
        async with SQLPorts(moving) as ports:
            await ports.store.save_session(make_session())
            await ports.store.delete_session("ses_1")
    await engine.dispose()


async def test_an_engine_may_keep_no_connections(any_url: str) -> None:
    """
    A pool without a queue is asked through SQLAlchemy alone.
    """
    engine = create_async_engine(any_url, poolclass=NullPool)
    await migrations.upgrade(engine)
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    await store.append_event(make_event())

    assert len(await store.get_events("ses_1")) == 1
    await store.aclose()
    await engine.dispose()


async def test_a_call_cancelled_while_it_connects_leaves_nothing(any_url: str) -> None:
    """
    Neither a connection nor an error that nobody hears, at whatever step it was.
    """
    complaints: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    for steps in range(60):
        engine = create_engine(any_url)
        connections = DriverConnections(engine, dialect_of(engine))
        taking = asyncio.ensure_future(connections.take(loop.time() + LONG_SECONDS))
        for _ in range(steps):
            await asyncio.sleep(0)
        # What the selector has to say takes its own time.
        await asyncio.sleep(steps % 3 / 1000)
        taking.cancel()
        await asyncio.wait({taking})
        assert asyncio.all_tasks() == {asyncio.current_task()}
        if not taking.cancelled():
            await connections.give_back(taking.result())
        assert isinstance(engine.pool, QueuePool)
        assert engine.pool.checkedout() == 0
        await engine.dispose()
    gc.collect()
    await asyncio.sleep(0)

    assert complaints == []
