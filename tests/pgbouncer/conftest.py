"""
A database behind PgBouncer, as the contract suites want it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator

import pytest
import sqlalchemy as sa

from asm_async.ports.event_feed import EventFeed
from asm_async.sql import SQLEventFeed
from asm_async.testing.backend import QueryAPIBackend
from tests.backends import SQLBackend
from tests.pgbouncer.pgbouncer_server import PgBouncer


class PooledBackend(SQLBackend):
    """
    Stores behind PgBouncer, where nobody can listen.
    """

    async def open_event_feed(self) -> EventFeed:
        """
        Open another event feed, which looks by itself.
        """
        return SQLEventFeed(self.another_engine(), listens=False)


@pytest.fixture(scope="session")
def pgbouncer(
    postgres_server_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Generator[PgBouncer]:
    """
    Start PgBouncer in front of the tests' server.
    """
    pgbouncer = PgBouncer(postgres_server_url, tmp_path_factory.mktemp("pgbouncer"))
    try:
        pgbouncer.start()
        yield pgbouncer
    finally:
        pgbouncer.stop()


@pytest.fixture
def plain_url(pgbouncer: PgBouncer, migrated_postgres_url: str) -> sa.URL:
    """
    Return a database that has our tables, through PgBouncer and without its setting.
    """
    return pgbouncer.url(migrated_postgres_url)


@pytest.fixture
def pooled_url(plain_url: sa.URL) -> str:
    """
    Return the same with the one setting that is needed.
    """
    pooled = plain_url.update_query_dict({"statement_cache_size": "0"})
    return pooled.render_as_string(hide_password=False)


@pytest.fixture
async def backend(pooled_url: str) -> AsyncGenerator[QueryAPIBackend]:
    """
    Yield the backend that the contract suites run over.
    """
    async with PooledBackend(pooled_url) as backend:
        yield backend
