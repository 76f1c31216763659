"""
Sessions, runs and events, loaded straight into the tables.

The sessions and runs are those of :mod:`benchmarks.load_runs`; the events were appended
by all sessions in turn, as concurrent agents do, and are spread over the same year.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta

from benchmarks.databases import Database, Place
from benchmarks.filling import Row, fill, stored_time
from benchmarks.load_runs import YEAR, load_runs, session_id

__all__ = ["SESSIONS", "load_history"]

SESSIONS = 10_000
_RUNS_PER_SESSION = 100
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


def _events(count: int, database: Database) -> Iterator[Row]:
    step = timedelta(days=365) / count

    def time(number: int) -> datetime | int:
        return stored_time(YEAR + number * step, database)

    for number in range(count):
        turn, session = divmod(number, SESSIONS)
        run = session * _RUNS_PER_SESSION + turn % _RUNS_PER_SESSION
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
    await load_runs(place, count, events_a_session=count // SESSIONS)
    rows = {"asm_events": _events(count, place.database)}
    await fill(place, {"asm_events": _COLUMNS}, rows)
