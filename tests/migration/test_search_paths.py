"""
Where tables are made and looked for: in the first schema of the search_path alone.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from typing import TypeAlias

import pytest
import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import MigrationRequiredError, PermissionDeniedError
from asm_async.sql import SQLMaintenance, SQLSessionStore, create_engine, migrations
from asm_async.testing.factories import make_session

pytestmark = pytest.mark.postgres

OpenEngine: TypeAlias = Callable[..., AsyncEngine]


@pytest.fixture
async def at_path(postgres_url: str) -> AsyncIterator[OpenEngine]:
    """
    Yield engines of one database, each with a search_path of its own.
    """
    engines: list[AsyncEngine] = []

    def open_engine(search_path: str, **settings: str) -> AsyncEngine:
        settings["search_path"] = search_path
        arguments = {"server_settings": settings}
        engines.append(create_engine(postgres_url, connect_args=arguments))
        return engines[-1]

    await execute(open_engine("public"), "CREATE SCHEMA b")
    yield open_engine
    for engine in engines:
        await engine.dispose()


async def execute(engine: AsyncEngine, *statements: str) -> None:
    """
    Run statements of another program's.
    """
    async with engine.begin() as conn:
        for statement in statements:
            await conn.exec_driver_sql(statement)


async def schemas_of(engine: AsyncEngine, table: str) -> set[str]:
    """
    Find the schemas that have a table.
    """
    query = sa.text("SELECT schemaname FROM pg_tables WHERE tablename = :table")
    async with engine.connect() as conn:
        return set(await conn.scalars(query, {"table": table}))


async def sessions_of(engine: AsyncEngine) -> list[str]:
    """
    List the sessions that a store shows.
    """
    store = SQLSessionStore(engine)
    found = [session.id for session in await store.list_sessions()]
    await store.aclose()
    return found


async def save(engine: AsyncEngine, session_id: str) -> None:
    """
    Save a session through a store of its own.
    """
    store = SQLSessionStore(engine)
    await store.save_session(make_session(id=session_id))
    await store.aclose()


@pytest.mark.parametrize("first_path", ["public", "b, public"])
async def test_two_applications_of_one_database_never_share_tables(
    at_path: OpenEngine, first_path: str
) -> None:
    """
    Whichever migrates first, each has the tables of its own schema alone.
    """
    first, second = at_path(first_path), at_path("b, public")
    if first_path != "public":
        second = at_path("public")
    await migrations.upgrade(first)
    await save(first, "ses_first")

    with pytest.raises(MigrationRequiredError, match="no tables of asm_async yet"):
        await sessions_of(second)
    assert await migrations.current(second) is None
    await migrations.upgrade(second)
    await save(second, "ses_second")

    assert await sessions_of(first) == ["ses_first"]
    assert await sessions_of(second) == ["ses_second"]
    assert await schemas_of(first, "asm_events") == {"public", "b"}


async def test_a_schema_that_is_made_later_is_looked_at(at_path: OpenEngine) -> None:
    """
    What an engine saw when it first connected decides nothing.
    """
    engine = at_path("c, public")
    await migrations.upgrade(engine)
    await migrations.check(engine)
    await execute(engine, "CREATE SCHEMA c")

    with pytest.raises(MigrationRequiredError, match="schema c has no tables"):
        await migrations.check(engine)
    await migrations.upgrade(engine)

    assert await schemas_of(engine, "asm_alembic_version") == {"public", "c"}


async def test_going_down_leaves_the_other_application_alone(
    at_path: OpenEngine,
) -> None:
    """
    Also where a table is missing, whose name would mean the other's.
    """
    ours, theirs = at_path("b, public"), at_path("public")
    await migrations.upgrade(theirs)
    await migrations.upgrade(ours)
    await execute(ours, "ALTER TABLE b.asm_runs RENAME TO asm_lost")

    with pytest.raises(MigrationRequiredError, match="asm_runs"):
        await migrations.downgrade(ours, "base")
    await execute(ours, "ALTER TABLE b.asm_lost RENAME TO asm_runs")
    await migrations.downgrade(ours, "base")
    await migrations.check(theirs)

    assert await schemas_of(ours, "asm_runs") == {"public"}


async def test_a_missing_table_is_not_taken_from_another_schema(
    at_path: OpenEngine,
) -> None:
    """
    A store does not open on it, and a look at its health names it.
    """
    ours, theirs = at_path("b, public"), at_path("public")
    await migrations.upgrade(theirs)
    await migrations.upgrade(ours)
    await execute(ours, "DROP TABLE b.asm_runs")

    with pytest.raises(MigrationRequiredError, match="lacks asm_runs"):
        await sessions_of(ours)
    issues = await SQLMaintenance(theirs).health_check()
    assert not [issue for issue in issues if issue.subject == "asm_runs"]


async def test_an_index_of_another_application_is_no_fault_of_ours(
    at_path: OpenEngine,
) -> None:
    """
    A look at the health of one schema says nothing of the other.
    """
    ours, theirs = at_path("b, public"), at_path("public")
    await migrations.upgrade(theirs)
    await migrations.upgrade(ours)
    spoil = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{}'::regclass"
    await execute(theirs, spoil.format("public.asm_events_pkey"))

    assert "asm_events_pkey" in str(await SQLMaintenance(theirs).health_check())
    assert "asm_events_pkey" not in str(await SQLMaintenance(ours).health_check())


async def test_a_hosts_own_migration_looks_where_it_creates(
    at_path: OpenEngine,
) -> None:
    """
    So does ours inside it, and the host's search_path stays as it was.
    """
    await migrations.upgrade(at_path("public"))
    engine = at_path("b, public")

    def migrate(conn: sa.Connection) -> None:
        with Operations.context(MigrationContext.configure(conn)):
            migrations.up("0001")

    async with engine.begin() as conn:
        await conn.run_sync(migrate)
        path = await conn.scalar(sa.text("SHOW search_path"))

    assert path == "b, public"
    assert await schemas_of(engine, "asm_sessions") == {"public", "b"}


@pytest.mark.parametrize("search_path", ["", "nowhere"])
async def test_where_there_is_no_schema_the_error_says_what_to_do(
    at_path: OpenEngine, search_path: str
) -> None:
    """
    Migrating, opening and looking at the health say it alike.
    """
    engine = at_path(search_path)

    with pytest.raises(MigrationRequiredError, match=r"create one, GRANT USAGE on it"):
        await migrations.upgrade(engine)
    with pytest.raises(MigrationRequiredError, match=r"search_path%3D"):
        await sessions_of(engine)
    issues = await SQLMaintenance(engine).health_check()
    assert "search_path" in {i.subject: i.message for i in issues}["schema"]


async def test_who_may_not_create_is_told_so(at_path: OpenEngine) -> None:
    """
    Nothing is changed, and the error says what to do.
    """
    engine, role = at_path("public"), f"asm_nobody_{secrets.token_hex(4)}"
    await execute(engine, f"CREATE ROLE {role}", f"GRANT USAGE ON SCHEMA b TO {role}")
    try:
        with pytest.raises(PermissionDeniedError, match="connect as a role that may"):
            await migrations.upgrade(at_path("b", role=role))
        assert await schemas_of(engine, "asm_alembic_version") == set()
    finally:
        await execute(engine, f"DROP OWNED BY {role}", f"DROP ROLE {role}")
