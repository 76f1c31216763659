"""
Databases with our tables, of either kind, for the tests that ask for no other.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async import InMemoryPorts, Ports, open_ports
from asm_async.sql import create_engine


@pytest.fixture(
    params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
def served_url(request: pytest.FixtureRequest) -> str | None:
    """
    Return a database of each kind in turn that has our tables; none for memory.
    """
    if request.param == "memory":
        return None
    name = "migrated_sqlite_url"
    if request.param == "postgresql":
        name = "migrated_postgres_url"
    return str(request.getfixturevalue(name))


@pytest.fixture
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    """
    Yield an engine on it.
    """
    engine = create_engine(url)
    yield engine
    await engine.dispose()


@pytest.fixture
async def other(migrated_postgres_url: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    """
    Yield a connection of somebody else's to the PostgreSQL database.
    """
    url = sa.make_url(migrated_postgres_url).set(drivername="postgresql")
    other = await asyncpg.connect(url.render_as_string(hide_password=False))
    yield other
    await other.close()


@pytest.fixture
async def ports(database_url: str | None) -> AsyncIterator[Ports]:
    """
    Open the ports over each kind of database in turn.
    """
    opening = (
        InMemoryPorts()
        if database_url is None
        else open_ports(database_url, migrate=True)
    )
    async with opening as ports:
        yield ports
