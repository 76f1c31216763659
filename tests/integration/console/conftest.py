"""
Consoles over each kind of database.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from tests.integration.console.serving import Console, open_console


@pytest.fixture(
    params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
def console_url(request: pytest.FixtureRequest) -> str | None:
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
async def console(console_url: str | None) -> AsyncGenerator[Console]:
    """
    Serve a console over each kind of database in turn.
    """
    async with open_console(console_url) as console:
        yield console


@pytest.fixture
async def memory_console() -> AsyncGenerator[Console]:
    """
    Serve a console over no database, where the routes alone are in question.
    """
    async with open_console(None) as console:
        yield console


@pytest.fixture
async def writable_console(console_url: str | None) -> AsyncGenerator[Console]:
    """
    Serve a console that may write, over each kind of database in turn.
    """
    async with open_console(console_url, read_only=False) as console:
        yield console
