"""
An empty database of either kind, and what can be seen of its schema.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeAlias

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

import asm_async
from asm_async.sql import create_engine
from asm_async.sql.migrations import history, online

Catalog: TypeAlias = list[tuple[object, ...]]

DIALECTS = ["sqlite", "postgresql"]

# What a careless driver would take for a parameter is meant as it stands.
LATER_TABLE = """\
CREATE TABLE asm_later (
    id INTEGER,
    note VARCHAR(40) DEFAULT 'no :parameter, no %s, no ? and ::no \\ cast'
);
"""


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """
    Return an empty database.
    """
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'asm.sqlite3'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    """
    Yield an engine on the empty database.
    """
    engine = create_engine(url)
    yield engine
    await engine.dispose()


@pytest.fixture
def catalog() -> Callable[[AsyncEngine], Awaitable[Catalog]]:
    """
    Return the function that reads all that the database knows of its schema.
    """

    async def read(engine: AsyncEngine) -> Catalog:
        path = Path(__file__).with_name(f"catalog.{engine.dialect.name}.sql")
        *queries, _ = path.read_text(encoding="utf-8").split(";\n")
        async with engine.connect() as conn:
            return [
                tuple(row)
                for query in queries
                for row in await conn.exec_driver_sql(query)
            ]

    return read


@pytest.fixture
def apply_script() -> Callable[[AsyncEngine, str], Awaitable[None]]:
    """
    Return the function that runs a script of SQL as it stands, in the driver itself.
    """

    async def apply(engine: AsyncEngine, script: str) -> None:
        async with engine.connect() as conn:
            raw = await conn.get_raw_connection()
            driver = raw.driver_connection
            assert driver is not None
            if engine.dialect.name == "sqlite":
                await driver.executescript(script)
            else:
                await driver.execute(script)

    return apply


@pytest.fixture
def environment() -> dict[str, str]:
    """
    Return child processes the package that the tests run on, installed or not.
    """
    return {**os.environ, "PYTHONPATH": str(Path(asm_async.__file__).parents[1])}


@pytest.fixture
def later_version(
    tmp_path: Path,
) -> Callable[[], AbstractContextManager[None]]:
    """
    Make a version of the package that has a second revision, which adds a table.

    It reigns in the context that the function gives.
    """
    versions = tmp_path / "later" / "versions"
    shutil.copytree(history.DIRECTORY, versions.parent)
    script = (versions / "v0001_initial.py").read_text(encoding="utf-8")
    script = script.replace("down_revision = None", 'down_revision = "0001"')
    script = script.replace('"0001_initial"', '"0002_later"')
    script = script.replace('\nrevision = "0001"', '\nrevision = "0002"')
    (versions / "v0002_later.py").write_text(script, encoding="utf-8")
    for dialect_name in DIALECTS:
        up = versions / f"0002_later.{dialect_name}.up.sql"
        up.write_text(LATER_TABLE, encoding="utf-8")
        down = versions / f"0002_later.{dialect_name}.down.sql"
        down.write_text("DROP TABLE asm_later;\n", encoding="utf-8")

    @contextmanager
    def reign() -> Generator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(history, "DIRECTORY", versions.parent)
            patch.setattr(history, "HEAD", "0002")
            patch.setattr(online, "HEAD", "0002")
            yield

    return reign


@pytest.fixture
def two_revisions(
    later_version: Callable[[], AbstractContextManager[None]],
) -> Iterator[None]:
    """
    Let the later version reign for the whole test.
    """
    with later_version():
        yield
