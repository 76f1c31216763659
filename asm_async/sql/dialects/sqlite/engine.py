"""
What an engine on SQLite needs.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from asm_async.errors import StorageError
from asm_async.sql.core.error_translation import requires_reconnect
from asm_async.sql.dialects.sqlite.dialect import is_in_memory
from asm_async.sql.dialects.sqlite.driver import connect

# Short, since nothing can end it: timeout is spent between tries, where it can be.
_BUSY_TIMEOUT_SECONDS = 0.1

_FOR_OWNER_ALONE = 0o600

# Four times SQLite's default. A page that many commits change is copied once for each
# checkpoint: groups of 32 appends take a tenth less time for a log of 16 MiB.
_PAGES_PER_CHECKPOINT = 4_000


def engine_options(url: sa.URL, connect_args: dict[str, Any]) -> dict[str, Any]:
    """
    Return what SQLAlchemy is given, unless the caller says otherwise.
    """
    args = {
        "timeout": _BUSY_TIMEOUT_SECONDS,
        "async_creator_fn": connect,
    }
    options: dict[str, Any] = {
        "connect_args": args | connect_args,
        # The stores leave no transaction open, and the pool's own rollback would cost
        # every call one more hop to the connection's thread.
        "pool_reset_on_return": None,
    }
    if is_in_memory(url):
        one_connection = {"pool_size": 1, "max_overflow": 0}
        options |= {"poolclass": AsyncAdaptedQueuePool, **one_connection}
    return options


def set_up_engine(engine: AsyncEngine, *, is_durable: bool) -> None:
    """
    Have each connection opened as the stores need it, and each commit synced or not.
    """

    def look_after_file(_: object, __: object, args: list[Any], ___: object) -> None:
        _refuse_to_replace(*args)
        _make_private_file(*args)

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

    for name, listener in (
        ("do_connect", look_after_file),
        ("connect", set_pragmas),
        ("handle_error", give_up_what_is_disabled),
    ):
        sa_event.listen(engine.sync_engine, name, listener)


def _refuse_to_replace(database: str) -> None:
    """
    Refuse to make a new database where the log of a lost one lies.

    SQLite would remove that log, and with it what was acknowledged last. *database* is
    as SQLite is told it, a path or a URI.
    """
    path = unquote(urlsplit(database).path) if database[:5] == "file:" else database
    if _size(path) == 0 < _size(f"{path}-wal"):
        raise StorageError(
            f"{path} is gone, but its log {path}-wal is not. Bring it back; or, if a"
            " new database shall take its place, remove the log"
        )


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except (OSError, ValueError):
        return 0


def _make_private_file(database: str) -> None:
    """
    Make an empty file, which SQLite takes for a new database, unless one is there.

    SQLite itself would let everybody read what the umask does not forbid. It gives the
    write-ahead log and its index the permissions of the file, whatever these are. What
    is no path, and what cannot be made, is left to it: it has its own words for that.
    """
    if database.startswith(("file:", ":")) or not database:
        return
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with suppress(OSError):
        os.close(os.open(database, flags, _FOR_OWNER_ALONE))
