"""
The zone of times that were written without one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from asm_async.importers.databases.source import Query, Row, Source
from asm_async.importers.databases.values import column_time

_UTC = timedelta(0)
_STEP = timedelta(minutes=15)
_FURTHEST = timedelta(hours=14)
_TOLERANCE = timedelta(seconds=5)


async def zone_offset(
    source: Source, session: Row, where: Mapping[str, Any]
) -> timedelta:
    """
    Return by how much the times of a session's events are ahead of UTC.

    ADK before 1.22 wrote an event's time in its own local time, and into an SQLite file
    the session's in UTC. Both are the time of the last event, so that the difference is
    the offset. On PostgreSQL both were local, and nothing says which zone it was: they
    count as UTC, as later versions write them.

    Args:
        source: The database.

        session: The session's row.

        where: What its events have in common.
    """
    if source.is_postgresql:
        return _UTC
    latest = Query(
        table="events",
        columns=["timestamp", "id"],
        where=where,
        order_by=("timestamp", "id"),
        descending=True,
    )
    updated = column_time(session.get("update_time"))
    row = await source.first(latest)
    at = None if row is None else column_time(row["timestamp"])
    if at is None or updated is None:
        return _UTC
    difference = at - updated
    offset = round(difference / _STEP) * _STEP
    is_zone = abs(offset) <= _FURTHEST and abs(difference - offset) <= _TOLERANCE
    return offset if is_zone else _UTC
