"""
The stores that importers write to.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from asm_async import InMemoryPorts, Ports, open_ports
from asm_async.sql import create_engine
from tests.importers.written_databases import WrittenDatabase


@pytest.fixture
async def ports(ports_url: str | None) -> AsyncGenerator[Ports]:
    """
    Yield empty ports of each kind in turn.
    """
    opened = InMemoryPorts() if ports_url is None else open_ports(ports_url)
    async with opened as found:
        yield found


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
def written_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """
    Return an empty database of each kind in turn.
    """
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'theirs.sqlite3'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
async def written(written_url: str) -> AsyncGenerator[WrittenDatabase]:
    """
    Yield an empty database of each kind in turn, to be written by plain SQL.
    """
    engine = create_engine(written_url)
    yield WrittenDatabase(written_url, engine)
    await engine.dispose()
