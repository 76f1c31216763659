"""
Tables filled in one transaction, past the store, as fast as the drivers go.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import asyncpg

from benchmarks.databases import Database, Place

__all__ = ["Row", "fill", "microseconds", "stored_time"]

Row: TypeAlias = tuple[Any, ...]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(moment: datetime) -> int:
    """
    Return what SQLite's tables hold for a time.
    """
    return (moment - _EPOCH) // timedelta(microseconds=1)


def stored_time(moment: datetime, database: Database) -> datetime | int:
    """
    Return what the driver of *database* takes for a time.
    """
    return microseconds(moment) if database == "sqlite" else moment


async def fill(
    place: Place,
    tables: Mapping[str, Sequence[str]],
    rows: Mapping[str, Iterable[Row]],
    *,
    checkpoint_seconds: float = 600,
) -> None:
    """
    Fill tables and leave the database as it would be after a night's rest.

    Args:
        place: A database that has the tables.

        tables: The columns of each that are given.

        rows: Of each of *tables*.

        checkpoint_seconds: How long a server may take to sync it all.
    """
    if place.database == "sqlite":
        _fill_sqlite(place, tables, rows)
    else:
        await _fill_postgresql(place, tables, rows, checkpoint_seconds)


def _fill_sqlite(
    place: Place,
    tables: Mapping[str, Sequence[str]],
    rows: Mapping[str, Iterable[Row]],
) -> None:
    conn = sqlite3.connect(place.location, isolation_level=None)
    conn.execute("PRAGMA cache_size = -262144")
    conn.execute("BEGIN IMMEDIATE")
    for table, columns in tables.items():
        marks = ", ".join("?" * len(columns))
        names = ", ".join(columns)
        statement = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - names of ours
        conn.executemany(statement, rows[table])
    conn.execute("COMMIT")
    conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    conn.close()


async def _fill_postgresql(
    place: Place,
    tables: Mapping[str, Sequence[str]],
    rows: Mapping[str, Iterable[Row]],
    checkpoint_seconds: float,
) -> None:
    conn = await asyncpg.connect(place.location, timeout=60)
    async with conn.transaction():
        for table, columns in tables.items():
            await conn.copy_records_to_table(
                table, records=rows[table], columns=columns
            )
    # What autovacuum and the checkpointer would else do while the clock runs.
    await conn.execute("VACUUM (ANALYZE)", timeout=3600)
    await conn.execute("CHECKPOINT", timeout=checkpoint_seconds)
    await conn.close()
