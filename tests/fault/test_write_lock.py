"""
The lock of a process's writers, where the database has one writer at a time.
"""

from __future__ import annotations

import asyncio
from typing import Any

from asm_async.errors import StorageBusyError
from asm_async.sql import SQLMaintenance, SQLSessionStore
from asm_async.sql.core.engine_state import engine_state
from asm_async.testing.factories import make_event, make_session
from tests.fault.conftest import OpenEngine

LONG_SECONDS = 20


async def test_the_lock_is_not_waited_for_beyond_the_timeout(
    sqlite_url: str, open_engine: OpenEngine
) -> None:
    """
    Nor where it seems to be free, since it is being handed over to the next in line.
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
