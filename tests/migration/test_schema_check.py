from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory
from sqlalchemy import event as sa_event
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async import open_store
from asm_async.errors import MigrationRequiredError
from asm_async.sql import migrations
from asm_async.sql.core.tables import METADATA
from asm_async.sql.migrations import history

COMMAND = "run `asm db upgrade --url URL`"
PLACES = {"sqlite": "the database", "postgresql": "the schema public"}
CALL = "or `await migrations.upgrade(engine)`"


def test_head_is_the_latest_revision() -> None:
    """
    The revision that the package works on is the last that it ships.
    """
    shipped = ScriptDirectory(history.DIRECTORY)

    assert shipped.get_current_head() == migrations.HEAD


async def test_a_database_at_head_is_good(engine: AsyncEngine) -> None:
    """
    Nothing is raised for an engine or a connection on a migrated database.
    """
    await migrations.upgrade(engine)
    await migrations.check(engine)
    async with engine.connect() as conn:
        await migrations.check(conn)
        await migrations.check_schema(conn)


async def test_an_empty_database_is_refused(engine: AsyncEngine) -> None:
    """
    The error says that there are no tables, and what to run.
    """
    with pytest.raises(MigrationRequiredError) as caught:
        await migrations.check(engine)

    assert str(caught.value) == (
        f"{PLACES[engine.dialect.name]} has no tables of asm_async yet:"
        f" {COMMAND}, {CALL}"
    )


@pytest.mark.usefixtures("two_revisions")
async def test_an_older_database_is_refused(engine: AsyncEngine) -> None:
    """
    The error names the revision found and the one needed, and what to run.
    """
    await migrations.upgrade(engine, "0001")
    with pytest.raises(MigrationRequiredError) as caught:
        await migrations.check(engine)
    await migrations.upgrade(engine)
    await migrations.check(engine)

    assert str(caught.value) == (
        f"{PLACES[engine.dialect.name]} is at revision 0001, and 0002 is needed:"
        f" {COMMAND}, {CALL}"
    )


async def test_a_newer_database_is_refused(
    engine: AsyncEngine, later_version: Callable[[], AbstractContextManager[None]]
) -> None:
    """
    What a later version migrated is neither used nor moved by this one.
    """
    with later_version():
        await migrations.upgrade(engine)
    errors: list[str] = []
    for refused in (
        migrations.check(engine),
        migrations.upgrade(engine),
        migrations.downgrade(engine, "base"),
    ):
        with pytest.raises(MigrationRequiredError) as caught:
            await refused
        errors.append(str(caught.value))

    (message,) = set(errors)
    assert message.startswith("the database is at revision 0002, which this version of")
    assert "use the version that migrated it" in message


async def test_a_store_does_not_open_on_an_empty_database(url: str) -> None:
    """
    Without ``migrate=True`` a store asks for a migrated database.
    """
    with pytest.raises(MigrationRequiredError, match="db upgrade"):
        async with open_store(url):
            pass


async def test_a_missing_table_spoils_no_transaction(engine: AsyncEngine) -> None:
    """
    The transaction that looks in vain goes on and commits.
    """
    async with engine.begin() as conn:
        await conn.exec_driver_sql("CREATE TABLE mine (id INTEGER)")
        with pytest.raises(MigrationRequiredError):
            await migrations.check_schema(conn)
        await conn.exec_driver_sql("INSERT INTO mine VALUES (1)")
    async with engine.connect() as conn:
        rows = await conn.scalar(sa.text("SELECT count(*) FROM mine"))

    assert rows == 1


@pytest.mark.parametrize("upgrades", [False, True])
async def test_tables_of_our_names_are_told_of(
    engine: AsyncEngine, *, upgrades: bool
) -> None:
    """
    Those that SQLAlchemy made are refused by name, with what to do, and left alone.
    """
    async with engine.begin() as conn:
        await conn.run_sync(METADATA.create_all)
    with pytest.raises(MigrationRequiredError) as caught:
        await (migrations.upgrade if upgrades else migrations.check)(engine)

    assert "asm_artifacts, asm_consumers, asm_events, " in str(caught.value)
    assert "drop them" in str(caught.value)
    assert await migrations.current(engine) is None


async def test_a_check_names_a_table_that_is_missing(
    engine: AsyncEngine,
) -> None:
    """
    It is named, and no upgrade is advised, which would not bring it back.
    """
    await migrations.upgrade(engine)
    async with engine.begin() as conn:
        await conn.exec_driver_sql("DROP TABLE asm_runs")

    with pytest.raises(MigrationRequiredError, match="lacks asm_runs: restore"):
        await migrations.check(engine)


async def test_checking_costs_two_statements(engine: AsyncEngine) -> None:
    """
    What tables there are, and what the version table says: more is not asked.
    """
    await migrations.upgrade(engine)
    async with engine.connect() as conn:
        statements: list[str] = []
        sa_event.listen(
            conn.sync_connection,
            "before_cursor_execute",
            lambda *details: statements.append(details[2]),
        )
        await migrations.check_schema(conn)

    assert len(statements) == 2
