"""
SQLite files that are read, also while others write to them.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from urllib.parse import quote

from asm_async.errors import NotFoundError
from asm_async.importers.databases.source import (
    MAX_PAGE_BYTES,
    MAX_PAGE_ROWS,
    Query,
    Row,
    quoted,
    size_of,
)
from asm_async.sql.core.error_translation import translated_errors

_BUSY_SECONDS = 30.0
_UNWRITABLE = frozenset(
    {"SQLITE_CANTOPEN", "SQLITE_READONLY_CANTINIT", "SQLITE_READONLY_DIRECTORY"}
)


class SQLiteSource:
    """
    An SQLite file, opened for reading alone.

    A page is read by a statement of its own, which begins behind the last row of the
    page before it. So nothing is locked while pages are worked on: in a journal mode
    other than WAL a reader keeps all writers out, and in WAL mode the log would grow.
    """

    is_postgresql = False

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn

    async def tables(self) -> Mapping[str, Sequence[str]]:
        """
        Return the columns of each table, by name.
        """
        with translated_errors():
            return await asyncio.to_thread(self._read_tables)

    async def first(self, query: Query) -> Row | None:
        """
        Return the first row of a query; None if there is none.
        """
        with translated_errors():
            page, _ = await asyncio.to_thread(self._read_page, query, None, 1)
        return page[0] if page else None

    async def pages(self, query: Query) -> AsyncIterator[list[Row]]:
        """
        Yield the rows of a query, a page of bounded size at a time.
        """
        last: Sequence[object] | None = None
        while True:
            with translated_errors():
                page, is_end = await asyncio.to_thread(
                    self._read_page, query, last, MAX_PAGE_ROWS
                )
            if page:
                yield page
                last = [page[-1][name] for name in query.order_by]
            if is_end:
                return

    def _read_tables(self) -> Mapping[str, Sequence[str]]:
        names = self._conn.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'"
        ).fetchall()
        return {
            name: [
                row[1]
                for row in self._conn.execute(f"PRAGMA table_info({quoted(name)})")
            ]
            for (name,) in names
        }

    def _read_page(
        self, query: Query, last: Sequence[object] | None, max_rows: int
    ) -> tuple[list[Row], bool]:
        # With the bound, what no index has in order is not sorted whole for each page.
        statement = query.statement("?", after=last is not None)
        statement += f" LIMIT {max_rows}"
        # To sqlite3 a parameter with a number has a name, from Python 3.14 on for good.
        values = [*query.where.values(), *(last or ())]
        parameters = {str(place): value for place, value in enumerate(values, 1)}
        page: list[Row] = []
        size = 0
        with closing(self._conn.execute(statement, parameters)) as cursor:
            for row in cursor:
                page.append(dict(zip(query.columns, row, strict=True)))
                size += size_of(row)
                if size >= MAX_PAGE_BYTES:
                    return page, False
        return page, len(page) < max_rows


@asynccontextmanager
async def open_sqlite_file(path: str) -> AsyncGenerator[SQLiteSource]:
    """
    Open a file for reading alone, and close it at the end.

    Raises:
        NotFoundError: If there is no such file.

        StorageError: If it cannot be read.
    """
    file = Path(path)
    if not await asyncio.to_thread(file.is_file):
        raise NotFoundError(f"{path}: there is no such file")
    with translated_errors():
        conn = await asyncio.to_thread(_connect, file)
    try:
        yield SQLiteSource(conn)
    finally:
        await asyncio.to_thread(conn.close)


def _connect(file: Path) -> sqlite3.Connection:
    try:
        return _opened(file, "mode=ro")
    except sqlite3.OperationalError as error:
        log = file.with_name(f"{file.name}-wal")
        if error.sqlite_errorname not in _UNWRITABLE or log.exists():
            raise
    # In WAL mode a reader makes a file beside it. Where it may not, such as on a disk
    # that is mounted to be read, nobody writes, and the file alone is all there is.
    return _opened(file, "mode=ro&immutable=1")


def _opened(file: Path, options: str) -> sqlite3.Connection:
    name = quote(str(file.absolute()))
    conn = sqlite3.connect(
        f"file:{name}?{options}",
        uri=True,
        timeout=_BUSY_SECONDS,
        # One call at a time, each in a thread of the pool.
        check_same_thread=False,
        isolation_level=None,
    )
    # What is no UTF-8 is damaged text, and must not end the import.
    conn.text_factory = _text_of
    try:
        conn.execute("PRAGMA query_only = ON")
        conn.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        conn.close()
        raise
    return conn


def _text_of(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
