"""
How PostgreSQL looks at runs and saves them in the statement that appends events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from asm_async.sql.core.run_rows import RUN_COLUMNS, may_follow
from asm_async.sql.dialects.direct import RunRow
from asm_async.sql.dialects.postgresql.text_columns import (
    array,
    cast,
    column_of,
    joined,
    places,
)

_NAMES = tuple(column.name for column in RUN_COLUMNS)
_OF_KEY = frozenset({"id", "session_id"})

EXPECTED_RUNS = ("run_id", "of_session", "run_revision")
"""
The parameters of runs whose revisions are expected.
"""

SAVED_RUNS = (*_NAMES, "expected")
"""
The parameters of runs that are saved.
"""

_EXPECTED_RUNS = """
    expected_runs AS MATERIALIZED (
        SELECT * FROM unnest(
            string_to_array({run_id}, chr(31)), string_to_array({of_session}, chr(31)),
            string_to_array({run_revision}, chr(31))::bigint[]
        ) AS expected (id, session_id, revision)
    ),
    runs AS MATERIALIZED (
        SELECT run.id, run.revision
        FROM asm_runs AS run JOIN expected_runs AS expected USING (id, session_id)
        WHERE (SELECT taken FROM locks) > 0
        FOR SHARE OF run
    ),
    other_runs AS MATERIALIZED (
        SELECT count(*) AS number
        FROM expected_runs AS expected LEFT JOIN runs USING (id)
        WHERE runs.revision IS DISTINCT FROM expected.revision
    ),
"""

# A text with a separator in it makes its column longer than that of the statuses, so
# that a NOT NULL fails.
#
# What cannot be changed as it is to be is inserted, with a revision that is NULL, and
# the column's NOT NULL aborts the whole: a run that is not there, or has another
# revision or session, or one of a session that is not as it must be. So is the id of a
# run that is there, or was, under whatever session: the revision behind that is not
# known here. Two transactions that insert the same ids do so in one order.
_SAVED_RUNS = """
    new_runs AS MATERIALIZED (
        SELECT * FROM unnest({arrays}) AS new ({names}, expected)
    ),
    changed_runs AS (
        UPDATE asm_runs AS old SET {changes}, revision = old.revision + 1
        FROM new_runs AS new JOIN gate USING (session_id)
        WHERE old.id = new.id AND old.session_id = new.session_id
            AND old.revision = coalesce(new.expected, old.revision)
            AND old.operation_id IS DISTINCT FROM new.operation_id
            AND {may_follow} AND {is_open}
        RETURNING old.id, old.revision
    ),
    added_runs AS (
        INSERT INTO asm_runs ({names}, revision)
        SELECT {values}, CASE
            WHEN new.expected = 0 AND {is_open}
                AND NOT EXISTS (SELECT FROM asm_runs WHERE id = new.id)
                AND NOT EXISTS (SELECT FROM asm_run_tombstones WHERE run_id = new.id)
            THEN 1 END
        FROM new_runs AS new LEFT JOIN gate USING (session_id)
            LEFT JOIN changed_runs AS changed USING (id)
        WHERE changed.revision IS NULL
        ORDER BY new.id COLLATE "C"
        RETURNING id, revision
    )
"""

SAVED = """
    SELECT NULL, id, revision FROM changed_runs
    UNION ALL SELECT NULL, id, revision FROM added_runs
"""
"""
The revisions of the runs that were saved, without a scope.
"""


def expecting_runs(first: int) -> str:
    """
    Write the part that looks at runs, whose parameters begin with this number.
    """
    return _EXPECTED_RUNS.format(**places(first, EXPECTED_RUNS))


def saving_runs(first: int, is_open: str) -> str:
    """
    Write the part that saves runs.

    Args:
        first: The number of its first parameter.

        is_open: The condition that their sessions are as they must be.
    """
    of = places(first, SAVED_RUNS)
    arrays = [array(column, of[column.name]) for column in RUN_COLUMNS]
    arrays.append(f"string_to_array({of['expected']}, chr(31), '')::bigint[]")
    values = {column.name: cast(column, f"new.{column.name}") for column in RUN_COLUMNS}
    return _SAVED_RUNS.format(
        arrays=", ".join(arrays),
        names=", ".join(_NAMES),
        changes=", ".join(
            f"{name} = {value}" for name, value in values.items() if name not in _OF_KEY
        ),
        values=", ".join(values.values()),
        may_follow=may_follow("old", "new.status"),
        is_open=is_open,
    )


def columns_of_runs(runs: Mapping[str, RunRow]) -> list[object]:
    """
    Return the parameters of runs that are saved.
    """
    rows = runs.values()
    columns: Sequence[Sequence[object]] = [
        *zip(*(row.values for row in rows), strict=True)
    ]
    return [
        *map(column_of, RUN_COLUMNS, columns),
        joined([row.expected for row in rows]),
    ]
