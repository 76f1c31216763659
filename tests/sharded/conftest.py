"""
Ports over several SQLite files, and over several databases of one PostgreSQL server.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import pytest

from asm_async.testing.backend import RecordingBackend
from tests.postgres_databases import PostgresDatabases
from tests.sharded_ports import make_shards, sharded_backend


@pytest.fixture(scope="session")
def sqlite_shards(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path
) -> list[Path]:
    """
    Return files that have shards and are copied, never used.
    """
    place = tmp_path_factory.mktemp("shards")
    paths = [
        Path(shutil.copy(sqlite_template, place / f"{index}.sqlite3"))
        for index in range(3)
    ]
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(make_shards([f"sqlite+aiosqlite:///{path}" for path in paths]))
    return paths


@pytest.fixture(scope="session")
def postgres_shards(
    postgres_databases: PostgresDatabases, postgres_template: str
) -> Generator[list[str]]:
    """
    Yield the names of databases that have shards and are copied, never used.
    """
    with ExitStack() as stack:
        urls = [
            stack.enter_context(postgres_databases.copy(postgres_template))
            for _ in range(3)
        ]
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            runner.run(make_shards(urls))
        yield [url.rpartition("/")[2] for url in urls]


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
def shard_urls(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[list[str]]:
    """
    Yield three databases with shards, of each kind in turn.
    """
    if request.param == "sqlite":
        paths: list[Path] = request.getfixturevalue("sqlite_shards")
        yield [
            f"sqlite+aiosqlite:///{shutil.copy(path, tmp_path / path.name)}"
            for path in paths
        ]
        return
    databases: PostgresDatabases = request.getfixturevalue("postgres_databases")
    names: list[str] = request.getfixturevalue("postgres_shards")
    with ExitStack() as stack:
        yield [stack.enter_context(databases.copy(name)) for name in names]


@pytest.fixture
async def backend(shard_urls: list[str]) -> AsyncGenerator[RecordingBackend]:
    """
    Yield each backend in turn.
    """
    async with sharded_backend(shard_urls) as backend:
        yield cast("RecordingBackend", backend)
