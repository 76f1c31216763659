"""
SQLite files that are not in WAL mode, and what becomes of them.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from asm_async.sql import (
    SQLMaintenance,
    SQLQueryAPI,
    SQLSessionStore,
    create_engine,
    migrations,
)
from asm_async.testing.concurrency import run_together
from asm_async.testing.factories import make_session

TIMEOUT = 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """
    Return a file that an application's own Alembic has migrated.
    """
    path = tmp_path / "asm.sqlite3"
    engine = sa.create_engine(f"sqlite:///{path}")
    with (
        engine.begin() as conn,
        Operations.context(MigrationContext.configure(conn)),
    ):
        migrations.up()
    engine.dispose()
    return path


def journal_mode(path: Path) -> str:
    """
    Read how the file is set.
    """
    with closing(sqlite3.connect(path)) as conn:
        (mode,) = conn.execute("PRAGMA journal_mode").fetchone()
    return str(mode)


@contextmanager
def reader_of(path: Path) -> Generator[None]:
    """
    Read in another program, without an end.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        conn.execute("BEGIN")
        conn.execute("SELECT * FROM asm_sessions").fetchall()
        yield


async def open_all(engine: AsyncEngine) -> None:
    """
    Use three ports of one engine.
    """
    await SQLSessionStore(engine, timeout=TIMEOUT).open()
    await SQLQueryAPI(engine, timeout=TIMEOUT).count_events()
    await SQLSessionStore(engine, timeout=TIMEOUT).list_sessions()


async def issues(engine: AsyncEngine) -> list[tuple[str, str]]:
    """
    Check the database's health.
    """
    found = await SQLMaintenance(engine, timeout=TIMEOUT).health_check()
    return [(issue.subject, issue.message) for issue in found]


@pytest.mark.parametrize("is_linked", [False, True])
async def test_opening_a_store_puts_the_file_into_wal_mode(
    path: Path, caplog: pytest.LogCaptureFixture, *, is_linked: bool
) -> None:
    """
    Whoever has migrated it, also behind a symbolic link, and however many open it.
    """
    assert journal_mode(path) == "delete"
    link = path.with_name("link")
    link.symlink_to(path)
    engines = [
        create_engine(f"sqlite:///{link if is_linked else path}") for _ in range(3)
    ]
    await run_together(open_all(engine) for engine in engines)

    assert journal_mode(path) == "wal"
    assert await issues(engines[0]) == []
    assert caplog.records == []
    for engine in engines:
        await engine.dispose()


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ("mode=ro", "readonly"),
        ("vfs=unix-dotfile", "shared memory"),
        ("mode=rw", "locked"),
    ],
)
async def test_a_file_that_cannot_be_in_wal_mode_is_warned_of(
    path: Path, caplog: pytest.LogCaptureFixture, parameters: str, reason: str
) -> None:
    """
    Once for each engine, with the reason; it can be read, and its health tells.
    """
    engine = create_engine(f"sqlite:///file:{path}?{parameters}&uri=true")
    caplog.set_level(logging.WARNING, "asm_async.sql")
    with reader_of(path):
        await open_all(engine)
    found = await issues(engine)
    await engine.dispose()

    (record,) = caplog.records
    told = record.getMessage()
    assert told.startswith(f"{path}: journal_mode is delete, not wal")
    assert reason in told
    assert record.name.startswith("asm_async.sql")
    (issue,) = found
    assert issue[0] == "journal_mode"
    assert "not wal" in issue[1]
    assert journal_mode(path) == "delete"


async def test_the_file_of_a_hosts_engine_is_left_and_warned_of(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """
    It is not reconfigured: its owner may set another mode on each connection.
    """
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}")
    await open_all(engine)
    await SQLSessionStore(engine).save_session(make_session())
    found = await issues(engine)
    await engine.dispose()

    (record,) = caplog.records
    assert "journal_mode is delete, not wal" in record.getMessage()
    assert [subject for subject, _ in found] == ["journal_mode"]
    assert journal_mode(path) == "delete"
