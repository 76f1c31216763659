"""
The databases of the tests.
"""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import signal
from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from obstore.store import LocalStore, MemoryStore

from asm_async.sql import create_engine
from asm_async.testing.backend import ArtifactStoreBackend, QueryAPIBackend
from tests.artifact_stores import (
    InMemoryArtifactPlace,
    LocalArtifactPlace,
    ObjectArtifactPlace,
)
from tests.backends import InMemoryBackend, SQLBackend, migrate
from tests.effort import IS_THOROUGH, examples
from tests.postgres_databases import PostgresDatabases
from tests.postgres_server import PostgresServer
from tests.sharded_ports import make_shards

# Of a test that does not say otherwise; a machine may be slow, or busy.
settings.register_profile(
    "effort",
    max_examples=examples(100),
    derandomize=not IS_THOROUGH,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("effort")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """
    Collect the tests without going through them again and again for garbage.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """
    Let the collector pass over twenty thousand tests wherever one of them calls it.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def heard_interrupts() -> Generator[None]:
    """
    Let SIGINT interrupt, these processes too, where a shell started the tests without.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def postgres_server_url() -> Generator[str]:
    """
    Yield a PostgreSQL server: that of ASM_TEST_POSTGRES_URL, or one of our own.
    """
    if url := os.environ.get("ASM_TEST_POSTGRES_URL"):
        yield url
        return
    server = PostgresServer()
    try:
        server.start()
        yield server.url
    finally:
        server.close()


@pytest.fixture(scope="session")
def postgres_databases(postgres_server_url: str) -> Generator[PostgresDatabases]:
    """
    Yield what makes databases on the server.
    """
    databases = PostgresDatabases(postgres_server_url)
    yield databases
    databases.close()


@pytest.fixture(scope="session")
def postgres_template(postgres_databases: PostgresDatabases) -> Generator[str]:
    """
    Yield the name of a database that has our tables and is copied, never used.
    """
    with postgres_databases.migrated() as name:
        yield name


@pytest.fixture(scope="session")
def partitioned_template(postgres_databases: PostgresDatabases) -> Generator[str]:
    """
    Yield the name of such a database whose tables have eight partitions.
    """
    with postgres_databases.migrated(partitions=8) as name:
        yield name


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    Return a database file that has our tables and is copied, never used.
    """
    path = tmp_path_factory.mktemp("sqlite") / "template.sqlite3"
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(migrate(create_engine(f"sqlite+aiosqlite:///{path}")))
    return path


@pytest.fixture
def postgres_url(postgres_databases: PostgresDatabases) -> Generator[str]:
    """
    Yield an empty PostgreSQL database of the test's own.
    """
    with postgres_databases.empty() as url:
        yield url


@pytest.fixture
def migrated_postgres_url(
    postgres_databases: PostgresDatabases, postgres_template: str
) -> Generator[str]:
    """
    Yield a PostgreSQL database of the test's own that has our tables.
    """
    with postgres_databases.copy(postgres_template) as url:
        yield url


@pytest.fixture
def undisputed_postgres_url(
    postgres_databases: PostgresDatabases, migrated_postgres_url: str
) -> Generator[str]:
    """
    Yield such a database and prove in the end that there was no deadlock in it.

    A store survives a deadlock, as it does those with other programs, so that nobody
    would notice one that its own transactions run into.
    """
    yield migrated_postgres_url
    assert postgres_databases.count_deadlocks(migrated_postgres_url) == 0


@pytest.fixture
def reused_postgres_url(
    postgres_databases: PostgresDatabases, postgres_template: str
) -> Generator[str]:
    """
    Yield a database that has our tables, empty, and prove the same of it.

    A test of the contract suites neither looks at nor changes what is not ours.
    """
    with postgres_databases.reused(postgres_template) as url:
        yield url


@pytest.fixture
def partitioned_url(
    postgres_databases: PostgresDatabases, partitioned_template: str
) -> Generator[str]:
    """
    Yield a database with partitions, and prove that there was no deadlock in it.
    """
    with postgres_databases.copy(partitioned_template) as url:
        yield url
        assert postgres_databases.count_deadlocks(url) == 0


@pytest.fixture
def migrated_sqlite_url(tmp_path: Path, sqlite_template: Path) -> str:
    """
    Return an SQLite file of the test's own that has our tables.
    """
    path = shutil.copy(sqlite_template, tmp_path / "asm.sqlite3")
    return f"sqlite+aiosqlite:///{path}"


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
def url(request: pytest.FixtureRequest) -> str:
    """
    Return a database of each kind in turn, with our tables.
    """
    is_sqlite = request.param == "sqlite"
    name = "migrated_sqlite_url" if is_sqlite else "undisputed_postgres_url"
    return str(request.getfixturevalue(name))


@pytest.fixture(
    params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
def ports_url(request: pytest.FixtureRequest) -> str | None:
    """
    Return a database of each kind in turn, with our tables; none for memory.
    """
    if request.param == "memory":
        return None
    is_sqlite = request.param == "sqlite"
    name = "migrated_sqlite_url" if is_sqlite else "undisputed_postgres_url"
    return str(request.getfixturevalue(name))


@pytest.fixture(
    params=[
        "memory",
        "sqlite_file",
        "sqlite_memory",
        pytest.param("postgresql", marks=pytest.mark.postgres),
    ]
)
def database_url(request: pytest.FixtureRequest) -> str | None:
    """
    Return a database of each kind in turn; the adapter without one has no URL.
    """
    match request.param:
        case "memory":
            return None
        case "sqlite_memory":
            return "sqlite+aiosqlite://"
        case "sqlite_file":
            return str(request.getfixturevalue("migrated_sqlite_url"))
        case _:
            # A suite of contracts counts no connections, which other tests may do.
            is_suite = "backend" in request.fixturenames
            name = "reused_postgres_url" if is_suite else "undisputed_postgres_url"
            return str(request.getfixturevalue(name))


@pytest.fixture
async def backend(database_url: str | None) -> AsyncGenerator[QueryAPIBackend]:
    """
    Yield each backend in turn, over a database of the test's own.
    """
    if database_url is None:
        yield InMemoryBackend()
    else:
        async with SQLBackend(database_url) as backend:
            yield backend


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


@pytest.fixture(params=["memory", "local", "object_memory", "object_local"])
def artifact_store_backend(
    request: pytest.FixtureRequest, tmp_path: Path
) -> ArtifactStoreBackend:
    """
    Return each place for the contents of artifacts in turn, the test's own.
    """
    match request.param:
        case "memory":
            return InMemoryArtifactPlace()
        case "local":
            return LocalArtifactPlace(tmp_path / "artifacts")
        case "object_memory":
            return ObjectArtifactPlace(MemoryStore())
        case _:
            return ObjectArtifactPlace(LocalStore(tmp_path))
