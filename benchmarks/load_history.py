"""
Sessions, runs and events, loaded straight into the tables.

The sessions and runs are those of :mod:`benchmarks.load_runs`; the events were appended
by all sessions in turn, as concurrent agents do, and are spread over the same year.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import asyncpg

from asm_async.sql.column_types import microseconds
from benchmarks.databases import Place
from benchmarks.load_runs import YEAR, load_runs, session_id

__all__ = ["SESSIONS", "load_history"]

Row: TypeAlias = tuple[Any, ...]

SESSIONS = 10_000
_RUNS_A_SESSION = 100
_COLUMNS = (
    "session_id",
    "sequence_number",
    "id",
    "type",
    "timestamp",
    "run_id",
    "data",
    "metadata",
    "schema_version",
    "provider",
    "correlation_id",
)
_TYPES = ("message_received", "message_sent", "tool_call_started", "tool_call_failed")
_DATA = json.dumps({"content": "The flight at 9:40 is full. " * 8})


def _events(count: int, database: str) -> Iterator[Row]:
    step = timedelta(days=365) / count

    def time(number: int) -> datetime | int:
        moment = YEAR + number * step
        return microseconds(moment) if database == "sqlite" else moment

    for number in range(count):
        turn, session = divmod(number, SESSIONS)
        run = session * _RUNS_A_SESSION + turn % _RUNS_A_SESSION
        yield (
            *(session_id(session), turn + 1, f"evt_{number:032x}"),
            *(_TYPES[number % 4], time(number), f"run_{run:032x}"),
            *(_DATA, "{}", 1, None if number % 3 else "openai"),
            f"trace_{number // 100}" if number % 10 == 0 else None,
        )


async def load_history(place: Place, count: int) -> None:
    """
    Fill an empty database with 10,000 sessions and *count* runs and events.
    """
    await load_runs(place, count)
    counted = f"UPDATE asm_session_sequences SET last_sequence = {count // SESSIONS}"  # noqa: S608 - a number
    rows = _events(count, place.database)
    if place.database == "sqlite":
        _load_sqlite(place, rows, counted)
    else:
        await _load_postgresql(place, rows, counted)


def _load_sqlite(place: Place, rows: Iterator[Row], counted: str) -> None:
    conn = sqlite3.connect(place.location, isolation_level=None)
    conn.execute("PRAGMA cache_size = -262144")
    conn.execute("BEGIN IMMEDIATE")
    marks = ", ".join("?" * len(_COLUMNS))
    names = ", ".join(_COLUMNS)
    conn.executemany(f"INSERT INTO asm_events ({names}) VALUES ({marks})", rows)  # noqa: S608 - names of ours
    conn.execute(counted)
    conn.execute("COMMIT")
    conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    conn.close()


async def _load_postgresql(place: Place, rows: Iterator[Row], counted: str) -> None:
    conn = await asyncpg.connect(place.location, timeout=60)
    async with conn.transaction():
        await conn.copy_records_to_table("asm_events", records=rows, columns=_COLUMNS)
        await conn.execute(counted)
    await conn.execute("VACUUM (ANALYZE)", timeout=3600)
    await conn.execute("CHECKPOINT", timeout=600)
    await conn.close()
