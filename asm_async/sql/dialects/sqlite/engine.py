"""
What an engine on SQLite needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from asm_async.errors import StoreClosedError, UnsupportedOperationError
from asm_async.sql.core.engine_state import EngineState
from asm_async.sql.core.error_translation import requires_reconnect
from asm_async.sql.dialects.pools import idle_connections, is_in_use
from asm_async.sql.dialects.sqlite.connection import close_left, connect
from asm_async.sql.dialects.sqlite.driver import MAX_BUSY_MILLISECONDS
from asm_async.sql.dialects.sqlite.files import file_path, prepare_file

# Four times SQLite's default. A page that many commits change is copied once for each
# checkpoint: groups of 32 appends take a tenth less time for a log of 16 MiB.
_PAGES_PER_CHECKPOINT = 4_000

# Options of the pool, with which each task has the one connection to itself in turn and
# none is ever closed.
_IN_MEMORY: Mapping[str, Any] = MappingProxyType(
    {
        "poolclass": AsyncAdaptedQueuePool,
        "pool_size": 1,
        "max_overflow": 0,
        "pool_recycle": -1,
    }
)


def engine_options(
    url: sa.URL, connect_args: dict[str, Any], chosen: Mapping[str, Any]
) -> dict[str, Any]:
    """
    Return what SQLAlchemy is given, unless the caller says otherwise.

    Raises:
        UnsupportedOperationError: If the caller has *chosen* a pool that would make
            several databases in memory, or lose one.
    """
    args = {
        "timeout": MAX_BUSY_MILLISECONDS / 1000,
        "async_creator_fn": connect,
    }
    options: dict[str, Any] = {
        "connect_args": args | connect_args,
        # The stores leave no transaction open, and the pool's own rollback would cost
        # every call one more hop to the connection's thread.
        "pool_reset_on_return": None,
    }
    if file_path(url, connect_args) is None:
        for name, value in chosen.items():
            if name == "pool" or value != _IN_MEMORY.get(name, value):
                raise UnsupportedOperationError(
                    f"{name}: a database in memory exists in one connection, and"
                    f" another pool would open several or lose it: leave {name} out"
                )
        options |= _IN_MEMORY
    return options


def set_up_engine(engine: AsyncEngine, *, is_durable: bool) -> None:
    """
    Have each connection opened as the stores need it, and each commit synced or not.
    """

    def look_after_file(
        _: object, __: object, args: list[Any], told: dict[str, Any]
    ) -> None:
        args[0] = prepare_file(args[0], told)

    def set_pragmas(connection: Any, _: object) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA synchronous={'FULL' if is_durable else 'NORMAL'}")
        # On macOS alone: plain fsync leaves the data in the drive's cache there.
        cursor.execute(f"PRAGMA fullfsync={is_durable:d}")
        cursor.execute(f"PRAGMA wal_autocheckpoint={_PAGES_PER_CHECKPOINT}")
        cursor.close()

    def give_up_what_is_disabled(context: sa.ExceptionContext) -> None:
        # After such an error SQLAlchemy would go on with the connection.
        if requires_reconnect(context.original_exception):
            context.is_disconnect = True

    def keep_what_is_in_memory(context: sa.ExceptionContext) -> None:
        # SQLAlchemy closes the connection of a statement whose caller is cancelled.
        if isinstance(context.original_exception, asyncio.CancelledError):
            context.is_disconnect = False

    def say_it_is_in_memory(connection: Any, _: object) -> None:
        connection.driver_connection.is_in_memory = True

    if file_path(engine.url) is None:
        sa_event.listen(engine.sync_engine, "handle_error", keep_what_is_in_memory)
        sa_event.listen(engine.sync_engine, "connect", say_it_is_in_memory)
    for name, listener in (
        ("do_connect", look_after_file),
        ("connect", set_pragmas),
        ("handle_error", give_up_what_is_disabled),
    ):
        sa_event.listen(engine.sync_engine, name, listener)


def close_inherited(state: EngineState, path: str) -> None:
    """
    Close what the parent of a forked process has open of a file, in this process.

    As long as it is open SQLite takes the parent's locks for this process's own and
    asks the system for none, so that the parent removes the log that is written here.

    Raises:
        StoreClosedError: If it was in use, so that it cannot be closed.
    """
    engine = state.engine()
    if engine is None or engine.dialect.name != "sqlite":
        return
    if file_path(engine.url) != path:
        return
    idle = idle_connections(engine)
    if is_in_use(engine) or (idle and state.loop.is_running()):
        raise StoreClosedError(
            f"this process was forked while an engine was using {path}, and SQLite"
            " locks cannot be shared with a fork: dispose of the engine before the"
            ' fork, or start processes with the method "spawn"'
        )
    for driver in idle:
        close_left(driver)
    engine.sync_engine.dispose(close=False)


async def begin_immediate(conn: AsyncConnection, busy_timeout: int) -> None:
    """
    Take the write lock, and do not wait for it longer than can be waited for.

    Args:
        conn: Without a transaction.

        busy_timeout: How many milliseconds it waits for locks by itself.
    """
    is_long = busy_timeout > MAX_BUSY_MILLISECONDS
    if is_long:
        await conn.exec_driver_sql(f"PRAGMA busy_timeout = {MAX_BUSY_MILLISECONDS}")
    try:
        await conn.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        if is_long:
            await conn.exec_driver_sql(f"PRAGMA busy_timeout = {busy_timeout}")
