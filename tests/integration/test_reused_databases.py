"""
A database that tests use one after the other is like a new one for each.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import asyncpg
import pytest
import sqlalchemy as sa

from tests.postgres_databases import PostgresDatabases

pytestmark = pytest.mark.postgres


@pytest.fixture
def databases(postgres_server_url: str) -> Iterator[PostgresDatabases]:
    """
    Yield databases none of which another test has used.
    """
    databases = PostgresDatabases(postgres_server_url)
    yield databases
    databases.close()


def run(databases: PostgresDatabases, url: str, statement: str) -> object:
    """
    Execute a statement in a database, and return the first value of its answer.
    """

    async def execute() -> object:
        plain = sa.make_url(url).set(drivername="postgresql")
        conn = await asyncpg.connect(plain.render_as_string(hide_password=False))
        try:
            return await conn.fetchval(statement)
        finally:
            await conn.close()

    return databases.runner.run(execute())


def test_the_next_finds_no_row_in_the_same_database(
    databases: PostgresDatabases, postgres_template: str
) -> None:
    """
    What one test has stored is gone, and the next one gets what it has used.
    """
    with databases.reused(postgres_template) as first:
        run(databases, first, "INSERT INTO asm_session_tags VALUES ('ses_1', 'vip')")
    with databases.reused(postgres_template) as second:
        left = run(databases, second, "SELECT count(*) FROM asm_session_tags")

    assert second == first
    assert left == 0


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE asm_artifacts",
        "CREATE TABLE other (id integer)",
        "CREATE SCHEMA other",
        "CREATE FUNCTION other() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "ALTER TABLE asm_runs ALTER COLUMN status DROP NOT NULL",
        "DROP INDEX ix_asm_events_feed",
        "GRANT SELECT ON asm_runs TO PUBLIC",
        "UPDATE pg_index SET indisvalid = false WHERE NOT indisunique",
        "ANALYZE asm_alembic_version",
        "TRUNCATE asm_events",
        "ALTER DATABASE {} SET work_mem = '1MB'",
    ],
)
def test_one_that_was_changed_is_not_used_again(
    databases: PostgresDatabases, postgres_template: str, statement: str
) -> None:
    """
    Whatever a test does to the schema, privileges, statistics or settings ends with it.
    """
    with databases.reused(postgres_template) as first:
        run(databases, first, statement.format(sa.make_url(first).database))
    with databases.reused(postgres_template) as second:
        pass

    assert second != first


def test_one_whose_test_failed_is_not_used_again(
    databases: PostgresDatabases, postgres_template: str
) -> None:
    """
    Nobody knows what an exception has left in it.
    """
    urls: list[str] = []
    for _ in range(2):
        with suppress(RuntimeError), databases.reused(postgres_template) as url:
            urls.append(url)
            raise RuntimeError("failed")

    assert urls[0] != urls[1]
