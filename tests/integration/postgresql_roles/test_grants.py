"""
Each role can do what it is for, no more, and each of its privileges is needed for that.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, TypeAlias

import attrs
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async import open_store
from asm_async.errors import (
    MigrationRequiredError,
    PermissionDeniedError,
    SessionNotFoundError,
    StorageError,
)
from asm_async.ports.session_store import SessionStore
from asm_async.sql import SQLMaintenance, SQLQueryAPI, SQLSessionStore, create_engine
from asm_async.sql.core import tables
from asm_async.testing.factories import (
    make_event,
    make_events,
    make_execution_result,
    make_run,
    make_session,
)
from tests.integration.postgresql_roles.role_tours import (
    exported,
    maintain,
    migrate,
    read,
    record,
)
from tests.postgres_roles import SCHEMA, PostgresRoles

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(300)]

Tour: TypeAlias = Callable[[str, str], Awaitable[None]]
Write: TypeAlias = Callable[[SessionStore], Awaitable[object]]

TOURS: Mapping[str, Tour] = {"writer": record, "reader": read, "maintainer": maintain}

WRITES: Mapping[str, Write] = {
    "save_session": lambda store: store.save_session(make_session()),
    "save_run": lambda store: store.save_run(make_run(id="run_2")),
    "append_event": lambda store: store.append_event(make_event(id="evt_9")),
    "append_event_with_sequence": lambda store: store.append_event_with_sequence(
        make_event(id="evt_9")
    ),
    "append_events": lambda store: store.append_events(make_events(2, first=9)),
    "append_expecting": lambda store: store.append_events(
        make_events(1, first=9), expected_sequence=2
    ),
    "flush": lambda store: store.flush(make_execution_result()),
    "delete_session": lambda store: store.delete_session("ses_1"),
}

# What stands in the catalogue: on tables, on the schema, on the database.
PRIVILEGES = sa.text(
    """
    SELECT privilege_type, target FROM (
        SELECT 'TABLE ' || relname AS target, relacl AS acl, relowner AS owner
        FROM pg_class
        WHERE relnamespace = to_regnamespace(CAST(:schema AS TEXT)) AND relkind = 'r'
        UNION ALL
        SELECT 'SCHEMA ' || nspname, nspacl, nspowner FROM pg_namespace
        WHERE oid = to_regnamespace(CAST(:schema AS TEXT))
        UNION ALL
        SELECT 'DATABASE ' || datname, datacl, datdba FROM pg_database
        WHERE datname = current_database()
    ) AS targets, aclexplode(acl)
    WHERE grantee = to_regrole(CAST(:role AS TEXT)) AND grantee <> owner
    ORDER BY target, privilege_type
    """
)


@attrs.frozen
class Granted:
    """
    A database, and who may do what in it.
    """

    roles: PostgresRoles
    url: str

    def url_as(self, role: str) -> str:
        """
        Return its URL for the login of a role.
        """
        return self.roles.url_as(role, self.url)

    @asynccontextmanager
    async def connected(self, role: str) -> AsyncGenerator[AsyncConnection]:
        """
        Connect as a role; each statement is a transaction.
        """
        engine = create_engine(self.url_as(role), isolation_level="AUTOCOMMIT")
        try:
            async with engine.connect() as conn:
                yield conn
        finally:
            await engine.dispose()

    async def privileges(self, role: str) -> list[tuple[str, str]]:
        """
        List what a role was granted, and on what.
        """
        parameters = {"schema": SCHEMA, "role": self.roles.name(role)}
        async with self.connected("admin") as conn:
            found = await conn.execute(PRIVILEGES, parameters)
            return [(privilege, target) for privilege, target in found]


@asynccontextmanager
async def store_as(role: str, granted: Granted) -> AsyncGenerator[SQLSessionStore]:
    """
    Yield a store that is connected as a role.
    """
    engine = create_engine(granted.url_as(role))
    store = SQLSessionStore(engine)
    try:
        yield store
    finally:
        await store.aclose()
        await engine.dispose()


@pytest.fixture
async def granted(roles: PostgresRoles, roles_url: str) -> Granted:
    """
    Return a database in which nobody but the roles may do anything.
    """
    database = sa.make_url(roles_url).database
    await roles.execute([f"REVOKE ALL ON DATABASE {database} FROM PUBLIC"])
    roles.apply(roles_url)
    return Granted(roles, roles_url)


@pytest.fixture
async def empty_granted(
    roles: PostgresRoles, roles_template: str, postgres_url: str
) -> Granted:
    """
    Return a database that was prepared for its first migration.
    """
    # It made the logins.
    del roles_template
    database = sa.make_url(postgres_url).database
    await roles.execute([f"REVOKE ALL ON DATABASE {database} FROM PUBLIC"])
    roles.apply(postgres_url)
    return Granted(roles, postgres_url)


async def test_running_the_script_again_changes_nothing_and_takes_back_the_rest(
    granted: Granted,
) -> None:
    """
    What is written in it is all that the roles have, however often it is run.
    """
    before = {role: await granted.privileges(role) for role in TOURS}
    async with granted.connected("admin") as conn:
        for role in TOURS:
            name = granted.roles.name(role)
            await conn.exec_driver_sql(f"GRANT TRUNCATE ON asm_events TO {name}")

    granted.roles.apply(granted.url)

    assert {role: await granted.privileges(role) for role in TOURS} == before
    assert all(before.values())


@pytest.mark.parametrize("role", TOURS)
async def test_each_privilege_of_a_role_is_needed(role: str, granted: Granted) -> None:
    """
    Each role does all it is for; with any one privilege revoked, something fails.
    """
    name, privileges = granted.roles.name(role), await granted.privileges(role)
    marks = (f"ses_{number}" for number in count())

    async def tour() -> None:
        mark = next(marks)
        if role != "writer":
            await record(granted.url_as("writer"), mark)
        await TOURS[role](granted.url_as(role), mark)

    assert len(privileges) > len(tables.METADATA.tables)
    for privilege, target in privileges:
        async with granted.connected("admin") as conn:
            await conn.exec_driver_sql(f"REVOKE {privilege} ON {target} FROM {name}")
            with pytest.raises(StorageError) as caught:
                await tour()
            assert not caught.value.retryable, (privilege, target)
            await conn.exec_driver_sql(f"GRANT {privilege} ON {target} TO {name}")
    await tour()


async def test_each_privilege_of_the_owner_is_needed(empty_granted: Granted) -> None:
    """
    The owner migrates up and down; with any one privilege revoked, it cannot.
    """
    granted, name = empty_granted, empty_granted.roles.name("owner")
    privileges = await granted.privileges("owner")
    assert [privilege for privilege, _ in privileges] == ["CONNECT", "CREATE", "USAGE"]
    for privilege, target in privileges:
        async with granted.connected("admin") as conn:
            await conn.exec_driver_sql(f"REVOKE {privilege} ON {target} FROM {name}")
            with pytest.raises(StorageError) as caught:
                await migrate(granted.url_as("owner"), "")
            assert not caught.value.retryable
            await conn.exec_driver_sql(f"GRANT {privilege} ON {target} TO {name}")
    await migrate(granted.url_as("owner"), "")


def check_refusal(error: PermissionDeniedError) -> None:
    """
    Make sure that an error says what was refused and what to do about it.
    """
    assert not error.retryable
    assert not error.outcome_unknown
    assert "permission denied for table asm_" in str(error)
    assert "schema/postgresql-roles.sql" in str(error)


async def test_a_writer_cannot_delete_a_session(granted: Granted) -> None:
    """
    The refusal is an error of ours that says what to do, and the session stays whole.
    """
    async with store_as("writer", granted) as store:
        flushed = await store.flush(make_execution_result())

        with pytest.raises(PermissionDeniedError) as caught:
            await store.delete_session("ses_1")

        check_refusal(caught.value)
        assert await store.get_session("ses_1") == flushed.session
        assert await store.get_events("ses_1") == list(flushed.events)
        await store.append_event(make_event(id="evt_3"))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE asm_events SET type = 'a.b'",
        "DELETE FROM asm_events",
        "TRUNCATE asm_events",
    ],
)
async def test_nobody_who_writes_can_change_or_remove_an_event(
    granted: Granted, statement: str
) -> None:
    """
    Not even past the library: the log of events is append-only to the writer.
    """
    async with store_as("writer", granted) as store:
        flushed = await store.flush(make_execution_result())
        async with granted.connected("writer") as conn:
            with pytest.raises(ProgrammingError, match="permission denied"):
                await conn.exec_driver_sql(statement)

        assert await store.get_events("ses_1") == list(flushed.events)


@pytest.mark.parametrize("write", WRITES)
async def test_a_reader_cannot_write(granted: Granted, write: str) -> None:
    """
    Every method that writes is refused with an error of ours, and writes nothing.
    """
    async with store_as("writer", granted) as store:
        flushed = await store.flush(make_execution_result())
    async with store_as("reader", granted) as store:
        with pytest.raises(PermissionDeniedError) as caught:
            await WRITES[write](store)

        check_refusal(caught.value)
        assert await store.get_session("ses_1") == flushed.session
        assert await store.list_runs("ses_1") == [flushed.run]
        assert await store.get_events("ses_1") == list(flushed.events)


async def test_a_reader_can_neither_import_nor_maintain(granted: Granted) -> None:
    """
    An import and a soft deletion are writes as well.
    """
    async with store_as("writer", granted) as store:
        await store.flush(make_execution_result())
    engine = create_engine(granted.url_as("reader"))
    with pytest.raises(PermissionDeniedError):
        await SQLQueryAPI(engine).import_sessions(exported("ses_2"))
    with pytest.raises(PermissionDeniedError):
        await SQLMaintenance(engine).soft_delete_session("ses_1")
    with pytest.raises(SessionNotFoundError):
        await SQLSessionStore(engine).get_session("ses_2")
    await engine.dispose()


@pytest.mark.parametrize("role", TOURS)
async def test_a_role_says_what_to_run_where_the_schema_is_missing(
    role: str, empty_granted: Granted
) -> None:
    """
    A store opens as no role but the owner's there, and none tries to migrate by itself.
    """
    url = empty_granted.url_as(role)
    with pytest.raises(MigrationRequiredError, match="db upgrade"):
        async with open_store(url):
            pass
    with pytest.raises(PermissionDeniedError, match="permission denied for schema"):
        async with open_store(url, migrate=True):
            pass


async def test_a_writer_may_ask_for_a_migration_that_was_done_already(
    granted: Granted,
) -> None:
    """
    What needs no change needs no right to change.
    """
    async with open_store(granted.url_as("writer"), migrate=True) as store:
        await store.save_session(make_session())


async def test_a_writer_says_so_where_the_schema_is_of_another_revision(
    granted: Granted,
) -> None:
    """
    It finds that out by reading, and changes nothing.
    """
    async with granted.connected("admin") as conn:
        await conn.exec_driver_sql(
            "UPDATE asm_alembic_version SET version_num = 'unknown'"
        )
    for options in ({}, {"migrate": True}):
        with pytest.raises(MigrationRequiredError, match="unknown"):
            async with open_store(granted.url_as("writer"), **dict[str, Any](options)):
                pass


async def test_without_the_privilege_to_read_the_revision_a_store_says_so(
    granted: Granted,
) -> None:
    """
    A role that was forgotten after a migration is told of it at once.
    """
    name = granted.roles.name("writer")
    async with granted.connected("admin") as conn:
        await conn.exec_driver_sql(f"REVOKE ALL ON asm_alembic_version FROM {name}")

    with pytest.raises(PermissionDeniedError) as caught:
        async with open_store(granted.url_as("writer")):
            pass

    check_refusal(caught.value)
