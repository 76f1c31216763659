"""
A process that moves the log of an SQLite file into the database, again and again.

It takes the path and a seed, and says "checkpoint" before the first time.
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import suppress
from random import Random

_KINDS = ("PASSIVE", "FULL", "RESTART", "TRUNCATE")


def main(path: str, seed: str) -> None:
    """
    Make checkpoints of every kind until killed.
    """
    random = Random(seed)
    connection = sqlite3.connect(path, isolation_level=None, timeout=1)
    # However the checkpoint is cut short, the log must bring the database in order.
    connection.execute("PRAGMA synchronous = FULL")
    sys.stdout.write("checkpoint\n")
    sys.stdout.flush()
    while True:
        with suppress(sqlite3.OperationalError):
            connection.execute(f"PRAGMA wal_checkpoint({random.choice(_KINDS)})")


main(*sys.argv[1:])
