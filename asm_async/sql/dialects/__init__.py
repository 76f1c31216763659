"""
The two databases, how to tell which one an engine speaks to, and what engines need.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.errors import UnsupportedOperationError, ValidationError
from asm_async.sql.dialects.base import Dialect
from asm_async.sql.dialects.pools import idle_connections
from asm_async.sql.dialects.postgresql import hosts as postgresql
from asm_async.sql.dialects.sqlite import engine as sqlite
from asm_async.sql.dialects.sqlite.connection import OneHopConnection
from asm_async.sql.dialects.sqlite.dialect import SQLite
from asm_async.sql.dialects.sqlite.files import file_path
from asm_async.values import fields

__all__ = [
    "Dialect",
    "bound_closing",
    "database_file",
    "dialect_of",
    "engine_options",
    "set_up_engine",
]


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
        ValidationError: If it is neither.

        UnsupportedOperationError: If it is not SQLite through aiosqlite or PostgreSQL
            through asyncpg, or the engine has SQLAlchemy move our tables.
    """
    # Every adapter comes here first with what its caller gave it.
    if not isinstance(cast("object", bind), AsyncEngine | AsyncConnection):
        raise _no_engine(bind)
    name, driver = bind.dialect.name, bind.dialect.driver
    make = _DIALECTS.get((name, driver))
    if make is None:
        raise UnsupportedOperationError(
            f"{name} through {driver} is not supported: use sqlite+aiosqlite or"
            " postgresql+asyncpg"
        )
    if isinstance(bind, AsyncEngine):
        _check_schemas(bind)
    return make()


def _check_schemas(engine: AsyncEngine) -> None:
    """
    Refuse an engine by which SQLAlchemy finds our tables in another schema.

    Most statements go past it, and would find those of the search path.
    """
    moved: Mapping[str | None, str] | None
    moved = engine.get_execution_options().get("schema_translate_map")
    if moved and None in moved:
        raise UnsupportedOperationError(
            "the engine's schema_translate_map moves the tables of asm_async: make an"
            " engine without it, and name the schema in the URL, by"
            " options=-csearch_path%3D and its name"
        )


def _no_engine(value: object) -> ValidationError:
    error = fields.unexpected("engine", "an AsyncEngine", value)
    if isinstance(value, str | sa.URL):
        remedy = "create_engine makes one of a URL, and open_store a store of its own"
    elif isinstance(getattr(value, "engine", None), AsyncEngine):
        remedy = "give it the store's: its attribute engine"
    else:
        remedy = "asm_async.sql.create_engine makes one"
    return ValidationError(f"{error}; {remedy}")


def database_file(url: sa.URL, connect_args: dict[str, Any]) -> str | None:
    """
    Return the path of the file that a database is; None if it is in no file.
    """
    is_sqlite = url.get_backend_name() == "sqlite"
    return file_path(url, connect_args) if is_sqlite else None


def engine_options(
    url: sa.URL, connect_args: dict[str, Any], chosen: Mapping[str, Any]
) -> dict[str, Any]:
    """
    Return options of SQLAlchemy's for an engine; the caller has *chosen* some already.

    Raises:
        UnsupportedOperationError: If the promises could not be kept with these.

        ValidationError: If a certificate that the URL names cannot be read.
    """
    if url.get_backend_name() == "sqlite":
        return sqlite.engine_options(url, connect_args, chosen)
    return postgresql.engine_options(connect_args)


def set_up_engine(engine: AsyncEngine, *, is_durable: bool) -> None:
    """
    Have each connection of a new engine opened as the stores need it.
    """
    if engine.dialect.name == "sqlite":
        sqlite.set_up_engine(engine, is_durable=is_durable)


def bound_closing(engine: AsyncEngine, deadline: float) -> None:
    """
    Have an engine's idle connections closed by a deadline, or left to their threads.

    Args:
        engine: One of ours. On PostgreSQL each is closed within a moment in any case.

        deadline: On the loop's clock.
    """
    for driver in idle_connections(engine):
        if isinstance(driver, OneHopConnection):
            driver.closes_at = deadline
