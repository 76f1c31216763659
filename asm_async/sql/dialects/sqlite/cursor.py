"""
A cursor of aiosqlite that does its work in one hop to the connection's thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeAlias, cast

import attrs
from aiosqlite import Connection, Cursor

Work: TypeAlias = Callable[[sqlite3.Connection], None]


@attrs.frozen(kw_only=True)
class _Executed:
    """
    What is left of a cursor of ``sqlite3`` after its statement.
    """

    description: Any = None
    rowcount: int = -1
    lastrowid: int | None = None
    arraysize: int = 1


class OneHopCursor(Cursor):
    """
    A cursor that holds all rows by the time its statement is executed.
    """

    def __init__(
        self, connection: Connection, hop: Callable[[Work], Awaitable[None]]
    ) -> None:
        super().__init__(connection, cast("sqlite3.Cursor", _Executed()))
        self._hop = hop
        self._rows: list[Any] = []

    async def execute(
        self, sql: str, parameters: Iterable[Any] | None = None
    ) -> Cursor:
        bound = () if parameters is None else tuple(parameters)
        await self._hop(lambda connection: self._keep(connection.execute(sql, bound)))
        return self

    async def executemany(
        self, sql: str, parameters: Iterable[Iterable[Any]]
    ) -> Cursor:
        bound = cast("Iterable[tuple[Any, ...]]", parameters)
        await self._hop(
            lambda connection: self._keep(connection.executemany(sql, bound))
        )
        return self

    def _keep(self, cursor: sqlite3.Cursor) -> None:
        self._rows = cursor.fetchall() if cursor.description else []
        self._cursor = cast(
            "sqlite3.Cursor",
            _Executed(
                description=cursor.description,
                rowcount=cursor.rowcount,
                lastrowid=cursor.lastrowid,
            ),
        )
        cursor.close()

    async def fetchone(self) -> Any:
        return self._rows.pop(0) if self._rows else None

    async def fetchmany(self, size: int | None = None) -> list[Any]:
        size = 1 if size is None else size
        taken, self._rows = self._rows[:size], self._rows[size:]
        return taken

    async def fetchall(self) -> list[Any]:
        taken, self._rows = self._rows, []
        return taken

    async def close(self) -> None:
        self._rows = []
