"""
Engines fit for the stores of this package.
"""

from __future__ import annotations

import sqlite3
from typing import Any, Literal, Protocol, cast, get_args

import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from asm_async.errors import MissingDependencyError
from asm_async.sql.core.error_translation import requires_reconnect
from asm_async.sql.dialects.sqlite.dialect import is_in_memory
from asm_async.sql.dialects.sqlite.driver import connect
from asm_async.sql.dialects.sqlite.files import refuse_to_replace
from asm_async.sql.dialects.sqlite.new_file import make_private_file
from asm_async.sql.runtime.urls import read_url
from asm_async.values import fields

__all__ = ["Durability", "create_engine"]

Durability = Literal["full", "relaxed"]

# Short, since nothing can end it: timeout is spent between tries, where it can be.
_BUSY_TIMEOUT_SECONDS = 0.1

# Four times SQLite's default. A page that many commits change is copied once for each
# checkpoint: groups of 32 appends take a tenth less time for a log of 16 MiB.
_PAGES_PER_CHECKPOINT = 4_000


def create_engine(
    url: str | sa.URL, *, durability: Durability = "full", **options: Any
) -> AsyncEngine:
    """
    Make an engine fit for the stores of this package.

    A new SQLite file can be read by its owner alone; one that is there already keeps
    its permissions. Neither errors nor logs tell the values of parameters, unless
    *options* say ``hide_parameters=False``.

    An SQLite database in memory (``sqlite+aiosqlite://``) runs on a pool of one
    connection, so that every task sees the same database and has transactions of its
    own.

    Args:
        url:
            ``sqlite+aiosqlite:///path`` or ``postgresql+asyncpg://...``; the plain
            ``sqlite:`` and ``postgresql:`` mean the same. Parameters are the driver's,
            such as ``?ssl=require`` or, behind PgBouncer in transaction mode,
            ``?statement_cache_size=0``.

        durability:
            On SQLite, "full" syncs the log to the disk at each commit (``PRAGMA
            synchronous=FULL``), so that what was acknowledged survives a power cut;
            "relaxed" (``NORMAL``) syncs at checkpoints only: faster, and the last
            commits before a power cut or a crash of the operating system may be lost,
            though never the order or the integrity of what remains, and nothing by
            ``kill -9``. On PostgreSQL durability is the server's setting.

        options: For SQLAlchemy's ``create_async_engine``, over what is set here.

    Raises:
        ValidationError: If *url* is none or has a parameter that the driver could not
            make sense of, or *durability* is unknown.

        UnsupportedOperationError: If *url* names another database or driver.

        MissingDependencyError: If the driver is not installed.
    """
    fields.one_of(durability, "durability", get_args(Durability))
    target, connect_args = read_url(url)
    connect_args |= options.pop("connect_args", {})
    # They are what agents said, and whoever logs an error logs what caused it.
    defaults: dict[str, Any] = {"hide_parameters": True}
    if not options.keys() & {"pool", "poolclass"}:
        # What was used last is used next: its cache holds what has just been written,
        # where another connection to an SQLite file has to read all that again.
        defaults["pool_use_lifo"] = True
    if target.get_backend_name() == "sqlite":
        connect_args.setdefault("timeout", _BUSY_TIMEOUT_SECONDS)
        connect_args.setdefault("async_creator_fn", connect)
        # The stores leave no transaction open, and the pool's own rollback would cost
        # every call one more hop to the connection's thread.
        defaults["pool_reset_on_return"] = None
        if is_in_memory(target):
            one_connection = {"pool_size": 1, "max_overflow": 0}
            defaults |= {"poolclass": AsyncAdaptedQueuePool, **one_connection}
    defaults["connect_args"] = connect_args
    try:
        engine = create_async_engine(target, **(defaults | options))
    except ImportError as error:
        raise MissingDependencyError("asyncpg", "postgres") from error
    if engine.dialect.name == "sqlite":
        _look_after_files(engine)
        _set_pragmas(engine, durability)
        _give_up_what_is_disabled(engine)
    return engine


class _DriverConnection(Protocol):
    def cursor(self) -> sqlite3.Cursor: ...


def _look_after_files(engine: AsyncEngine) -> None:
    def on_connect(_: object, __: object, args: list[Any], ___: object) -> None:
        refuse_to_replace(*args)
        make_private_file(*args)

    sa_event.listen(engine.sync_engine, "do_connect", on_connect)


def _set_pragmas(engine: AsyncEngine, durability: Durability) -> None:
    synchronous = {"full": "FULL", "relaxed": "NORMAL"}[durability]

    def on_connect(connection: object, _: object) -> None:
        cursor = cast("_DriverConnection", connection).cursor()
        cursor.execute(f"PRAGMA synchronous={synchronous}")
        # On macOS alone: plain fsync leaves the data in the drive's cache there.
        cursor.execute(f"PRAGMA fullfsync={durability == 'full':d}")
        cursor.execute(f"PRAGMA wal_autocheckpoint={_PAGES_PER_CHECKPOINT}")
        cursor.close()

    sa_event.listen(engine.sync_engine, "connect", on_connect)


def _give_up_what_is_disabled(engine: AsyncEngine) -> None:
    """
    Have connections opened anew after an error that would go on with them.
    """

    def on_error(context: sa.ExceptionContext) -> None:
        if requires_reconnect(context.original_exception):
            context.is_disconnect = True

    sa_event.listen(engine.sync_engine, "handle_error", on_error)
