"""
How an SQLite file comes into being: for its owner alone.
"""

from __future__ import annotations

import os
from contextlib import suppress

_FOR_OWNER_ALONE = 0o600


def make_private_file(database: str) -> None:
    """
    Make an empty file, which SQLite takes for a new database, unless one is there.

    SQLite itself would let everybody read what the umask does not forbid. It gives the
    write-ahead log and its index the permissions of the file, whatever these are.

    Args:
        database: As SQLite is told it. What is no path, and what cannot be made, is
            left to SQLite, which has its own words for that.
    """
    if database.startswith(("file:", ":")) or not database:
        return
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with suppress(OSError):
        os.close(os.open(database, flags, _FOR_OWNER_ALONE))
