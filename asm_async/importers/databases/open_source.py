"""
Opening the database that an import was asked to read.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import MappingProxyType

from asm_async.errors import UnsupportedOperationError, ValidationError
from asm_async.importers.databases.postgresql_source import open_postgresql
from asm_async.importers.databases.source import Source
from asm_async.importers.databases.sqlite_source import open_sqlite_file
from asm_async.importers.importer import ImportContext
from asm_async.sql.dialects.urls import URLParts, split_url

SQLITE_BEGINNING = b"SQLite format 3\0"
"""
The first bytes of every SQLite file.
"""

_DRIVERS = frozenset(
    {
        "",
        "aiosqlite",
        "asyncpg",
        "pg8000",
        "psycopg",
        "psycopg2",
        "psycopg_async",
        "pysqlite",
    }
)


@asynccontextmanager
async def open_source(context: ImportContext) -> AsyncGenerator[Source]:
    """
    Open a database for reading alone: an SQLite file by its path, or any by its URL.

    Raises:
        NotFoundError: If there is no such file.

        ValidationError: If the URL is none, or the import is to follow.

        UnsupportedOperationError: If it is another kind of database.

        StorageError: If it cannot be reached or read.
    """
    if context.follow:
        raise ValidationError(
            "follow: a database is not followed: import it again, which adds what is"
            " new"
        )
    context.tally.add(source_count=1)
    if "://" not in context.path:
        async with open_sqlite_file(context.path) as file:
            yield file
        return
    parts = split_url(context.path)
    # A framework's own URL names its own driver.
    backend, _, driver = parts.driver.partition("+")
    opener = _OPENERS.get(backend) if driver in _DRIVERS else None
    if opener is None:
        raise UnsupportedOperationError(
            f"{parts.driver} is not supported as a source: an SQLite file or a"
            " PostgreSQL database can be imported; copy other databases into one of"
            " these first, or read them with the framework itself"
        )
    async with opener(context.path.strip(), parts) as opened:
        yield opened


def _open_file(url: str, parts: URLParts) -> AbstractAsyncContextManager[Source]:
    del url
    return open_sqlite_file(parts.database or "")


def _open_server(url: str, parts: URLParts) -> AbstractAsyncContextManager[Source]:
    return open_postgresql(f"postgresql{url[len(parts.driver) :]}")


_OPENERS: Mapping[
    str, Callable[[str, URLParts], AbstractAsyncContextManager[Source]]
] = MappingProxyType(
    {
        "sqlite": _open_file,
        "postgres": _open_server,
        "postgresql": _open_server,
    }
)
