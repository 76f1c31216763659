"""
Databases whose roles have the privileges of schema/postgresql-roles.sql, and no others.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest
import sqlalchemy as sa

from asm_async.sql import create_engine
from asm_async.testing.backend import QueryAPIBackend
from tests.backends import migrate
from tests.effort import IS_THOROUGH
from tests.integration.postgresql_roles.role_backend import RoleBackend
from tests.integration.postgresql_roles.role_tours import index_texts
from tests.postgres_databases import PostgresDatabases
from tests.postgres_roles import PostgresRoles

# What a writer's statements are: to race, to cancel and to expect takes no others.
WRITING = frozenset(
    {
        "TestAppends",
        "TestCommits",
        "TestCopies",
        "TestDeletions",
        "TestExpectedRevisions",
        "TestFlushes",
        "TestIdempotence",
        "TestOperationIds",
        "TestPartialFlushes",
        "TestReads",
        "TestRetractions",
        "TestRuns",
        "TestSessionLists",
        "TestSessions",
        "TestUpdates",
        "TestWaiting",
    }
)

# Sizes and interruptions of what other tests of a maintainer do.
LEFT_OUT = frozenset(
    {
        "test_a_very_long_session_goes_whole",
        "test_a_very_long_session_is_pruned_in_order",
        "test_agents_at_work_raise_no_false_alarm",
        "test_events_go_by_rank_and_then_by_age",
        "test_every_batch_size_gives_the_same",
        "test_what_is_no_error_ends_it_at_once",
    }
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Leave these, and other classes of the suite of stores, to a thorough run.
    """
    if not IS_THOROUGH:
        items[:] = [item for item in items if not _is_left_out(item)]


def _is_left_out(item: pytest.Item) -> bool:
    here = Path(__file__)
    if item.path == here.with_name("test_maintenance.py"):
        return getattr(item, "originalname", item.name) in LEFT_OUT
    if item.path != here.with_name("test_session_store.py"):
        return False
    suite = item.cls if isinstance(item, pytest.Function) else None
    return suite is not None and suite.__name__ not in WRITING


@pytest.fixture(scope="session")
def roles(postgres_server_url: str) -> Generator[PostgresRoles]:
    """
    Yield the roles; they go when all databases that know them have gone.
    """
    roles = PostgresRoles(postgres_server_url)
    yield roles
    with asyncio.Runner() as runner:
        runner.run(roles.execute(roles.farewells()))


@pytest.fixture(scope="session")
def roles_template(
    roles: PostgresRoles, postgres_databases: PostgresDatabases
) -> Generator[str]:
    """
    Yield the name of a database that its owner has made, with an index of texts.

    It is only copied.
    """
    with postgres_databases.empty() as url, asyncio.Runner() as runner:
        roles.apply(url)
        runner.run(roles.execute(roles.logins()))
        runner.run(migrate(create_engine(roles.url_as("owner", url))))
        runner.run(index_texts(roles.url_as("owner", url)))
        roles.apply(url)
        yield str(sa.make_url(url).database)


@pytest.fixture
def roles_url(
    postgres_databases: PostgresDatabases, roles_template: str
) -> Generator[str]:
    """
    Yield a database of the test's own, migrated, whose roles have their privileges.
    """
    with postgres_databases.copy(roles_template) as url:
        yield url


@pytest.fixture
async def backend(
    roles: PostgresRoles, roles_url: str
) -> AsyncGenerator[QueryAPIBackend]:
    """
    Yield a backend each of whose ports is connected as the role that it is for.
    """
    async with RoleBackend(roles, roles_url) as backend:
        yield backend
