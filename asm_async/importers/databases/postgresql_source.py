"""
PostgreSQL databases that are read, as they were at one moment.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from asm_async.importers.databases.source import (
    MAX_PAGE_BYTES,
    MAX_PAGE_ROWS,
    Query,
    Row,
    size_of,
)
from asm_async.sql import create_engine
from asm_async.sql.core.error_translation import translated_errors

if TYPE_CHECKING:
    import asyncpg

_FIRST_ROWS = 16

# As it is for who connects without asking for another, as the frameworks do.
_SERVER_ZONE = "current_setting('TimeZone')"

# What the search path finds: of two schemas with such a table, one is read.
_COLUMNS = """
SELECT c.relname, a.attname
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid
WHERE c.relkind IN ('r', 'p')
AND a.attnum > 0
AND NOT a.attisdropped
AND pg_catalog.pg_table_is_visible(c.oid)
ORDER BY c.relname, a.attnum
"""


class PostgreSQLSource:
    """
    A PostgreSQL database, in one transaction that is read-only and repeatable.

    Rows come from a cursor of the server. What is written meanwhile is not seen.
    """

    is_postgresql = True

    def __init__(self, conn: asyncpg.Connection[asyncpg.Record]) -> None:
        self._conn = conn

    async def tables(self) -> Mapping[str, Sequence[str]]:
        """
        Return the columns of each table, by name.
        """
        found: dict[str, list[str]] = {}
        with translated_errors():
            for table, column in await self._conn.fetch(_COLUMNS):
                found.setdefault(table, []).append(column)
        return found

    async def first(self, query: Query) -> Row | None:
        """
        Return the first row of a query; None if there is none.
        """
        statement = f"{query.statement('$', server_zone=_SERVER_ZONE)} LIMIT 1"
        with translated_errors():
            row = await self._conn.fetchrow(statement, *query.where.values())
        return None if row is None else dict(zip(query.columns, row, strict=True))

    async def pages(self, query: Query) -> AsyncIterator[list[Row]]:
        """
        Yield the rows of a query, a page of bounded size at a time.
        """
        statement = query.statement("$", server_zone=_SERVER_ZONE)
        with translated_errors():
            cursor = await self._conn.cursor(statement, *query.where.values())
        rows = _FIRST_ROWS
        while True:
            with translated_errors():
                found = await cursor.fetch(rows)
            if not found:
                return
            yield [dict(zip(query.columns, row, strict=True)) for row in found]
            # As many as will fit, if the next are as large as these.
            mean = sum(size_of(list(row)) for row in found) / len(found)
            rows = max(1, min(MAX_PAGE_ROWS, int(MAX_PAGE_BYTES / mean)))


@asynccontextmanager
async def open_postgresql(url: str) -> AsyncGenerator[PostgreSQLSource]:
    """
    Begin to read a database, and give up its connection at the end.

    Raises:
        StorageError: If the database cannot be reached or read.

        MissingDependencyError: If the driver is not installed.
    """
    engine = create_engine(url)
    try:
        async with AsyncExitStack() as stack:
            with translated_errors():
                pooled = await stack.enter_async_context(engine.connect())
                raw = await pooled.get_raw_connection()
            conn: Any = raw.driver_connection
            with translated_errors():
                await stack.enter_async_context(
                    conn.transaction(isolation="repeatable_read", readonly=True)
                )
                # It is idle while what was read is written elsewhere.
                await conn.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            yield PostgreSQLSource(conn)
    finally:
        await engine.dispose()
