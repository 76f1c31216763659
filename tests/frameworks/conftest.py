"""
The ports that the frameworks' adapters are tested over.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator

import pytest

from asm_async import InMemoryPorts, Ports, open_ports
from asm_async.portal import Portal, open_portal


@pytest.fixture(
    params=[
        "memory",
        "sqlite_file",
        pytest.param("postgresql", marks=pytest.mark.postgres),
    ]
)
def framework_url(request: pytest.FixtureRequest) -> str | None:
    """
    Return a database of each kind in turn, with our tables; None for memory.
    """
    match request.param:
        case "memory":
            return None
        case "sqlite_file":
            return str(request.getfixturevalue("migrated_sqlite_url"))
        case _:
            return str(request.getfixturevalue("undisputed_postgres_url"))


@pytest.fixture
async def ports(framework_url: str | None) -> AsyncGenerator[Ports]:
    """
    Yield the ports over each database in turn, for one event loop.
    """
    if framework_url is None:
        async with InMemoryPorts() as opened:
            yield opened
    else:
        async with open_ports(framework_url) as opened:
            yield opened


@pytest.fixture
def portal(framework_url: str | None) -> Generator[Portal]:
    """
    Yield a portal to each database in turn, for any thread and event loop.
    """
    if framework_url is None:
        with Portal(InMemoryPorts) as opened:
            yield opened
    else:
        with open_portal(framework_url) as opened:
            yield opened


@pytest.fixture
def source_urls(request: pytest.FixtureRequest) -> dict[str, str]:
    """
    Return the URL of an empty PostgreSQL database, where a test needs one.
    """
    if request.node.get_closest_marker("postgres") is None:
        return {}
    return {"postgresql": str(request.getfixturevalue("postgres_url"))}
