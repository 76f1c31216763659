"""
What befalls the connections of the tests, at fault points.
"""

from __future__ import annotations

import sqlite3

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.testing.faults import Act, Point, failing

__all__ = ["refusing", "terminated"]


def refusing(engine: AsyncEngine) -> Act:
    """
    Make the act by which the database refuses what it is asked, for good.
    """
    if engine.dialect.name == "postgresql":
        return _refuse
    error = sqlite3.OperationalError("refused")
    error.sqlite_errorname = "SQLITE_FULL"
    return failing(error)


async def _refuse(point: Point) -> None:
    """
    Have PostgreSQL itself refuse something, with what that means for a transaction.
    """
    if point.connection is None:
        raise asyncpg.InternalServerError("refused")
    if point.statement.startswith("COMMIT"):
        # Whatever the server says, there is no transaction any more.
        await point.connection.execute("ROLLBACK")
    await point.connection.execute("refused")


def terminated(url: str) -> Act:
    """
    Make the act that ends a PostgreSQL connection from the server's side.
    """

    async def act(point: Point) -> None:
        pid = point.connection.get_server_pid()
        admin = await asyncpg.connect(url.replace("+asyncpg", ""))
        try:
            await admin.execute("SELECT pg_terminate_backend($1)", pid)
            is_there = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)"
            while await admin.fetchval(is_there, pid):
                pass
        finally:
            await admin.close()

    return act
