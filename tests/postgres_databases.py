"""
Databases on a PostgreSQL server, one for each test.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Generator
from contextlib import contextmanager

import sqlalchemy as sa

from asm_async.sql import create_engine
from tests.backends import migrate

__all__ = ["PostgresDatabases"]

_SECONDS_TO_END = 30

_CONNECTIONS = sa.text("SELECT count(*) FROM pg_stat_activity WHERE datname = :name")
_DEADLOCKS = sa.text("SELECT deadlocks FROM pg_stat_database WHERE datname = :name")


class PostgresDatabases:
    """
    Makes databases on a server and drops them; one connection serves them all.

    It runs on an event loop of its own, beside those of the tests, and is to be called
    while none of them runs.

    Args:
        url: Of a database on the server, for a user who may create others.
    """

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url, isolation_level="AUTOCOMMIT")
        # With a factory the runner leaves the thread's current event loop alone.
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)

    def close(self) -> None:
        """
        Give up the connection and the event loop.
        """
        self._runner.run(self._engine.dispose())
        self._runner.close()

    @contextmanager
    def empty(self) -> Generator[str]:
        """
        Yield the URL of a new, empty database, which is dropped in the end.
        """
        with self._database("template1") as url:
            yield url.render_as_string(hide_password=False)

    @contextmanager
    def migrated(self, *, partitions: int | None = None) -> Generator[str]:
        """
        Yield the name of a new database that has our tables, to be a template.
        """
        with self._database("template1") as url:
            self._runner.run(migrate(create_engine(url), partitions=partitions))
            yield str(url.database)

    @contextmanager
    def copy(self, template: str) -> Generator[str]:
        """
        Yield the URL of a copy of *template*, which is dropped in the end.
        """
        with self._database(template) as url:
            yield url.render_as_string(hide_password=False)

    def count_deadlocks(self, url: str) -> int:
        """
        Count the deadlocks that the server has broken in a database.

        It waits for all connections to end, which is when they report theirs.

        Raises:
            TimeoutError: If one does not: somebody has leaked it.
        """
        name = sa.make_url(url).database

        async def count() -> int:
            async with (
                asyncio.timeout(_SECONDS_TO_END),
                self._engine.connect() as conn,
            ):
                while await conn.scalar(_CONNECTIONS, {"name": name}):
                    pass
                return int(await conn.scalar(_DEADLOCKS, {"name": name}) or 0)

        return self._runner.run(count())

    @contextmanager
    def _database(self, template: str) -> Generator[sa.URL]:
        name = f"asm_test_{secrets.token_hex(8)}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield self._engine.url.set(database=name)
        finally:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _execute(self, statement: str) -> None:
        async def execute() -> None:
            async with self._engine.connect() as conn:
                await conn.execute(sa.text(statement))

        self._runner.run(execute())
