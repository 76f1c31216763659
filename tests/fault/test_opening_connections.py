"""
Calls that get no connection: the server never opens one, or the pool has none left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import StorageUnavailableError
from asm_async.sql import SQLQueryAPI, SQLSessionStore
from asm_async.testing.factories import make_session
from tests.fault.conftest import OpenEngine
from tests.proxies import by_way, way_to

TIMEOUT = 0.2

# What a call may take beyond its timeout, on a busy machine: the bounds that pools and
# drivers have of their own are longer still.
LONG_SECONDS = 10

Call: TypeAlias = Callable[[AsyncEngine], Awaitable[object]]

# One for each way in which connections are asked for.
CALLS: dict[str, Call] = {
    "read": lambda engine: SQLSessionStore(engine, timeout=TIMEOUT).get_session("s"),
    "search": lambda engine: SQLQueryAPI(engine, timeout=TIMEOUT).search_sessions(),
    "write": lambda engine: SQLSessionStore(engine, timeout=TIMEOUT).save_session(
        make_session()
    ),
}


async def fail_in_time(call: Call, engine: AsyncEngine) -> None:
    """
    Assert that a call gives up, and knows that it has changed nothing.
    """
    with pytest.raises(StorageUnavailableError) as caught:
        async with asyncio.timeout(LONG_SECONDS):
            await call(engine)
    assert not caught.value.outcome_unknown


@pytest.mark.postgres
@pytest.mark.parametrize("name", CALLS)
async def test_a_connection_that_is_never_opened_is_not_waited_for(
    migrated_postgres_url: str, open_engine: OpenEngine, name: str
) -> None:
    """
    The server accepts it, and is silent then.
    """
    async with way_to(migrated_postgres_url) as relay:
        engine = open_engine(by_way(relay, migrated_postgres_url))
        relay.fall_silent()
        await fail_in_time(CALLS[name], engine)
        relay.speak()

        assert await SQLSessionStore(engine).list_sessions() == []


@pytest.mark.parametrize("name", CALLS)
async def test_a_pool_whose_connections_are_all_in_use_is_not_waited_for(
    url: str, open_engine: OpenEngine, name: str
) -> None:
    """
    However long the pool itself would wait.
    """
    engine = open_engine(url, pool_size=1, max_overflow=0)
    store = SQLSessionStore(engine)
    await store.list_sessions()
    async with engine.connect():
        await fail_in_time(CALLS[name], engine)

    assert await store.list_sessions() == []
