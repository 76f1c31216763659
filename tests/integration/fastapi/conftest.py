"""
Served applications, over each kind of database.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from tests.integration.fastapi.serving import Service, open_service


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
async def service(served_url: str | None) -> AsyncGenerator[Service]:
    """
    Serve an application over each kind of database in turn.
    """
    async with open_service(served_url) as service:
        yield service


@pytest.fixture
async def memory_service() -> AsyncGenerator[Service]:
    """
    Serve an application over no database, where the routes alone are in question.
    """
    async with open_service(None) as service:
        yield service
