"""
Engines that a caller brings along, set as the caller likes.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest
import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, NullPool, QueuePool, StaticPool

from asm_async.errors import (
    UnsupportedOperationError,
)
from asm_async.sql import SQLSessionStore, create_engine, migrations
from asm_async.testing.concurrency import race, run_together
from asm_async.testing.factories import (
    make_event,
    make_events,
    make_execution_result,
    make_run,
    make_session,
)

AWKWARD = {"text": "NUL \0, a lone surrogate \ud800", "number": 10**400}

SQLITE_OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "autocommit": {"isolation_level": "AUTOCOMMIT"},
    "no_reset": {"pool_reset_on_return": None},
    "no_reset_autocommit": {
        "pool_reset_on_return": None,
        "isolation_level": "AUTOCOMMIT",
    },
    "null_pool": {"poolclass": NullPool},
    "one_connection": {"pool_size": 1, "max_overflow": 0},
}

POSTGRES_OPTIONS: dict[str, dict[str, Any]] = {
    "serializable": {"isolation_level": "SERIALIZABLE"},
    "repeatable_read": {"isolation_level": "REPEATABLE READ"},
    "autocommit": {"isolation_level": "AUTOCOMMIT"},
    "no_reset": {"pool_reset_on_return": None},
    "null_pool": {"poolclass": NullPool},
    "one_connection": {"pool_size": 1, "max_overflow": 0},
    "no_statement_cache": {
        "connect_args": {"statement_cache_size": 0, "prepared_statement_cache_size": 0}
    },
}


@pytest.fixture
def file_url(tmp_path: Path) -> str:
    """
    Return the URL of an SQLite file that is not there yet.
    """
    return f"sqlite+aiosqlite:///{tmp_path / 'asm.sqlite3'}"


@pytest.fixture
def asyncpg_url(postgres_url: str) -> sa.URL:
    """
    Return an empty PostgreSQL database, under SQLAlchemy's name for the driver.
    """
    return sa.make_url(postgres_url).set(drivername="postgresql+asyncpg")


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
def any_url(request: pytest.FixtureRequest) -> str | sa.URL:
    """
    Return an empty database of each kind in turn.
    """
    name = {"sqlite": "file_url", "postgresql": "asyncpg_url"}[request.param]
    url: str | sa.URL = request.getfixturevalue(name)
    return url


@pytest.fixture
async def engine_of_one(any_url: str | sa.URL) -> AsyncIterator[AsyncEngine]:
    """
    Yield an engine with one connection, whose transactions its pool does not end.
    """
    engine = create_async_engine(
        any_url, pool_size=1, max_overflow=0, pool_reset_on_return=None
    )
    await migrations.upgrade(engine)
    yield engine
    await engine.dispose()


async def use(engine: AsyncEngine) -> None:
    """
    Assert that stores on *engine* write and read as they should, also at once.
    """
    store, other = SQLSessionStore(engine), SQLSessionStore(engine)
    session = await store.save_session(make_session(metadata=AWKWARD))
    run = await other.save_run(make_run(output=AWKWARD))
    await run_together(
        (store, other)[number % 2].append_events(
            make_events(2, first=10 * number, data=AWKWARD)
        )
        for number in range(1, 9)
    )
    rivals = await race(
        store.append_event(make_event(id=name), expected_sequence=16) for name in "ab"
    )
    found = await other.get_events("ses_1")
    await other.delete_session("ses_1")
    flushed = await store.flush(make_execution_result())

    assert await store.get_session("ses_1") == flushed.session
    assert (session.metadata, run.output) == (AWKWARD, AWKWARD)
    assert [e.sequence_number for e in found] == list(range(1, 18))
    assert all(event.data == AWKWARD for event in found[:16])
    assert rivals.count(None) == 1
    assert [e.sequence_number for e in flushed.events] == [18, 19]
    await store.aclose()
    await other.aclose()


async def settings_of(engine: AsyncEngine) -> list[object]:
    """
    Read what an engine is set to, on a connection of its pool.
    """
    names = ["foreign_keys", "journal_mode", "synchronous", "busy_timeout"]
    command = "PRAGMA"
    if engine.dialect.name == "postgresql":
        names = ["transaction_isolation", "default_transaction_isolation"]
        names += ["lock_timeout", "statement_timeout", "search_path"]
        command = "SHOW"
    async with engine.connect() as conn:
        isolation_level = await conn.get_isolation_level()
        found = [await conn.scalar(sa.text(f"{command} {name}")) for name in names]
        await conn.rollback()
    options = dict(engine.get_execution_options())
    return [engine.pool, options, isolation_level, *found]


async def is_in_transaction(conn: AsyncConnection) -> bool:
    """
    Ask the driver whether a transaction is open.
    """
    driver: Any = (await conn.get_raw_connection()).driver_connection
    if conn.dialect.name == "sqlite":
        return bool(driver.in_transaction)
    return bool(driver.is_in_transaction())


@asynccontextmanager
async def untouched(engine: AsyncEngine) -> AsyncGenerator[None]:
    """
    Assert that what is done with *engine* leaves its settings and connections alone.
    """
    before = await settings_of(engine)
    yield
    assert await settings_of(engine) == before
    if isinstance(engine.pool, QueuePool):
        assert engine.pool.checkedout() == 0
        async with AsyncExitStack() as stack:
            for _ in range(engine.pool.checkedin()):
                conn = await stack.enter_async_context(engine.connect())
                assert not await is_in_transaction(conn)
    await engine.dispose()


@pytest.mark.parametrize("options", SQLITE_OPTIONS.values(), ids=SQLITE_OPTIONS)
async def test_an_engine_on_sqlite_works_and_stays_as_it_is(
    file_url: str, options: dict[str, Any]
) -> None:
    """
    Whatever an engine's options, stores on it keep their promises and change nothing.
    """
    engine = create_async_engine(file_url, **options)
    await migrations.upgrade(engine)
    async with untouched(engine):
        await use(engine)


@pytest.mark.postgres
@pytest.mark.parametrize("options", POSTGRES_OPTIONS.values(), ids=POSTGRES_OPTIONS)
async def test_an_engine_on_postgresql_works_and_stays_as_it_is(
    asyncpg_url: sa.URL, options: dict[str, Any]
) -> None:
    """
    Whatever an engine's options, stores on it keep their promises and change nothing.
    """
    engine = create_async_engine(asyncpg_url, **options)
    await migrations.upgrade(engine)
    async with untouched(engine):
        await use(engine)


@pytest.mark.postgres
async def test_a_stricter_isolation_level_refuses_nothing(asyncpg_url: sa.URL) -> None:
    """
    Stores that write to one session at once wait; none has to be refused and repeated.
    """
    engine = create_async_engine(asyncpg_url, isolation_level="SERIALIZABLE")
    await migrations.upgrade(engine)
    stores = [SQLSessionStore(engine) for _ in range(8)]
    await stores[0].save_session(make_session())
    refused: list[str] = []

    @sa_event.listens_for(engine.sync_engine, "handle_error")
    def on_error(context: sa.ExceptionContext) -> None:
        # A group waits for a lock by short turns, one of which may run out.
        if "lock timeout" not in (told := str(context.original_exception)):
            refused.append(told)

    saved = await run_together(store.save_session(make_session()) for store in stores)
    await engine.dispose()

    assert refused == []
    assert sorted(session.revision for session in saved) == list(range(2, 10))


@pytest.mark.postgres
async def test_an_engine_made_by_execution_options_works(asyncpg_url: sa.URL) -> None:
    """
    So does one that shares its pool with an engine of another isolation level.
    """
    engine = create_async_engine(asyncpg_url)
    autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
    await migrations.upgrade(engine)
    async with untouched(engine):
        await use(autocommit)


@pytest.mark.postgres
async def test_an_engines_json_functions_are_not_used(asyncpg_url: sa.URL) -> None:
    """
    Another idea of JSON, here one that fails, has no say in what is stored.
    """

    def fail(_: object) -> NoReturn:
        raise AssertionError

    engine = create_async_engine(
        asyncpg_url, json_serializer=fail, json_deserializer=fail
    )
    await migrations.upgrade(engine)
    async with untouched(engine):
        await use(engine)


@pytest.mark.parametrize("begin", ["BEGIN", "BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
async def test_a_host_may_begin_transactions_itself(file_url: str, begin: str) -> None:
    """
    An engine whose owner begins a transaction wherever SQLAlchemy does works, too.

    It is what SQLAlchemy's manual advises for SQLite.
    """
    engine = create_async_engine(file_url)

    @sa_event.listens_for(engine.sync_engine, "connect")
    def stop_the_driver(connection: Any, _: object) -> None:
        connection.isolation_level = None

    @sa_event.listens_for(engine.sync_engine, "begin")
    def on_begin(conn: sa.Connection) -> None:
        conn.exec_driver_sql(begin)

    await migrations.upgrade(engine)
    async with untouched(engine):
        await use(engine)


@pytest.mark.parametrize(
    "pragma", ["journal_mode = DELETE", "foreign_keys = ON", "locking_mode = EXCLUSIVE"]
)
async def test_a_host_may_set_its_pragmas(file_url: str, pragma: str) -> None:
    """
    No promise rests on a setting of SQLite's that the engine's owner has changed.
    """
    engine = create_async_engine(file_url, pool_size=1, max_overflow=0)

    @sa_event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, _: object) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    await migrations.upgrade(engine)
    # Connecting anew sets again what the migration has changed.
    await engine.dispose()
    async with untouched(engine):
        await use(engine)


@pytest.mark.parametrize("is_stored", [False, True])
async def test_a_transaction_that_a_host_left_open_swallows_nothing(
    engine_of_one: AsyncEngine, *, is_stored: bool
) -> None:
    """
    On a connection with one that nobody knows of, an append is committed all the same.
    """
    store = SQLSessionStore(engine_of_one)
    await store.save_session(make_session())
    if is_stored:
        # Then the append needs to look closer.
        await store.append_event(make_event())
    async with engine_of_one.connect() as conn:
        driver: Any = (await conn.get_raw_connection()).driver_connection
        await driver.execute("BEGIN")
    await store.append_events([make_event(), make_event(id="evt_2")])
    await engine_of_one.dispose()

    assert len(await store.get_events("ses_1")) == 2


async def test_a_static_pool_is_refused() -> None:
    """
    All tasks would share its one transaction, so nothing is done on it at all.
    """
    engine = create_async_engine("sqlite+aiosqlite://", poolclass=StaticPool)
    store = SQLSessionStore(engine)

    with pytest.raises(UnsupportedOperationError, match="StaticPool"):
        await store.save_session(make_session())
    with pytest.raises(UnsupportedOperationError, match="StaticPool"):
        await migrations.upgrade(engine)
    await engine.dispose()


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite+aiosqlite://",
        "sqlite+aiosqlite:///",
        "sqlite+aiosqlite:///:memory:",
        "sqlite+aiosqlite:///file::memory:?uri=true",
        "sqlite+aiosqlite:///file:log?mode=memory&cache=shared&uri=true",
    ],
)
async def test_a_database_in_memory_is_one_for_all_tasks(url: str) -> None:
    """
    Our engine gives a database in memory one connection, which tasks use in turn.
    """
    engine = create_engine(url)

    assert isinstance(engine.pool, AsyncAdaptedQueuePool)
    assert (engine.pool.size(), engine.pool._max_overflow) == (1, 0)
    await migrations.upgrade(engine)
    await use(engine)
    await engine.dispose()


async def test_the_connection_that_was_used_last_is_used_next(
    engine: AsyncEngine,
) -> None:
    """
    Writers keep the one whose cache is warm, however many readers have come and gone.
    """
    connections = [await engine.connect() for _ in range(3)]
    drivers = [
        (await conn.get_raw_connection()).driver_connection for conn in connections
    ]
    for conn in connections:
        await conn.close()

    async with engine.connect() as conn:
        again = (await conn.get_raw_connection()).driver_connection

    assert again is drivers[-1]


@pytest.mark.parametrize("poolclass", [NullPool, AsyncAdaptedQueuePool])
async def test_a_caller_may_choose_the_pool(file_url: str, poolclass: Any) -> None:
    """
    What is set for the usual pool is not asked of another.
    """
    engine = create_engine(file_url, poolclass=poolclass)
    async with engine.connect() as conn:
        assert await conn.scalar(sa.text("SELECT 1")) == 1
    assert type(engine.pool) is poolclass
    await engine.dispose()
