"""
Databases that have our tables, engines on them, and what must be left behind.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, TypeAlias

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from asm_async.sql import create_engine
from asm_async.testing.faults import TCPProxy
from tests.fault.leftovers import wait_for_other_tasks
from tests.fault.stopwatch import Stopwatch
from tests.proxies import by_way, way_to

OpenEngine: TypeAlias = Callable[..., AsyncEngine]


@pytest.fixture(autouse=True)
async def no_task_is_left() -> AsyncIterator[None]:
    """
    Assert that nothing goes on when all else is closed.
    """
    yield
    await wait_for_other_tasks()


@pytest.fixture
async def stopwatch() -> AsyncIterator[Stopwatch]:
    """
    Yield a stopwatch.
    """
    stopwatch = Stopwatch()
    yield stopwatch
    await stopwatch.aclose()


@pytest.fixture
def sqlite_url(migrated_sqlite_url: str) -> str:
    """
    Return an SQLite file that has our tables.
    """
    return migrated_sqlite_url


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
def url(request: pytest.FixtureRequest) -> str:
    """
    Return a database of each kind in turn.
    """
    is_sqlite = request.param == "sqlite"
    name = "sqlite_url" if is_sqlite else "migrated_postgres_url"
    return str(request.getfixturevalue(name))


@pytest.fixture
async def open_engine() -> AsyncIterator[OpenEngine]:
    """
    Yield the function that makes engines; none may leave a connection checked out.

    Nothing is announced on them, since it would come between statements that fail.
    """
    opened: list[AsyncEngine] = []

    def open_another(url: str, **options: Any) -> AsyncEngine:
        options = {"execution_options": {"asm_announces": False}, **options}
        opened.append(create_engine(url, **options))
        return opened[-1]

    yield open_another
    for engine in opened:
        assert isinstance(engine.pool, QueuePool)
        assert engine.pool.checkedout() == 0
        await engine.dispose()


@pytest.fixture
def engine(url: str, open_engine: OpenEngine) -> AsyncEngine:
    """
    Return an engine on each database in turn.
    """
    return open_engine(url)


@pytest.fixture
async def way(migrated_postgres_url: str) -> AsyncIterator[TCPProxy]:
    """
    Yield a way to a PostgreSQL server on which messages can get lost.
    """
    async with way_to(migrated_postgres_url) as way:
        yield way


@pytest.fixture
def engine_by_way(
    way: TCPProxy, migrated_postgres_url: str, open_engine: OpenEngine
) -> AsyncEngine:
    """
    Return an engine whose connections go by the faulty way.
    """
    return open_engine(by_way(way, migrated_postgres_url))
