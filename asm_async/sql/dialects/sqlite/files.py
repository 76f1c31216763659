"""
A database file that is missing while its log is there.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from asm_async.errors import StorageError


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
