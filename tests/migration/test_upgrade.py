from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, NullPool, StaticPool

from asm_async import open_store
from asm_async.errors import (
    StorageBusyError,
    StorageError,
    UnsupportedOperationError,
    ValidationError,
)
from asm_async.sql import create_engine, migrations
from asm_async.sql.dialects.postgresql.write import MIGRATIONS_KEY

ReadCatalog: TypeAlias = Callable[[AsyncEngine], Awaitable[list[tuple[object, ...]]]]


async def test_up_down_and_up_again_gives_the_same_schema(
    engine: AsyncEngine, catalog: ReadCatalog
) -> None:
    """
    Downgrading to base leaves no table and no index, and upgrading makes all anew.
    """
    empty = await catalog(engine)
    await migrations.upgrade(engine)
    full = await catalog(engine)
    found = await migrations.current(engine)
    await migrations.downgrade(engine, "base")
    emptied = await catalog(engine)
    await migrations.upgrade(engine, "0001")

    assert found == migrations.HEAD
    assert empty == emptied == []
    assert await catalog(engine) == full != []


async def test_a_database_without_tables_has_no_revision(engine: AsyncEngine) -> None:
    """
    The revision of an empty database is None, before and after a round trip.
    """
    before = await migrations.current(engine)
    await migrations.upgrade(engine)
    await migrations.downgrade(engine, "base")

    assert before is None
    assert await migrations.current(engine) is None


async def test_repeating_an_upgrade_or_a_downgrade_changes_nothing(
    engine: AsyncEngine, catalog: ReadCatalog
) -> None:
    """
    Where the database is already there, nothing happens.
    """
    await migrations.downgrade(engine, "base")
    await migrations.upgrade(engine)
    full = await catalog(engine)
    await migrations.upgrade(engine)
    await migrations.upgrade(engine, "base")
    await migrations.downgrade(engine, "head")

    assert await catalog(engine) == full


@pytest.mark.usefixtures("two_revisions")
async def test_each_revision_is_a_step(
    engine: AsyncEngine, catalog: ReadCatalog
) -> None:
    """
    A schema goes up and down one revision at a time, or all the way at once.
    """
    await migrations.upgrade(engine, "0001")
    first = await catalog(engine)
    await migrations.upgrade(engine)
    second = await catalog(engine)
    at_second = await migrations.current(engine)
    await migrations.downgrade(engine, "0001")
    at_first = await migrations.current(engine)
    first_again = await catalog(engine)
    await migrations.upgrade(engine, "head")
    await migrations.upgrade(engine, "0001")
    second_again = await catalog(engine)
    await migrations.downgrade(engine, "base")

    assert (at_first, at_second) == ("0001", "0002")
    assert first_again == first != second == second_again
    assert await catalog(engine) == []


async def test_an_unknown_target_is_refused_and_the_known_ones_are_named(
    engine: AsyncEngine, catalog: ReadCatalog
) -> None:
    """
    A revision that is none raises ValidationError, and nothing is changed.
    """
    with pytest.raises(ValidationError, match="'0815' is not one of base, 0001, head"):
        await migrations.upgrade(engine, "0815")
    with pytest.raises(ValidationError, match="'-1' is not one of base, 0001, head"):
        await migrations.downgrade(engine, "-1")

    assert await catalog(engine) == []


async def test_an_upgrade_that_fails_leaves_what_was_there(
    engine: AsyncEngine, catalog: ReadCatalog
) -> None:
    """
    A name that is taken, of the last statements, makes the first ones undone too.
    """
    async with engine.begin() as conn:
        await conn.exec_driver_sql("CREATE TABLE mine (id INTEGER)")
        await conn.exec_driver_sql("CREATE INDEX asm_artifacts ON mine (id)")
    before = await catalog(engine)

    with pytest.raises(StorageError, match="asm_artifacts"):
        await migrations.upgrade(engine)

    assert await catalog(engine) == before


async def test_two_databases_are_upgraded_at_once_in_one_loop(
    url: str, tmp_path: Path, catalog: ReadCatalog
) -> None:
    """
    Upgrades of two databases that take turns statement by statement do not mix.
    """
    engine = create_engine(url)
    other = create_engine(f"sqlite+aiosqlite:///{tmp_path / 'other.sqlite3'}")
    turns: list[sa.Engine] = []

    def note(conn: sa.Connection, *_: object) -> None:
        turns.append(conn.engine)

    for each in (engine, other):
        sa_event.listen(each.sync_engine, "after_cursor_execute", note)
    await asyncio.gather(migrations.upgrade(engine), migrations.upgrade(other))
    together = [await catalog(each) for each in (engine, other)]
    for each in (engine, other):
        await migrations.downgrade(each, "base")
        await migrations.upgrade(each)
    alone = [await catalog(each) for each in (engine, other)]
    await engine.dispose()
    await other.dispose()

    changes = sum(one is not two for one, two in pairwise(turns))
    assert changes > 5
    assert together == alone


async def test_all_tasks_of_a_process_may_upgrade_at_once(
    engine: AsyncEngine, catalog: ReadCatalog
) -> None:
    """
    Of eight tasks that upgrade one database, all succeed.
    """
    await asyncio.gather(*(migrations.upgrade(engine) for _ in range(8)))
    at_once = await catalog(engine)
    await migrations.downgrade(engine, "base")
    await migrations.upgrade(engine)

    assert await catalog(engine) == at_once


async def test_an_upgraded_file_is_in_wal_mode(tmp_path: Path) -> None:
    """
    Readers and a writer of the file do not block each other.
    """
    path = tmp_path / "asm.sqlite3"
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}")
    await migrations.upgrade(engine)
    await engine.dispose()

    conn = sqlite3.connect(path)
    (mode,) = conn.execute("PRAGMA journal_mode").fetchone()
    conn.close()
    assert mode == "wal"


def begin_in_sql(engine: AsyncEngine) -> None:
    """
    Make each transaction begin in SQL, as SQLAlchemy's manual shows.
    """

    def leave_it_to_us(connection: Any, _: object) -> None:
        connection.isolation_level = None

    def begin(conn: sa.Connection) -> None:
        conn.exec_driver_sql("BEGIN")

    sa_event.listen(engine.sync_engine, "connect", leave_it_to_us)
    sa_event.listen(engine.sync_engine, "begin", begin)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"isolation_level": "AUTOCOMMIT"},
        {"isolation_level": "SERIALIZABLE"},
        {"pool_reset_on_return": None},
        {"poolclass": NullPool},
        {"poolclass": AsyncAdaptedQueuePool, "pool_size": 1, "max_overflow": 0},
        {"connect_args": {"isolation_level": "EXCLUSIVE"}},
    ],
    ids=range(7),
)
@pytest.mark.parametrize("listens", [False, True])
async def test_whatever_sqlite_engine_its_owner_made_is_good(
    options: dict[str, Any],
    listens: bool,  # noqa: FBT001 - pytest passes it by name
    tmp_path: Path,
    catalog: ReadCatalog,
) -> None:
    """
    Engines with listeners, isolation levels and pools of their own migrate alike.
    """
    plain = create_engine(f"sqlite+aiosqlite:///{tmp_path / 'plain.sqlite3'}")
    await migrations.upgrade(plain)
    expected = await catalog(plain)
    await plain.dispose()
    path = tmp_path / "asm.sqlite3"
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}", **options)
    if listens:
        begin_in_sql(engine)

    await migrations.upgrade(engine)
    found, full = await migrations.current(engine), await catalog(engine)
    await migrations.check(engine)
    await migrations.downgrade(engine, "base")
    emptied = await catalog(engine)
    await engine.dispose()

    assert (found, full, emptied) == (migrations.HEAD, expected, [])


@pytest.mark.postgres
@pytest.mark.parametrize(
    "options",
    [
        {"isolation_level": "AUTOCOMMIT"},
        {"isolation_level": "REPEATABLE READ"},
        {"isolation_level": "SERIALIZABLE"},
        {"pool_reset_on_return": None},
        {"poolclass": NullPool},
        {"connect_args": {"statement_cache_size": 0}},
    ],
    ids=range(6),
)
async def test_whatever_postgresql_engine_its_owner_made_is_good(
    options: dict[str, Any], postgres_url: str, catalog: ReadCatalog
) -> None:
    """
    Four tasks on an engine with an isolation level and a pool of its own all succeed.
    """
    engine = create_engine(postgres_url, **options)
    await asyncio.gather(*(migrations.upgrade(engine) for _ in range(4)))
    await migrations.check(engine)
    await migrations.downgrade(engine, "base")
    emptied = await catalog(engine)
    await engine.dispose()

    assert emptied == []


async def test_a_database_in_memory_is_migrated_for_the_store_that_opens_it() -> None:
    """
    The one connection of an engine in memory serves migration and store.
    """
    async with open_store("sqlite+aiosqlite://", migrate=True) as store:
        assert await store.list_sessions() == []


async def test_a_static_pool_is_refused() -> None:
    """
    Tasks that share one transaction cannot have a migration of their own in it.
    """
    engine = create_async_engine("sqlite+aiosqlite://", poolclass=StaticPool)
    with pytest.raises(UnsupportedOperationError, match="StaticPool"):
        await migrations.upgrade(engine)
    with pytest.raises(UnsupportedOperationError, match="StaticPool"):
        await migrations.downgrade(engine, "base")
    await engine.dispose()


async def test_a_locked_file_is_busy_when_timeout_runs_out(tmp_path: Path) -> None:
    """
    While another process writes, upgrading goes on trying, then raises.
    """
    path = tmp_path / "asm.sqlite3"
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    engine = create_engine(
        f"sqlite+aiosqlite:///{path}",
        connect_args={"timeout": 0},
        poolclass=AsyncAdaptedQueuePool,
    )
    with pytest.raises(StorageBusyError):
        await migrations.upgrade(engine, timeout=0.05)
    waiting = asyncio.create_task(migrations.upgrade(engine))
    writer.execute("ROLLBACK")
    writer.close()

    await waiting
    await migrations.check(engine)
    await engine.dispose()


@pytest.mark.postgres
async def test_another_migration_is_busy_when_timeout_runs_out(
    postgres_url: str,
) -> None:
    """
    While another migration is under way, upgrading waits for it, then raises.
    """
    engine = create_engine(postgres_url)
    async with engine.begin() as conn:
        await conn.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATIONS_KEY)))
        with pytest.raises(StorageBusyError):
            await migrations.upgrade(engine, timeout=0.05)
        waiting = asyncio.create_task(migrations.upgrade(engine))

    await waiting
    await migrations.check(engine)
    await engine.dispose()
