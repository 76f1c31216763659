"""
Which file a database is, as SQLite sees it, and what is seen to before it is opened.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import sqlalchemy as sa

from asm_async.errors import StorageError
from asm_async.sql.dialects.base import UNDONE
from asm_async.sql.dialects.sqlite.driver import identity_of

_FOR_OWNER_ALONE = 0o600


def file_path(url: sa.URL, connect_args: dict[str, Any] | None = None) -> str | None:
    """
    Return the path of the file that SQLite opens for a URL, None if it is in memory.

    SQLite follows symbolic links first, and has its log beside the file itself.
    """
    dialect = url.get_dialect()()
    (database, *_), told = dialect.create_connect_args(url)
    return _real_path(str(database), {**told, **(connect_args or {})})


def _real_path(database: str, told: dict[str, Any]) -> str | None:
    path, parameters = _parts(database, told)
    is_temporary = path in ("", ":memory:")
    if is_temporary or "memory" in parameters.get("mode", ()):
        return None
    if "memdb" in parameters.get("vfs", ()):
        return None
    return os.path.realpath(path)


def _parts(database: str, told: dict[str, Any]) -> tuple[str, dict[str, list[str]]]:
    if not (told.get("uri") and database.startswith("file:")):
        return database, {}
    parts = urlsplit(database)
    return unquote(parts.path), parse_qs(parts.query)


def prepare_file(database: str, told: dict[str, Any]) -> str:
    """
    See to a file that is about to be opened, which may not be there yet.

    SQLite itself shall make none. It would for a file that is moved away just now, and
    remove the log that lies there, with what was acknowledged last.

    Args:
        database: As the driver is told it, a path or a URI.

        told: What else the driver is told; a file is opened by a URI then.

    Returns:
        What the driver is to be told in place of *database*.

    Raises:
        StorageError: If the log of a lost database lies where one would be made, or
            the file has a second name.
    """
    path = _real_path(database, told)
    if path is None:
        return database
    identity_of(path)
    _refuse_to_replace(path)
    _, parameters = _parts(database, told)
    if parameters.get("mode", ["rwc"]) != ["rwc"]:
        return database
    if _make_private(path):
        # What was here may have been moved away since the first look.
        _refuse_to_replace(path, is_ours=True)
    told["uri"] = True
    query = urlencode({**parameters, "mode": ["rw"]}, doseq=True)
    return f"{Path(path).as_uri()}?{query}"


def put_into_wal(connection: sqlite3.Connection) -> str | None:
    """
    Put a file into WAL mode if it is not, in the thread of a connection.

    It takes a moment without any other who reads or writes, for which the connection
    waits no longer than for any lock.

    Returns:
        None, or why it is not in WAL mode.
    """
    journal, reason = (
        "",
        "there is no shared memory for it, as on a network file system",
    )
    for pause in (0.05, 0.05, 0.0):
        journal = _journal_mode(connection)
        if journal == "wal":
            return None
        try:
            journal = _journal_mode(connection, " = WAL")
        except sqlite3.Error as error:
            reason = str(error)
            if not error.sqlite_errorname.startswith("SQLITE_BUSY"):
                break
            # Perhaps another process is about to do it.
            time.sleep(pause)
        else:
            if journal == "wal":
                return None
            break
    return f"{not_in_wal(journal)} ({reason})"


def _journal_mode(connection: sqlite3.Connection, setting: str = "") -> str:
    (mode,) = connection.execute(f"PRAGMA main.journal_mode{setting}").fetchone()
    return str(mode)


def not_in_wal(journal: str) -> str:
    """
    Return what follows from another journal mode than that of a write-ahead log.

    A journal that is deleted may be there again after a power cut, since its directory
    is not synced then ("PRAGMA synchronous", on EXTRA).
    """
    fault = f"journal_mode is {journal}, not wal: readers and the writer wait for each"
    kept = " other" if journal in {"truncate", "persist"} else f" other, and {UNDONE}"
    return f"{fault}{kept}"


def _refuse_to_replace(path: str, *, is_ours: bool = False) -> None:
    """
    Refuse to make a new database where the log of a lost one lies.

    SQLite would remove that log, and with it what was acknowledged last. The empty file
    is removed if it *is_ours*.
    """
    if _size(path) == 0 < _size(f"{path}-wal"):
        if is_ours:
            Path(path).unlink(missing_ok=True)
        raise StorageError(
            f"{path} is missing, but its log {path}-wal is not. Put the file back, or"
            " remove the log to begin a new database"
        )


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except (OSError, ValueError):
        return 0


def _make_private(path: str) -> bool:
    """
    Make an empty file, which SQLite takes for a new database, unless one is there.

    Returns whether it was made.

    SQLite itself would let everybody read what the umask does not forbid. It gives the
    write-ahead log and its index the permissions of the file, whatever these are. What
    cannot be made is left to it: it has its own words for that.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with suppress(OSError, ValueError):
        os.close(os.open(path, flags, _FOR_OWNER_ALONE))
        return True
    return False
