from __future__ import annotations

import asyncio
from collections.abc import Generator

import pytest

from asm_async.errors import SessionNotFoundError, StorageError
from asm_async.sql import SQLSessionStore, create_engine
from asm_async.testing.factories import make_run, make_session
from tests.backends import migrate
from tests.postgres_databases import PostgresDatabases
from tests.postgres_roles import PostgresRoles

pytestmark = pytest.mark.postgres


@pytest.fixture
def partitioned_roles_url(
    roles: PostgresRoles, roles_template: str, postgres_databases: PostgresDatabases
) -> Generator[str]:
    """
    Yield a database with partitions whose roles have their privileges.

    Their logins were made with the template.
    """
    del roles_template
    with postgres_databases.empty() as url:
        roles.apply(url)
        with asyncio.Runner() as runner:
            owner = create_engine(roles.url_as("owner", url))
            runner.run(migrate(owner, partitions=2))
        roles.apply(url)
        yield url


async def test_the_roles_may_write_the_ids_of_runs(
    roles: PostgresRoles, partitioned_roles_url: str
) -> None:
    """
    A writer saves a run, a reader cannot, and a maintainer removes it with its session.
    """
    engines = {
        role: create_engine(roles.url_as(role, partitioned_roles_url))
        for role in ("writer", "reader", "maintainer")
    }
    stores = {role: SQLSessionStore(engine) for role, engine in engines.items()}
    session = make_session()
    await stores["writer"].save_session(session)
    run = await stores["writer"].save_run(make_run(session_id=session.id))
    with pytest.raises(StorageError, match="permission denied"):
        await stores["reader"].save_run(make_run(id="run_2", session_id=session.id))
    await stores["maintainer"].delete_session(session.id)

    with pytest.raises(SessionNotFoundError):
        await stores["reader"].get_session(session.id)
    await stores["writer"].save_session(make_session(id="ses_next"))
    again = await stores["writer"].save_run(make_run(id=run.id, session_id="ses_next"))
    assert again.revision > run.revision
    for role, store in stores.items():
        await store.aclose()
        await engines[role].dispose()
