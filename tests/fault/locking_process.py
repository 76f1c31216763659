"""
A process that locks an SQLite file, and writes to it, for as long as it is told to.

It takes the path. Each line it reads is a number of seconds; it says "locked" when it
holds the lock, and "released" when that is over.
"""

from __future__ import annotations

import sqlite3
import sys
import time


def main(path: str) -> None:
    """
    Lock the file for each line.
    """
    connection = sqlite3.connect(path, isolation_level=None, timeout=60)
    for line in sys.stdin:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE asm_session_sequences SET updated_at = updated_at")
        say("locked")
        time.sleep(float(line))
        connection.execute("COMMIT")
        say("released")


def say(line: str) -> None:
    """
    Tell the test at once.
    """
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


main(*sys.argv[1:])
