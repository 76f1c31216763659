"""
What an engine on SQLite needs.
"""

from __future__ import annotations

import sqlite3
from typing import Any, Protocol, cast

import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from asm_async.sql.core.error_translation import requires_reconnect
from asm_async.sql.dialects.sqlite.dialect import is_in_memory
from asm_async.sql.dialects.sqlite.driver import connect
from asm_async.sql.dialects.sqlite.files import refuse_to_replace
from asm_async.sql.dialects.sqlite.new_file import make_private_file

# Short, since nothing can end it: timeout is spent between tries, where it can be.
_BUSY_TIMEOUT_SECONDS = 0.1

# Four times SQLite's default. A page that many commits change is copied once for each
# checkpoint: groups of 32 appends take a tenth less time for a log of 16 MiB.
_PAGES_PER_CHECKPOINT = 4_000


def connect_args() -> dict[str, Any]:
    """
    Return what the driver is given unless the caller says otherwise.
    """
    return {"timeout": _BUSY_TIMEOUT_SECONDS, "async_creator_fn": connect}


def engine_options(url: sa.URL) -> dict[str, Any]:
    """
    Return what SQLAlchemy is given unless the caller says otherwise.
    """
    # The stores leave no transaction open, and the pool's own rollback would cost
    # every call one more hop to the connection's thread.
    options: dict[str, Any] = {"pool_reset_on_return": None}
    if is_in_memory(url):
        one_connection = {"pool_size": 1, "max_overflow": 0}
        options |= {"poolclass": AsyncAdaptedQueuePool, **one_connection}
    return options


def set_up_engine(engine: AsyncEngine, *, is_durable: bool) -> None:
    """
    Have each connection opened as the stores need it.

    Args:
        engine: A new one.

        is_durable: Whether each commit is synced to the disk.
    """
    _look_after_files(engine)
    _set_pragmas(engine, is_durable=is_durable)
    _give_up_what_is_disabled(engine)


class _DriverConnection(Protocol):
    def cursor(self) -> sqlite3.Cursor: ...


def _look_after_files(engine: AsyncEngine) -> None:
    def on_connect(_: object, __: object, args: list[Any], ___: object) -> None:
        refuse_to_replace(*args)
        make_private_file(*args)

    sa_event.listen(engine.sync_engine, "do_connect", on_connect)


def _set_pragmas(engine: AsyncEngine, *, is_durable: bool) -> None:
    def on_connect(connection: object, _: object) -> None:
        cursor = cast("_DriverConnection", connection).cursor()
        cursor.execute(f"PRAGMA synchronous={'FULL' if is_durable else 'NORMAL'}")
        # On macOS alone: plain fsync leaves the data in the drive's cache there.
        cursor.execute(f"PRAGMA fullfsync={is_durable:d}")
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
