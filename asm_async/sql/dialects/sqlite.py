"""
SQLite: one file, one writer at a time.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ParamSpec, Protocol, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import StaticPool

from asm_async.errors import UnsupportedOperationError
from asm_async.sql.dialects.base import Dialect, EventRow
from asm_async.sql.dialects.sqlite_append import append_block

__all__ = ["SQLite", "is_in_memory"]

_OLDEST = (3, 35)

P = ParamSpec("P")
R = TypeVar("R")


class _Driver(Protocol):
    """
    What of aiosqlite's connection is used.
    """

    _conn: sqlite3.Connection

    async def _execute(
        self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> R: ...


def is_in_memory(url: sa.URL) -> bool:
    """
    Tell whether *url* names a database without a file.
    """
    database = url.database or ":memory:"
    in_name = ":memory:" in database or "mode=memory" in database
    return in_name or url.query.get("mode") == "memory"


class SQLite(Dialect):
    """
    SQLite from 3.35 (RETURNING).
    """

    name = "sqlite"
    driver = "aiosqlite"
    serialises_writers = True
    can_cancel_statements = False

    def check_engine(self, engine: AsyncEngine) -> None:
        """
        Refuse a static pool: all tasks would share its one connection's transaction.
        """
        if isinstance(engine.pool, StaticPool):
            raise UnsupportedOperationError(
                "the engine's StaticPool shares one transaction between all tasks; make"
                " the engine with asm_async.sql.create_engine, or with"
                " poolclass=AsyncAdaptedQueuePool, pool_size=1, max_overflow=0"
            )

    async def check_server(self, conn: AsyncConnection) -> None:
        """
        Ask the library that the driver is linked with.
        """
        text = await conn.scalar(sa.select(sa.func.sqlite_version()))
        if tuple(map(int, str(text).split(".")))[:2] < _OLDEST:
            raise UnsupportedOperationError(
                f"SQLite {text} is too old: 3.35 or later is needed"
            )

    async def leave_transaction(self, conn: AsyncConnection) -> None:
        """
        Roll back; the driver knows whether there is anything to roll back.
        """
        if await _is_in_transaction(conn):
            await self.roll_back(conn)

    async def begin_write(self, conn: AsyncConnection) -> None:
        """
        Take the write lock at once.

        A transaction that reads first and then writes could find that another has
        committed in between, which no waiting can cure (SQLITE_BUSY_SNAPSHOT).
        """
        await conn.begin()
        # A listener of the engine's owner may have begun one on SQLAlchemy's "begin".
        await _roll_back_in_sql(conn)
        await conn.exec_driver_sql("BEGIN IMMEDIATE")

    async def commit(self, conn: AsyncConnection) -> None:
        """
        Commit in SQL, which works however the driver thinks of transactions.
        """
        await conn.exec_driver_sql("COMMIT")

    async def roll_back(self, conn: AsyncConnection) -> None:
        """
        Roll back in SQL first, then tell SQLAlchemy.
        """
        await _roll_back_in_sql(conn)
        await conn.rollback()

    async def lock(
        self, conn: AsyncConnection, keys: Collection[int], patience: float
    ) -> None:
        """
        Do nothing: BEGIN IMMEDIATE holds all there is.
        """

    async def append_block(
        self,
        conn: AsyncConnection,
        counts: Mapping[str, int],
        rows: Sequence[EventRow],
        patience: float,
    ) -> Mapping[str, int] | None:
        """
        Do the whole transaction in one hop to the connection's thread.

        A hop costs more than all the statements together, and the driver's public
        interface makes one for each. Where its protected one is not there, the careful
        path does it.
        """
        raw = await conn.get_raw_connection()
        driver = cast("_Driver", raw.driver_connection)
        if not hasattr(driver, "_execute") or not hasattr(driver, "_conn"):
            return None
        hop, connection = driver._execute, driver._conn  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - see above
        return await hop(append_block, connection, counts, rows)

    def locked(self, rows: sa.Select[*tuple[Any, ...]]) -> sa.Select[*tuple[Any, ...]]:
        """
        Give *rows* as they are: BEGIN IMMEDIATE holds all there is.
        """
        return rows

    def members(self, values: Collection[str]) -> sa.Select[str]:
        """
        Unpack a JSON array, since the number of parameters is bounded (32,766).
        """
        array = sa.func.json_each(json.dumps(list(values))).table_valued("value")
        return sa.select(array.c.value)

    def pairs(self, values: Collection[tuple[str, str]]) -> sa.Subquery:
        """
        Unpack a JSON array of arrays.
        """
        array = sa.func.json_each(json.dumps(list(values))).table_valued("value")
        return sa.select(
            sa.func.json_extract(array.c.value, "$[0]").label("first"),
            sa.func.json_extract(array.c.value, "$[1]").label("second"),
        ).subquery()


async def _roll_back_in_sql(conn: AsyncConnection) -> None:
    if await _is_in_transaction(conn):
        await conn.exec_driver_sql("ROLLBACK")


async def _is_in_transaction(conn: AsyncConnection) -> bool:
    raw = await conn.get_raw_connection()
    return bool(getattr(raw.driver_connection, "in_transaction", False))
