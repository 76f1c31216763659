"""
Whether the files of an SQLite connection still are where they were.

A file that is moved away or removed while it is open takes what is written to it as
before, and nobody will ever find it there. SQLite itself looks for that only where the
journal is no write-ahead log ("How To Corrupt An SQLite Database File", on unlinking or
renaming a database file while in use).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, Protocol, TypeAlias, TypeVar, cast
from urllib.parse import unquote, urlsplit

from asm_async.errors import StorageError, StorageUnavailableError
from asm_async.sql.core.error_translation import requires_reconnect, with_outcome

__all__ = [
    "OpenFiles",
    "files_of",
    "find_files",
    "has_thread",
    "identity_of",
    "in_place",
    "in_thread",
    "refuse_to_replace",
]

Identity: TypeAlias = tuple[int, int]

# The write-ahead log and its index, which all who have the file open share.
_COMPANIONS = ("-wal", "-shm")

_ATTRIBUTE = "_asm_async_files"

P = ParamSpec("P")
R = TypeVar("R")


class _Driver(Protocol):
    """
    What of aiosqlite's connection is used.
    """

    _conn: sqlite3.Connection

    async def _execute(
        self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> R: ...


def has_thread(driver: object) -> bool:
    """
    Tell whether work can be given to the thread of a driver's connection.
    """
    return hasattr(driver, "_execute") and hasattr(driver, "_conn")


async def in_thread(driver: object, work: Callable[[sqlite3.Connection], R]) -> R:
    """
    Have *work* done in the thread of a driver's connection, which has one.
    """
    own = cast("_Driver", driver)
    hop, connection = own._execute, own._conn  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - the public interface makes a hop for each statement
    return await hop(work, connection)


def identity_of(path: str) -> Identity | None:
    """
    Tell which file lies at *path*, None if there is none.
    """
    try:
        found = os.stat(path)  # noqa: PTH116 - twice as fast as a Path, and asked often
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


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


class OpenFiles:
    """
    The files that one connection has open, by their identity.

    Args:
        path: Of the database; nothing if it is in memory.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._companions = [f"{path}{ending}" for ending in _COMPANIONS]
        self._known: dict[str, Identity] = {}
        self.is_stale: bool = False
        """
        Whether nothing can be done with them any more, though with others perhaps.
        """
        if path and (identity := identity_of(path)):
            self._known[path] = identity

    def remember_wal_files(self) -> None:
        """
        Remember the log and its index, after the connection has read or written.

        Not sooner: until it opens them itself they may be removed with good reason, by
        whoever closes the database last.
        """
        if len(self._known) == 1:
            for path in self._companions:
                if identity := identity_of(path):
                    self._known[path] = identity

    def are_in_place(self) -> bool:
        """
        Tell whether each file is where it was.
        """
        return all(identity_of(path) == known for path, known in self._known.items())

    def check(self, connection: sqlite3.Connection) -> None:
        """
        Refuse to go on with files that are not where they were.

        Where the log alone is missing, what is in it is first brought home into the
        database, for it holds what was acknowledged and lies nowhere else.

        Args:
            connection: Theirs, with no transaction open; this is its thread.

        Raises:
            StorageError: If the database is gone. It may come back, and be the same.

            StorageUnavailableError: If another connection is needed.
        """
        for path, known in self._known.items():
            found = identity_of(path)
            if found == known:
                continue
            if path == self._path and found is None:
                raise StorageError(
                    f"{path} is gone: it was moved or removed while it was open. Bring"
                    " it back: until then nothing is written to it, since it would be"
                    " lost"
                )
            if found is None:
                _checkpoint_wal(connection)
            self.is_stale = True
            raise StorageUnavailableError(
                f"{path} is not the file that was opened: it was moved, removed or"
                " replaced meanwhile, and has to be opened anew"
            )

    def check_committed(self, connection: sqlite3.Connection) -> None:
        """
        Refuse to acknowledge what was committed to files that are not where they were.

        Args:
            connection: Theirs, after the commit; this is its thread.

        Raises:
            StorageError: As :meth:`check` does; its outcome is unknown.
        """
        try:
            self.check(connection)
        except StorageError as error:
            raise with_outcome(error, outcome_unknown=True) from error.__cause__


def _checkpoint_wal(connection: sqlite3.Connection) -> None:
    """
    Write the log into the database, and empty it.

    Raises:
        StorageUnavailableError: If a reader stands in the way; it is to be tried again.
    """
    (is_busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if is_busy:
        raise StorageUnavailableError(
            "the write-ahead log was removed while it was open, and is still being read"
        )


def files_of(driver: object) -> OpenFiles | None:
    """
    Give what is known of the files of a driver's connection, None if nothing is yet.
    """
    return cast("OpenFiles | None", getattr(driver, _ATTRIBUTE, None))


def find_files(driver: object, connection: sqlite3.Connection) -> OpenFiles:
    """
    Give the files of a driver's connection, in whose thread this is.

    They are kept on that connection, since they live as long.
    """
    files = files_of(driver)
    if files is None:
        found = connection.execute("PRAGMA database_list").fetchall()
        path = next((path for _, name, path in found if name == "main"), "")
        files = OpenFiles(path)
        setattr(driver, _ATTRIBUTE, files)
    return files


@contextmanager
def in_place(driver: object, connection: sqlite3.Connection) -> Generator[None]:
    """
    Enclose a transaction, in the connection's thread.

    Raises:
        StorageError: As :class:`OpenFiles` does, before and after.
    """
    files = find_files(driver, connection)
    files.check(connection)
    try:
        yield
    except Exception as error:
        files.is_stale |= requires_reconnect(error)
        raise
    files.remember_wal_files()
    files.check_committed(connection)
