"""
Whether the file of an SQLite connection still is where it was.

A file that is moved away or removed while it is open takes what is written to it as
before, and nobody will ever find it there. SQLite itself looks for that only where the
journal is no write-ahead log ("How To Corrupt An SQLite Database File", on unlinking or
renaming a database file while in use). It happens to developers, who remove the file
under a running server, so one look is made before each group of writes.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any, TypeAlias, cast
from urllib.parse import unquote, urlsplit

import attrs

from asm_async.errors import StorageError, StorageUnavailableError

Identity: TypeAlias = tuple[int, int]

_ATTRIBUTE = "_asm_async_file"


def refuse_to_replace(database: str) -> None:
    """
    Refuse to make a new database where the log of a lost one lies.

    SQLite would remove that log, and with it what was acknowledged last.

    Args:
        database: As SQLite is told it, a path or a URI.

    Raises:
        StorageError: Naming both.
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


def _identity_of(path: str) -> Identity | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - twice as fast as a Path, and asked often
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


@attrs.define
class OpenFile:
    """
    The file that one connection has open, by its identity.
    """

    path: str
    """
    Of the database; nothing if it is in memory.
    """

    is_stale: bool = False
    """
    Whether nothing can be done with the connection any more, though with another.
    """

    _known: Identity | None = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._known = _identity_of(self.path) if self.path else None

    def check(self) -> None:
        """
        Refuse to go on with a file that is not where it was.

        Raises:
            StorageError: If there is none. It may come back, and be the same.

            StorageUnavailableError: If another has its place, for another connection.
        """
        if self._known is None:
            return
        found = _identity_of(self.path)
        if found == self._known:
            return
        if found is None:
            raise StorageError(
                f"{self.path} is gone: it was moved or removed while it was open. Bring"
                " it back: until then nothing is written to it, since it would be lost"
            )
        self.is_stale = True
        raise StorageUnavailableError(
            f"{self.path} is not the file that was opened: it was moved, removed or"
            " replaced meanwhile, and has to be opened anew"
        )


def file_of(driver: object) -> OpenFile | None:
    """
    Return what is known of the file of a driver's connection, None if nothing is yet.
    """
    return cast("OpenFile | None", getattr(driver, _ATTRIBUTE, None))


def find_file(driver: Any, connection: sqlite3.Connection) -> OpenFile:
    """
    Return the file of a driver's connection, in whose thread this is.

    It is kept on that connection, since it lives as long.
    """
    file = file_of(driver)
    if file is None:
        found = connection.execute("PRAGMA database_list").fetchall()
        file = OpenFile(next((path for _, name, path in found if name == "main"), ""))
        setattr(driver, _ATTRIBUTE, file)
    return file
