"""
The stores that importers write to.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from asm_async import InMemoryPorts, Ports, open_ports


@pytest.fixture(
    params=[
        "memory",
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.postgres),
    ]
)
def ports_url(request: pytest.FixtureRequest) -> str | None:
    """
    Return a database of each kind in turn; memory has no URL.
    """
    match request.param:
        case "memory":
            return None
        case "sqlite":
            return str(request.getfixturevalue("migrated_sqlite_url"))
        case _:
            return str(request.getfixturevalue("undisputed_postgres_url"))


@pytest.fixture
async def ports(ports_url: str | None) -> AsyncGenerator[Ports]:
    """
    Yield empty ports of each kind in turn.
    """
    opened = InMemoryPorts() if ports_url is None else open_ports(ports_url)
    async with opened as found:
        yield found
