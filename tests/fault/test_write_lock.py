"""
The lock of a process's writers, where the database has one writer at a time.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from asm_async.errors import StorageBusyError
from asm_async.sql import SQLMaintenance, SQLSessionStore
from asm_async.sql.core.engine_state import engine_state
from asm_async.sql.transactions.transaction import Transactions
from asm_async.testing.factories import make_event, make_session
from tests.fault.conftest import OpenEngine

LONG_SECONDS = 20


async def test_the_lock_is_not_waited_for_beyond_the_timeout(
    sqlite_url: str, open_engine: OpenEngine
) -> None:
    """
    By groups of appends, and by other transactions.
    """
    engine = open_engine(sqlite_url)
    await SQLSessionStore(engine).save_session(make_session())
    store = SQLSessionStore(engine, timeout=0.2)
    maintenance = SQLMaintenance(engine, timeout=0.2)
    await store.list_sessions()
    await maintenance.clean_orphaned_artifacts()
    lock = engine_state(engine).write_lock
    is_done = asyncio.Event()

    async def hold() -> None:
        async with lock:
            await is_done.wait()

    await lock.acquire()
    holding = asyncio.create_task(hold())
    await asyncio.sleep(0)
    lock.release()
    assert not lock.locked()
    writing: list[asyncio.Future[Any]] = [
        asyncio.ensure_future(store.append_event(make_event())),
        asyncio.ensure_future(maintenance.soft_delete_session("ses_1")),
    ]
    async with asyncio.timeout(LONG_SECONDS):
        errors = await asyncio.gather(*writing, return_exceptions=True)
    is_done.set()
    await holding

    assert [type(error) for error in errors] == [StorageBusyError, StorageBusyError]


async def test_a_lock_that_is_being_handed_over_is_not_waited_for_longer(
    sqlite_url: str, open_engine: OpenEngine
) -> None:
    """
    It is not locked, from its release until the next in line has come to run.
    """
    transactions = Transactions(open_engine(sqlite_url), 0.2)
    lock = engine_state(transactions.engine).write_lock
    clock = asyncio.get_running_loop().time
    is_done = asyncio.Event()
    was_locked: list[bool] = []

    async def hold() -> None:
        async with lock:
            await is_done.wait()

    async def take() -> None:
        was_locked.append(lock.locked())
        async with transactions.write_lock(clock() + 0.2):
            pass

    await lock.acquire()
    holding = asyncio.create_task(hold())
    await asyncio.sleep(0)
    # It runs before the one in line is woken.
    taking = asyncio.create_task(take())
    lock.release()
    async with asyncio.timeout(LONG_SECONDS):
        with pytest.raises(StorageBusyError, match="has the write lock"):
            await taking
    is_done.set()
    await holding

    assert was_locked == [False]
