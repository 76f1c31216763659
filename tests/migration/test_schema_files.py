from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from asm_async.errors import UnsupportedOperationError
from asm_async.sql import migrations
from asm_async.sql.core import tables

ReadCatalog: TypeAlias = Callable[[AsyncEngine], Awaitable[list[tuple[object, ...]]]]
ApplyScript: TypeAlias = Callable[[AsyncEngine, str], Awaitable[None]]

COLUMNS = {
    "sqlite": sa.text(
        'SELECT master.name, info.name, NOT info."notnull"'
        " FROM sqlite_master master, pragma_table_info(master.name) info"
        " WHERE master.type = 'table' AND master.name <> 'sqlite_sequence'"
    ),
    "postgresql": sa.text(
        "SELECT table_name, column_name, is_nullable = 'YES'"
        " FROM information_schema.columns WHERE table_schema = 'public'"
    ),
}
SCHEMA = Path(__file__).parents[2] / "schema"


@pytest.mark.parametrize("dialect_name", ["sqlite", "postgresql"])
def test_the_schema_file_is_what_the_migrations_make(dialect_name: str) -> None:
    """
    The file of a database, generated anew, is the same to the last character.
    """
    path = SCHEMA / f"{dialect_name}.sql"

    assert path.read_bytes().decode() == migrations.sql(dialect_name)


async def test_applying_the_schema_file_equals_migrating(
    engine: AsyncEngine, catalog: ReadCatalog, apply_script: ApplyScript
) -> None:
    """
    Both ways give the same tables, columns, defaults, constraints and indexes.
    """
    path = SCHEMA / f"{engine.dialect.name}.sql"
    await apply_script(engine, path.read_text(encoding="utf-8"))
    applied = await catalog(engine)
    await migrations.check(engine)
    await migrations.downgrade(engine, "base")
    await migrations.upgrade(engine)

    assert await catalog(engine) == applied != []


async def test_an_applied_sqlite_file_is_in_wal_mode(
    tmp_path: Path, apply_script: ApplyScript
) -> None:
    """
    The script sets for the file what an upgrade sets.
    """
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'a'}")
    await apply_script(engine, migrations.sql("sqlite"))
    async with engine.connect() as conn:
        mode = (await conn.exec_driver_sql("PRAGMA journal_mode")).scalar()
    await engine.dispose()

    assert mode == "wal"


@pytest.mark.usefixtures("two_revisions")
async def test_a_script_from_revision_to_revision_is_one_step(
    engine: AsyncEngine, catalog: ReadCatalog, apply_script: ApplyScript
) -> None:
    """
    Two scripts, applied one after the other, equal one upgrade to head.
    """
    dialect_name = engine.dialect.name
    await apply_script(engine, migrations.sql(dialect_name, "0001"))
    first = await migrations.current(engine)
    script = migrations.sql(dialect_name, "0002", from_revision="0001")
    await apply_script(engine, script)
    applied = await catalog(engine)
    await migrations.check(engine)
    await migrations.downgrade(engine, "base")
    await migrations.upgrade(engine)

    assert first == "0001"
    assert await catalog(engine) == applied


async def test_the_tables_that_queries_name_are_those_that_migrations_make(
    engine: AsyncEngine,
) -> None:
    """
    Each column that the code knows is there, nullable or not as the code says.
    """
    await migrations.upgrade(engine)
    async with engine.connect() as conn:
        rows = await conn.execute(COLUMNS[engine.dialect.name])
    found = {(table, column): bool(nullable) for table, column, nullable in rows}
    known = {
        (table.name, column.name): column.nullable
        for table in tables.METADATA.tables.values()
        for column in table.columns
    }

    assert {place: found.get(place) for place in known} == known
    assert set(found) - set(known) <= {
        ("asm_alembic_version", "version_num"),
        ("asm_events", "position"),
        ("asm_events", "transaction_id"),
    }


def test_there_is_no_script_for_another_database() -> None:
    """
    A dialect that is not supported is refused.
    """
    with pytest.raises(UnsupportedOperationError, match="SQLite or PostgreSQL"):
        migrations.sql("mysql")


async def test_a_file_has_no_partitions(tmp_path: Path) -> None:
    """
    SQLite is refused before anything is written, by each way to make a schema.
    """
    path = tmp_path / "whole.sqlite3"
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}")

    with pytest.raises(UnsupportedOperationError, match=r"^partitions: SQLite"):
        await migrations.upgrade(engine, partitions=8)
    with pytest.raises(UnsupportedOperationError, match=r"^partitions: SQLite"):
        migrations.sql("sqlite", partitions=8)

    await engine.dispose()
    assert not path.exists()
