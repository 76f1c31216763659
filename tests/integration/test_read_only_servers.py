"""
Servers that take no writes: standbys, and primaries that were demoted.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import StorageUnavailableError
from asm_async.sql import SQLMaintenance, SQLSessionStore, create_engine
from asm_async.testing.factories import make_event, make_session

pytestmark = pytest.mark.postgres

LONG_SECONDS = 20

CONNECTIONS = 4


@pytest.fixture
async def engine(migrated_postgres_url: str) -> AsyncIterator[AsyncEngine]:
    """
    Yield an engine on a primary.
    """
    engine = create_engine(migrated_postgres_url)
    yield engine
    await engine.dispose()


async def demote(engine: AsyncEngine) -> None:
    """
    Have the connections of the pool write no more, and those that are made later write.
    """
    async with AsyncExitStack() as stack:
        for _ in range(CONNECTIONS):
            conn = await stack.enter_async_context(engine.connect())
            raw = await conn.get_raw_connection()
            driver: Any = raw.driver_connection
            await driver.execute("SET default_transaction_read_only = on")


async def test_writers_find_the_new_primary(engine: AsyncEngine) -> None:
    """
    A connection to a server that takes no writes is given up, in each way of writing.
    """
    store = SQLSessionStore(engine, timeout=LONG_SECONDS)
    maintenance = SQLMaintenance(engine, timeout=LONG_SECONDS)
    await store.save_session(make_session())
    async with asyncio.timeout(LONG_SECONDS):
        await demote(engine)
        await store.append_event(make_event())
        await demote(engine)
        await store.save_session(make_session(id="ses_2"))
        await demote(engine)
        await maintenance.soft_delete_session("ses_2")

    assert [event.id for event in await store.get_events("ses_1")] == ["evt_1"]


async def test_who_begins_on_a_standby_hears_so_at_once(
    migrated_postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Opening says that nothing can be written; writes say why, and that nothing was.
    """
    settings = {"server_settings": {"default_transaction_read_only": "on"}}
    engine = create_engine(migrated_postgres_url, connect_args=settings)
    store = SQLSessionStore(engine, timeout=10 * LONG_SECONDS)
    maintenance = SQLMaintenance(engine, timeout=10 * LONG_SECONDS)
    assert await store.list_sessions() == []
    assert "takes no writes" in caplog.text
    for write in (
        store.append_event(make_event()),
        store.save_session(make_session()),
        maintenance.soft_delete_session("ses_1"),
    ):
        async with asyncio.timeout(LONG_SECONDS):
            with pytest.raises(StorageUnavailableError, match="standby") as caught:
                await write
        assert not caught.value.outcome_unknown
    await engine.dispose()
