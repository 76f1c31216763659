"""
The limit of reading back: the drivers alone, following all in the process that writes.

They decode the JSON of each event and keep nothing. What a follower is given beyond
that (values, checkpoints, hints in place of looking again and again) is left out.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import aiosqlite
import asyncpg

from benchmarks.databases import Place

__all__ = ["follow_with_driver"]

_EVENTS_READ = 256
_PAUSE_SECONDS = 0.016

_SQLITE = """
    SELECT
        id, type, timestamp, session_id, run_id, sequence_number, schema_version,
        provider, correlation_id, data, metadata, position
    FROM asm_events WHERE position > ? ORDER BY position LIMIT ?
"""
_SQLITE_END = "SELECT coalesce(max(position), 0) FROM asm_events"
_POSTGRESQL = """
    SELECT
        id, type, timestamp, session_id, run_id, sequence_number, schema_version,
        provider, correlation_id, data, metadata, position, transaction_id::text
    FROM asm_events
    WHERE (transaction_id, position) > ($1::text::xid8, $2)
        AND transaction_id < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY transaction_id, position LIMIT $3
"""
_POSTGRESQL_END = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text"


async def follow_with_driver(place: Place) -> None:
    """
    Read what is new, as soon as may be, until cancelled.
    """
    if place.database == "sqlite":
        await _follow_sqlite(place)
    else:
        await _follow_postgresql(place)


async def _follow_sqlite(place: Place) -> None:
    async with aiosqlite.connect(place.location) as conn:
        ((position,),) = await conn.execute_fetchall(_SQLITE_END)
        while True:
            rows = list(await conn.execute_fetchall(_SQLITE, (position, _EVENTS_READ)))
            if rows:
                _decode(rows)
                position = rows[-1][11]
            if len(rows) < _EVENTS_READ:
                await asyncio.sleep(_PAUSE_SECONDS)


async def _follow_postgresql(place: Place) -> None:
    conn = await asyncpg.connect(place.location)
    try:
        transaction, position = await conn.fetchval(_POSTGRESQL_END), 0
        while True:
            rows = await conn.fetch(_POSTGRESQL, transaction, position, _EVENTS_READ)
            if rows:
                _decode(rows)
                position, transaction = rows[-1][11], rows[-1][12]
            if len(rows) < _EVENTS_READ:
                await asyncio.sleep(_PAUSE_SECONDS)
    finally:
        conn.terminate()


def _decode(rows: Sequence[Sequence[Any]]) -> None:
    for row in rows:
        json.loads(row[9])
        json.loads(row[10])
