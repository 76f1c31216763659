"""
Databases on a PostgreSQL server, one for each test.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import asyncpg
import attrs
import sqlalchemy as sa

from asm_async.sql import create_engine
from asm_async.sql.core import tables
from tests.backends import migrate

__all__ = ["PostgresDatabases"]

_SECONDS_TO_END = 30

# What was deleted still takes room, which makes a table slower to read.
_MAX_KILOBYTES = 2_000

# Whatever changes a schema, privileges or statistics leaves a row of the catalogue that
# is newer than the copy, or one row less.
_CATALOGUES = {
    "pg_class": "oid",
    "pg_attribute": "attrelid",
    "pg_constraint": "oid",
    "pg_index": "indexrelid",
    "pg_proc": "oid",
    "pg_statistic": "starelid",
    "pg_trigger": "oid",
    "pg_type": "oid",
}
_FIRST_OF_USERS = 16384
_COUNTS = " UNION ALL ".join(
    f"SELECT count(*) AS found, max(CAST(CAST(xmin AS text) AS bigint)) AS newest"  # noqa: S608 - names of catalogues
    f" FROM {name} WHERE {column} >= {_FIRST_OF_USERS}"
    for name, column in _CATALOGUES.items()
)
_SCHEMA = f"""
SELECT string_agg(concat_ws(' ', found, newest), ',') FROM ({_COUNTS}
    UNION ALL SELECT count(*), max(CAST(CAST(xmin AS text) AS bigint)) FROM pg_namespace
    UNION ALL SELECT count(*), 0 FROM pg_db_role_setting AS each
        JOIN pg_database ON pg_database.oid = each.setdatabase
        WHERE datname = current_database()) AS counts
"""  # noqa: S608 - the same

_OTHERS = """
SELECT (SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid())
    + (SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database())
"""
_KILOBYTES = f"""
SELECT sum(pg_relation_size(oid)) / 1024 FROM pg_class
WHERE oid >= {_FIRST_OF_USERS} AND relkind = 'r'
"""  # noqa: S608 - a number of ours
# Of the same order as foreign keys: what refers to others comes first.
_EMPTY = ";".join(
    str(sa.delete(table)) for table in reversed(tables.METADATA.sorted_tables)
)

_CONNECTIONS = sa.text("SELECT count(*) FROM pg_stat_activity WHERE datname = :name")
_OWN_DEADLOCKS = (
    "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
)
_DEADLOCKS = sa.text("SELECT deadlocks FROM pg_stat_database WHERE datname = :name")


@attrs.frozen
class _Copy:
    """
    A copy of a template that one test after the other uses.
    """

    url: str
    conn: asyncpg.Connection[Any]
    schema: str

    async def is_emptied(self) -> bool:
        """
        Return whether it is as it was when it was new, but for some room that it takes.
        """
        async with asyncio.timeout(_SECONDS_TO_END):
            while await self.conn.fetchval(_OTHERS):
                pass
        assert await self.conn.fetchval(_OWN_DEADLOCKS) == 0
        if await self.conn.fetchval(_SCHEMA) != self.schema:
            return False
        await self.conn.execute(_EMPTY)
        return bool(await self.conn.fetchval(_KILOBYTES) <= _MAX_KILOBYTES)


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
        self.runner: asyncio.Runner = asyncio.Runner(
            loop_factory=asyncio.new_event_loop
        )
        self._idle: defaultdict[str, list[_Copy]] = defaultdict(list)

    def close(self) -> None:
        """
        Drop what is kept, and give up the connection and the event loop.
        """
        for copies in self._idle.values():
            for each in copies:
                self._give_up(each)
        self.runner.run(self._engine.dispose())
        self.runner.close()

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
            self.runner.run(migrate(create_engine(url), partitions=partitions))
            yield str(url.database)

    @contextmanager
    def copy(self, template: str) -> Generator[str]:
        """
        Yield the URL of a copy of *template*, which is dropped in the end.
        """
        with self._database(template) as url:
            yield url.render_as_string(hide_password=False)

    @contextmanager
    def reused(self, template: str) -> Generator[str]:
        """
        Yield the URL of a copy of *template* that is as if it were new.

        It is one that an earlier test has used: to empty its tables takes a fraction of
        the time that a new copy takes. One that has another schema afterwards, or much
        room to read past, is dropped. A connection of ours stays open in it.

        Raises:
            AssertionError: In the end, if there was a deadlock in it.

            TimeoutError: If a connection does not end: somebody has leaked it.
        """
        idle = self._idle[template]
        copy = idle.pop() if idle else self.runner.run(self._new_copy(template))
        is_like_new = False
        try:
            yield copy.url
            is_like_new = self.runner.run(copy.is_emptied())
        finally:
            if is_like_new:
                idle.append(copy)
            else:
                self._give_up(copy)

    async def _new_copy(self, template: str) -> _Copy:
        name = await self._create(template)
        url = self._engine.url.set(database=name)
        conn = await asyncpg.connect(
            url.set(drivername="postgresql").render_as_string(hide_password=False)
        )
        schema = await conn.fetchval(_SCHEMA)
        return _Copy(url.render_as_string(hide_password=False), conn, schema)

    def _give_up(self, copy: _Copy) -> None:
        self.runner.run(copy.conn.close())
        self.runner.run(self._drop(str(sa.make_url(copy.url).database)))

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

        return self.runner.run(count())

    @contextmanager
    def _database(self, template: str) -> Generator[sa.URL]:
        name = self.runner.run(self._create(template))
        try:
            yield self._engine.url.set(database=name)
        finally:
            self.runner.run(self._drop(name))

    async def _create(self, template: str) -> str:
        name = f"asm_test_{secrets.token_hex(8)}"
        async with self._engine.connect() as conn:
            # PostgreSQL 15 brought another, which logs each block and takes more than
            # twice the time. Those before it know no name for this one.
            has_others = (conn.dialect.server_version_info or ()) >= (15,)
            strategy = "STRATEGY FILE_COPY" if has_others else ""
            await conn.execute(
                sa.text(f"CREATE DATABASE {name} TEMPLATE {template} {strategy}")
            )
        return name

    async def _drop(self, name: str) -> None:
        await self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    async def _execute(self, statement: str) -> None:
        async with self._engine.connect() as conn:
            await conn.execute(sa.text(statement))
