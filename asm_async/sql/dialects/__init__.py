"""
The two databases, and how to tell which one an engine speaks to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.errors import UnsupportedOperationError
from asm_async.sql.dialects.base import Dialect
from asm_async.sql.dialects.sqlite.dialect import SQLite

__all__ = ["Dialect", "dialect_of"]


@cache
def _postgresql() -> Dialect:
    # SQLAlchemy's part for PostgreSQL takes a tenth of the time of importing this
    # package, and who uses SQLite needs none of it.
    from asm_async.sql.dialects.postgresql.dialect import (  # noqa: PLC0415 - said above
        PostgreSQL,
    )

    return PostgreSQL()


_DIALECTS: Mapping[tuple[str, str], Callable[[], Dialect]] = {
    ("sqlite", "aiosqlite"): cache(SQLite),
    ("postgresql", "asyncpg"): _postgresql,
}


def dialect_of(bind: AsyncEngine | AsyncConnection) -> Dialect:
    """
    Find the hooks for an engine or a connection.

    Raises:
        UnsupportedOperationError: If it is not SQLite through aiosqlite or PostgreSQL
            through asyncpg.
    """
    name, driver = bind.dialect.name, bind.dialect.driver
    make = _DIALECTS.get((name, driver))
    if make is None:
        raise UnsupportedOperationError(
            f"{name} through {driver} is not supported: use sqlite+aiosqlite or"
            " postgresql+asyncpg"
        )
    return make()
