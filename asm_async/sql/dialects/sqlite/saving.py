"""
How sessions and runs are saved in the connection's own thread, beside a group's events.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from asm_async.sql.core.activity import SLACK
from asm_async.sql.core.column_types import MICROSECOND, microseconds
from asm_async.sql.core.saved_rows import SAVED_RUNS, SAVED_SESSIONS, SavedColumns
from asm_async.sql.dialects.direct import SavedRow


def _inserting(table: str, saved: SavedColumns, condition: str = "true") -> str:
    places = [f"?{number}" for number, _ in enumerate(saved.names, start=1)]
    return f"""
        INSERT INTO {table} ({", ".join(saved.names)}, revision)
        SELECT {", ".join(places)}, 1 WHERE {condition}
        RETURNING revision
    """


def _updating(table: str, saved: SavedColumns, *kept: str) -> str:
    """
    Write the change of a row, in which some columns are as they are to be already.
    """
    places = {name: f"?{number}" for number, name in enumerate(saved.names, start=1)}
    changes = [f"{name} = {it}" for name, it in places.items() if name not in kept]
    are_kept = " AND ".join(f"{name} IS {places[name]}" for name in kept)
    return f"""
        UPDATE {table} SET {", ".join(changes)}, revision = revision + 1
        WHERE {are_kept}
            AND revision = coalesce(?{len(places) + 1}, revision)
            AND operation_id IS NOT {places["operation_id"]}
            AND {saved.may_follow(table, places["status"])}
        RETURNING revision
    """  # noqa: S608 - the names are those of columns


_UPDATE_RUN = _updating("asm_runs", SAVED_RUNS, "id", "session_id")

# One whose id was that of a run that was removed gets a revision that is not known
# here. The id of one that is there violates the key.
_INSERT_RUN = _inserting(
    "asm_runs",
    SAVED_RUNS,
    "NOT EXISTS (SELECT 1 FROM asm_run_tombstones WHERE run_id = ?1)",
)

# Another tenant and other tags are to be written to other tables, too.
_UPDATE_SESSION = _updating("asm_sessions", SAVED_SESSIONS, "id", "tenant_id", "tags")

_INSERT_SESSION = _inserting("asm_sessions", SAVED_SESSIONS)

# The counter row of one that is there, or was, violates the key.
_INSERT_GATE = """
    INSERT INTO asm_session_sequences (
        session_id, last_sequence, pruned_count, state, tenant_id,
        updated_at, active_until
    )
    SELECT id, 0, 0, 'live', tenant_id, ?2, ?3 FROM asm_sessions WHERE id = ?1
"""

_INSERT_TAGS = """
    INSERT INTO asm_session_tags (session_id, tag)
    SELECT session.id, tag.value FROM asm_sessions AS session, json_each(tags) AS tag
    WHERE session.id = ?
"""

_SLACK = SLACK // MICROSECOND


def save_sessions(
    connection: sqlite3.Connection, sessions: Mapping[str, SavedRow], now: int
) -> Mapping[str, int] | None:
    """
    Save sessions; whether those that are there are living is not looked at.

    Returns:
        Their new revisions. None if one is not as expected, its status may not follow,
        or the operation has saved it before.

    Raises:
        sqlite3.IntegrityError: If one would have to be new and is not, or was there.
    """
    revisions: dict[str, int] = {}
    for session_id, row in sessions.items():
        revision = _saved(connection, row, _UPDATE_SESSION, _INSERT_SESSION)
        if revision is None:
            return None
        if revision == 1:
            connection.execute(_INSERT_GATE, (session_id, now, now + _SLACK))
            connection.execute(_INSERT_TAGS, (session_id,))
        revisions[session_id] = revision
    return revisions


def save_runs(
    connection: sqlite3.Connection, runs: Mapping[str, SavedRow]
) -> Mapping[str, int] | None:
    """
    Save runs of sessions that are known to be living.

    Returns:
        Their new revisions. None if one is not as expected, its status may not follow,
        or the operation has saved it before.

    Raises:
        sqlite3.IntegrityError: If the id of one that would have to be new is taken.
    """
    revisions: dict[str, int] = {}
    for run_id, row in runs.items():
        revision = _saved(connection, row, _UPDATE_RUN, _INSERT_RUN)
        if revision is None:
            return None
        revisions[run_id] = revision
    return revisions


def _saved(
    connection: sqlite3.Connection, row: SavedRow, update: str, insert: str
) -> int | None:
    """
    Save a row and return its new revision; None if it is not as it must be.
    """
    values = tuple(map(_stored, row.values))
    found: tuple[int] | None = None
    if row.expected != 0:
        found = connection.execute(update, (*values, row.expected)).fetchone()
    if found is None and not row.expected:
        found = connection.execute(insert, values).fetchone()
    return None if found is None else found[0]


def _stored(value: Any) -> Any:
    return microseconds(value) if isinstance(value, datetime) else value
