"""
What only SQLite can show: its files, its settings and its own errors.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from asm_async.errors import StorageBusyError, StorageError
from asm_async.sql import (
    SQLEventFeed,
    SQLQueryAPI,
    SQLSessionStore,
    create_engine,
    migrations,
)
from asm_async.sql.runtime.engine import Durability
from asm_async.testing.factories import (
    make_event,
    make_events,
    make_run,
    make_session,
)
from asm_async.testing.faults import Moment, failing
from asm_async.testing.faults.engines import watched_engine

TIMEOUT = 0.3


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """
    Return the path of a file that is not there yet.
    """
    return tmp_path / "asm.sqlite3"


@pytest.fixture
async def engine(path: Path) -> AsyncIterator[AsyncEngine]:
    """
    Yield an engine on a file that has our tables and the session ``ses_1``.
    """
    engine = create_engine(f"sqlite+aiosqlite:///{path}")
    await migrations.upgrade(engine)
    await SQLSessionStore(engine).save_session(make_session())
    yield engine
    await engine.dispose()


async def pragma(engine: AsyncEngine, name: str) -> Any:
    """
    Read a setting on a connection of the engine's.
    """
    async with engine.connect() as conn:
        return await conn.scalar(sa.text(f"PRAGMA {name}"))


@pytest.mark.parametrize(
    ("durability", "synchronous", "fullfsync"), [("full", 2, 1), ("relaxed", 1, 0)]
)
async def test_durability_is_a_setting_of_each_connection(
    path: Path, durability: Durability, synchronous: int, fullfsync: int
) -> None:
    """
    Our engine syncs at each commit, or at checkpoints only; the file is in WAL mode.
    """
    engine = create_engine(f"sqlite+aiosqlite:///{path}", durability=durability)
    await migrations.upgrade(engine)

    assert await pragma(engine, "synchronous") == synchronous
    assert await pragma(engine, "fullfsync") == fullfsync
    assert await pragma(engine, "journal_mode") == "wal"
    await engine.dispose()


async def test_a_reader_does_not_wait_for_a_writer(
    engine: AsyncEngine, path: Path
) -> None:
    """
    While another connection writes, what was committed before can be read.
    """
    store = SQLSessionStore(engine, timeout=TIMEOUT)
    await store.append_event(make_event())
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM asm_events")

        assert len(await store.get_events("ses_1")) == 1


@pytest.mark.usefixtures("engine")
async def test_a_read_only_file_can_be_read(path: Path) -> None:
    """
    Writing to it fails at once, for waiting would not help.
    """
    url = f"sqlite+aiosqlite:///file:{path}?mode=ro&uri=true"
    read_only = create_engine(url)
    store = SQLSessionStore(read_only)

    assert (await store.get_session("ses_1")).revision == 1
    with pytest.raises(StorageError) as caught:
        await store.append_event(make_event())
    assert type(caught.value) is StorageError
    assert not caught.value.outcome_unknown
    await read_only.dispose()


async def test_a_full_disk_stores_nothing(engine: AsyncEngine) -> None:
    """
    A batch that finds no room is refused whole; with room again, it goes in.
    """
    pages = await pragma(engine, "page_count")
    await pragma(engine, f"max_page_count = {pages + 2}")
    store = SQLSessionStore(engine)
    events = make_events(500, data={"content": "between you and me"})
    with pytest.raises(StorageError) as caught:
        await store.append_events(events)

    assert type(caught.value) is StorageError
    assert not caught.value.outcome_unknown
    assert "you and me" not in str(caught.value)
    assert await store.get_events("ses_1") == []
    await pragma(engine, f"max_page_count = {pages + 1_000}")
    stored = await store.append_events(events)
    assert [event.sequence_number for event in stored] == list(range(1, 501))


async def test_a_file_of_another_kind_is_refused() -> None:
    """
    What is no database is an error that no waiting cures.
    """
    engine = create_engine(f"sqlite+aiosqlite:///{__file__}")
    with pytest.raises(StorageError) as caught:
        await SQLSessionStore(engine).open()

    assert type(caught.value) is StorageError
    await engine.dispose()


async def test_a_missing_directory_fails_at_once(tmp_path: Path) -> None:
    """
    A file that cannot be opened is nothing to wait for.
    """
    engine = create_engine(f"sqlite+aiosqlite:///{tmp_path / 'not' / 'here'}")
    threads = threading.active_count()
    with pytest.raises(StorageError, match="unable to open") as caught:
        await SQLSessionStore(engine).open()

    assert not caught.value.retryable
    await engine.dispose()
    # The driver's thread ends a little later, and wants to tell the event loop.
    while threading.active_count() > threads:  # noqa: ASYNC110 - threads set no event
        await asyncio.sleep(0)


async def test_a_missing_table_is_a_storage_error(
    engine: AsyncEngine, path: Path
) -> None:
    """
    SQLite has no code of its own for it, so that it is not told from other errors.
    """
    store = SQLSessionStore(engine)
    await store.open()
    with closing(sqlite3.connect(path)) as other:
        other.execute("DROP TABLE asm_events")
    with pytest.raises(StorageError, match="asm_events"):
        await store.append_event(make_event())

    assert await store.get_latest_sequence("ses_1") == 0


async def test_a_commit_that_is_refused_was_not_made(path: Path) -> None:
    """
    With a rollback journal a reader blocks COMMIT: busy, and not an unknown outcome.
    """
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{path}", connect_args={"timeout": 0.05}
    )

    @sa_event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, _: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = DELETE")
        cursor.close()

    await migrations.upgrade(engine)
    await engine.dispose()
    store = SQLSessionStore(engine, timeout=TIMEOUT)
    await store.save_session(make_session())
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT * FROM asm_sessions").fetchall()
        with pytest.raises(StorageBusyError) as caught:
            await store.save_session(make_session(tags=["new"]))

    assert not caught.value.outcome_unknown
    assert (await store.get_session("ses_1")).revision == 1
    assert (await store.save_session(make_session())).revision == 2
    await engine.dispose()


@pytest.mark.parametrize("expected_sequence", [None, 0])
async def test_a_disk_that_fails_at_commit_leaves_the_outcome_unknown(
    engine: AsyncEngine, path: Path, *, expected_sequence: int | None
) -> None:
    """
    The error says so, nothing is tried again, and repeating the append is safe.
    """
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = "SQLITE_IOERR_FSYNC"
    other = create_engine(f"sqlite+aiosqlite:///{path}")
    append = partial(
        SQLSessionStore(other).append_event_with_sequence,
        make_event(),
        expected_sequence=expected_sequence,
    )
    with watched_engine(other) as points:
        points.arm(failing(error), "COMMIT", moment=Moment.BEFORE_ANSWER)
        with pytest.raises(StorageError, match="disk") as caught:
            await append()

    assert caught.value.outcome_unknown
    assert (await append()).sequence_number == 1
    assert len(await SQLSessionStore(engine).get_events("ses_1")) == 1
    await other.dispose()


def damage(path: Path, statement: str) -> None:
    """
    Change what is stored, past the store and past the constraints of the tables.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA ignore_check_constraints = ON")
        other.execute(statement)


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("asm_sessions", "status = 'lost'"),
        ("asm_sessions", "created_at = 'noon'"),
        ("asm_sessions", "created_at = 9223372036854775807"),
        ("asm_sessions", "metadata = '{'"),
        ("asm_sessions", "agent_id = CAST(x'ff' AS TEXT)"),
        ("asm_runs", "status = 'lost'"),
        ("asm_runs", "output = 'x'"),
        ("asm_events", "data = '{'"),
        ("asm_events", "timestamp = 'noon'"),
    ],
)
async def test_a_damaged_row_is_no_mistake_of_who_reads_it(
    engine: AsyncEngine, path: Path, table: str, change: str
) -> None:
    """
    It is an error of the storage's, not of the caller's values, and no bare one.
    """
    store = SQLSessionStore(engine)
    await store.save_run(make_run())
    await store.append_event(make_event())
    damage(path, f"UPDATE {table} SET {change}")  # noqa: S608 - both stand above
    calls: dict[str, Callable[[str], Awaitable[object]]] = {
        "asm_sessions": store.get_session,
        "asm_runs": store.list_runs,
        "asm_events": store.get_events,
    }
    with pytest.raises(StorageError, match="damaged") as caught:
        await calls[table]("ses_1")

    assert type(caught.value) is StorageError
    assert not caught.value.outcome_unknown


async def test_a_damaged_status_is_no_mistake_of_who_reads_it(
    engine: AsyncEngine, path: Path
) -> None:
    """
    Wherever a status is made of what a column holds, that can be what nobody stored.
    """
    store, feed = SQLSessionStore(engine), SQLEventFeed(engine)
    await store.save_run(make_run())
    damage(path, "UPDATE asm_session_sequences SET state = 'lost'")
    with pytest.raises(StorageError, match="damaged"):
        await store.append_event(make_event())
    damage(path, "UPDATE asm_session_sequences SET state = 'live'")
    damage(path, "UPDATE asm_sessions SET status = 'lost'")
    damage(path, "UPDATE asm_runs SET status = 'lost'")
    with pytest.raises(StorageError, match="damaged"):
        await SQLQueryAPI(engine).get_session_stats("ses_1")
    with pytest.raises(StorageError, match="damaged"):
        await anext(feed.follow_session("ses_1", until_over=True))
    await feed.aclose()


@contextmanager
def empty_pages(path: Path) -> Generator[None]:
    """
    Have nothing but zeros behind a file's first pages, meanwhile.
    """
    sound = path.read_bytes()
    kept = 50 * 4096
    assert len(sound) > kept
    path.write_bytes(sound[:kept] + bytes(len(sound) - kept))
    yield
    path.write_bytes(sound)


async def test_a_damaged_page_that_was_mended_is_read_again(
    engine: AsyncEngine, path: Path
) -> None:
    """
    The connection that has met it is given up, with the pages that it has kept.
    """
    store = SQLSessionStore(engine)
    await store.append_events(make_events(200, data={"content": "x" * 2_000}))
    async with engine.connect() as conn:
        await conn.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    await engine.dispose()
    with empty_pages(path):
        for _ in range(2):
            with pytest.raises(StorageError, match="backup") as caught:
                await store.get_events("ses_1")
            assert not caught.value.retryable

    assert len(await store.get_events("ses_1")) == 200
