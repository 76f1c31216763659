"""
How runs are saved in the connection's own thread, beside a group's events.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from asm_async.sql.core.column_types import microseconds
from asm_async.sql.core.run_rows import RUN_COLUMNS, may_follow
from asm_async.sql.dialects.direct import RunRow

_PLACES: Mapping[str, str] = {
    column.name: f"?{number}" for number, column in enumerate(RUN_COLUMNS, start=1)
}
_EXPECTED = f"?{len(RUN_COLUMNS) + 1}"

# One whose id was that of a run that was removed gets a revision that is not known
# here. The id of one that is there violates the key.
_INSERT = f"""
    INSERT INTO asm_runs ({", ".join(_PLACES)}, revision)
    SELECT {", ".join(_PLACES.values())}, 1
    WHERE NOT EXISTS (
        SELECT 1 FROM asm_run_tombstones WHERE run_id = {_PLACES["id"]}
    )
    RETURNING revision
"""  # noqa: S608 - the names are those of columns

_UPDATE = f"""
    UPDATE asm_runs
    SET {", ".join(f"{name} = {place}" for name, place in _PLACES.items())},
        revision = revision + 1
    WHERE id = {_PLACES["id"]} AND session_id = {_PLACES["session_id"]}
        AND revision = coalesce({_EXPECTED}, revision)
        AND operation_id IS NOT {_PLACES["operation_id"]}
        AND {may_follow("asm_runs", _PLACES["status"])}
    RETURNING revision
"""  # noqa: S608 - the names are those of columns


def save_runs(
    connection: sqlite3.Connection, runs: Mapping[str, RunRow]
) -> Mapping[str, int] | None:
    """
    Save runs of sessions that are known to be living.

    Returns:
        Their new revisions. None if one is not as expected, its status may not follow,
        or the operation has saved it before.

    Raises:
        sqlite3.IntegrityError: If the id of one that should be new is taken.
    """
    revisions: dict[str, int] = {}
    for run_id, row in runs.items():
        values = tuple(map(_stored, row.values))
        if row.expected == 0:
            found = connection.execute(_INSERT, values)
        else:
            found = connection.execute(_UPDATE, (*values, row.expected))
        revision = found.fetchone()
        if revision is None:
            return None
        (revisions[run_id],) = revision
    return revisions


def _stored(value: Any) -> Any:
    return microseconds(value) if isinstance(value, datetime) else value
