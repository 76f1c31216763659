"""
The two databases, and how to tell which one an engine speaks to.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.errors import UnsupportedOperationError
from asm_async.sql.dialects.base import Dialect, EventRow
from asm_async.sql.dialects.postgresql.dialect import PostgreSQL
from asm_async.sql.dialects.sqlite.dialect import SQLite

__all__ = ["Dialect", "EventRow", "dialect_of"]

_DIALECTS: Mapping[str, Dialect] = {
    dialect.name: dialect for dialect in (SQLite(), PostgreSQL())
}


def dialect_of(bind: AsyncEngine | AsyncConnection) -> Dialect:
    """
    Find the hooks for an engine or a connection.

    Raises:
        UnsupportedOperationError: If it is not SQLite through aiosqlite or PostgreSQL
            through asyncpg.
    """
    dialect = _DIALECTS.get(bind.dialect.name)
    if dialect is None or dialect.driver != bind.dialect.driver:
        raise UnsupportedOperationError(
            f"{bind.dialect.name} through {bind.dialect.driver} is not supported: use"
            " sqlite+aiosqlite or postgresql+asyncpg"
        )
    return dialect
