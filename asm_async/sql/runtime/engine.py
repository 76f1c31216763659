"""
Engines fit for the stores of this package.
"""

from __future__ import annotations

import asyncio
from typing import Any, Literal, get_args

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from asm_async.errors import MissingDependencyError, UnsupportedOperationError
from asm_async.sql.dialects import bound_closing, engine_options, set_up_engine
from asm_async.sql.runtime.urls import read_url
from asm_async.values import fields

Durability = Literal["full", "relaxed"]


def create_engine(
    url: str | sa.URL, *, durability: Durability = "full", **options: Any
) -> AsyncEngine:
    """
    Make an engine fit for the stores of this package.

    A new SQLite file can be read by its owner alone; one that is there already keeps
    its permissions. Neither errors nor logs show the values of parameters, unless
    *options* say ``hide_parameters=False``.

    An SQLite database in memory (``sqlite+aiosqlite://``) runs on a pool of one
    connection, so that every task sees the same database and has transactions of its
    own. Options that ask for another pool are refused there.

    Args:
        url:
            ``sqlite:///path`` or ``postgresql://user:password@host/database``, also as
            ``postgres://``, with several hosts, and with libpq's parameters, such as
            ``?sslmode=verify-full&sslrootcert=FILE``; SQLAlchemy's names of the drivers
            are allowed. Behind PgBouncer in transaction mode
            ``?statement_cache_size=0`` is needed. A ``?`` in a path is ``%3F``.

        durability:
            On SQLite, "full" syncs the log to the disk at each commit (``PRAGMA
            synchronous=FULL``), so that what was acknowledged survives a power cut;
            "relaxed" (``NORMAL``) syncs at checkpoints only: faster, and the last
            commits before a power cut or a crash of the operating system may be lost,
            though never the order or the integrity of what remains, and nothing by
            ``kill -9``. On PostgreSQL durability is the server's setting.

        options: For SQLAlchemy's ``create_async_engine``, over what is set here.

    Raises:
        ValidationError: If *url* is none, if a part of it is blank, contradicts another
            or would be lost, if a certificate that it names cannot be read, or if
            *durability* is unknown.

        UnsupportedOperationError: If *url* names another database or driver, or the
            promises could not be kept with these *options*.

        MissingDependencyError: If the driver is not installed.
    """
    fields.one_of(durability, "durability", get_args(Durability))
    target, connect_args = read_url(url)
    connect_args = _joined(connect_args, options.pop("connect_args", {}))
    # They are what agents said, and to log an error is to log what caused it.
    defaults: dict[str, Any] = {"hide_parameters": True}
    if not options.keys() & {"pool", "poolclass"}:
        # What was used last is used next: its cache holds what has just been written,
        # where another connection to an SQLite file has to read all that again.
        defaults["pool_use_lifo"] = True
    defaults |= engine_options(target, connect_args, options)
    try:
        engine = create_async_engine(target, **(defaults | options))
    except ImportError as error:
        raise MissingDependencyError("asyncpg", "postgres") from error
    except exc.ArgumentError as error:
        raise UnsupportedOperationError(f"options: {error.args[0]}") from error
    set_up_engine(engine, is_durable=durability == "full")
    return engine


async def dispose_within(engine: AsyncEngine, timeout: float) -> None:
    """
    Dispose of an engine of ours.

    Args:
        engine: Whose connections to close.

        timeout: How long, in seconds, all together may take. An SQLite file that the
            disk does not close by then is left to its thread.
    """
    bound_closing(engine, asyncio.get_running_loop().time() + timeout)
    await engine.dispose()


def _joined(told: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """
    Join what the URL says with what the caller does, who has the last word.
    """
    both = told | given
    if "server_settings" in told.keys() & given.keys():
        both["server_settings"] = told["server_settings"] | given["server_settings"]
    return both
