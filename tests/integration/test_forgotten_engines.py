"""
Engines on SQLite that nobody disposes of.
"""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import cast

import pytest
import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from asm_async.errors import SessionNotFoundError
from asm_async.sql import SQLSessionStore, create_engine
from asm_async.testing.factories import make_event, make_session

ENGINES = 10
MAX_SECONDS = 20


async def write(engine: AsyncEngine) -> None:
    """
    Leave a thread whose last work was a group of writes.
    """
    await SQLSessionStore(engine).save_session(make_session())


async def read(engine: AsyncEngine) -> None:
    """
    Leave one whose last work was a read.
    """
    await SQLSessionStore(engine).list_sessions()


async def be_refused(engine: AsyncEngine) -> None:
    """
    Leave one whose last work was refused.
    """
    with suppress(SessionNotFoundError):
        await SQLSessionStore(engine).append_event(make_event())


async def fail(engine: AsyncEngine) -> None:
    """
    Leave one whose last work, through SQLAlchemy, has failed.
    """
    async with engine.connect() as conn:
        # What pytest catches it may keep, with all that its frames hold.
        with suppress(exc.OperationalError):
            await conn.execute(sa.text("SELECT nothing FROM nowhere"))


async def select(engine: AsyncEngine) -> None:
    """
    Leave one whose last work went through SQLAlchemy.
    """
    async with engine.connect() as conn:
        await conn.execute(sa.text("SELECT 1"))


def descriptors() -> int:
    """
    Count this process's open files.
    """
    return len(list(Path(f"/proc/{os.getpid()}/fd").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux's /proc")
@pytest.mark.filterwarnings("ignore:.*deleted before being closed:ResourceWarning")
@pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning")
@pytest.mark.filterwarnings("ignore:The garbage collector:sqlalchemy.exc.SAWarning")
@pytest.mark.parametrize("use", [write, read, be_refused, fail, select])
async def test_a_forgotten_engine_leaves_neither_threads_nor_open_files(
    sqlite_template: Path, tmp_path: Path, use: Callable[[AsyncEngine], Awaitable[None]]
) -> None:
    """
    What the thread was given last does not keep the connection.
    """
    gc.collect()
    before = threading.active_count(), descriptors()
    for number in range(ENGINES):
        path = shutil.copy(sqlite_template, tmp_path / f"{number}.sqlite3")
        await use(create_engine(f"sqlite:///{path}"))

    async with asyncio.timeout(MAX_SECONDS):
        while (threading.active_count(), descriptors()) > before:
            gc.collect()
            await asyncio.sleep(0.01)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux's /proc")
@pytest.mark.filterwarnings("ignore:.*deleted before being closed:ResourceWarning")
@pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning")
def test_a_loop_that_ends_while_a_group_is_written_leaves_neither(
    migrated_sqlite_url: str,
) -> None:
    """
    The connection is closed once its thread is done with the group.
    """
    gc.collect()
    before = threading.active_count(), descriptors()
    engine = create_engine(migrated_sqlite_url)
    loop = asyncio.new_event_loop()
    with closing(sqlite3.connect(engine.url.database or "")) as other:
        loop.run_until_complete(begin_to_write(engine, other))
        loop.close()
    del engine

    end = time.monotonic() + MAX_SECONDS
    while (threading.active_count(), descriptors()) > before:
        assert time.monotonic() < end, "a thread or a file is left"
        gc.collect()
        time.sleep(0.01)


async def begin_to_write(engine: AsyncEngine, other: sqlite3.Connection) -> None:
    """
    Return while an append waits for the lock that the *other* connection takes.
    """
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    other.execute("BEGIN IMMEDIATE")
    appending = asyncio.ensure_future(store.append_event(make_event()))
    pool = cast("QueuePool", engine.pool)
    async with asyncio.timeout(MAX_SECONDS):
        while not pool.checkedout():  # noqa: ASYNC110 - a pool tells nobody
            await asyncio.sleep(0)
    setattr(appending, "_log_destroy_pending", False)  # noqa: B010 - not typed
