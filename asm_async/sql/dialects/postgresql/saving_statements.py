"""
How PostgreSQL looks at runs, and saves sessions and runs, in the statement of a block.
"""

from __future__ import annotations

from asm_async.sql.core import saved_rows
from asm_async.sql.core.saved_rows import SavedColumns
from asm_async.sql.dialects.postgresql.text_columns import arrays, cast, places

_OF_KEY = frozenset({"id", "session_id"})

EXPECTED_RUNS = ("run_id", "of_session", "run_revision")
"""
The parameters of runs whose revisions are expected.
"""

SESSIONS = (*saved_rows.SAVED_SESSIONS.names, "expected")
RUNS = (*saved_rows.SAVED_RUNS.names, "expected")
"""
The parameters of sessions and of runs that are saved.
"""

_EXPECTED_RUNS = """
    expected_runs AS MATERIALIZED (
        SELECT * FROM unnest(
            (SELECT string_to_array({run_id}, chr(31))),
            string_to_array({of_session}, chr(31)),
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
_RUNS = """
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
            WHEN coalesce(new.expected, 0) = 0 AND {is_open}
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

# The same of sessions. One without a counter row gets one, which violates the key where
# another came while the locks were waited for. One that was removed has a row that is
# not live. Another tenant and other tags are to be written to other tables, too.
_SESSIONS = """
    new_sessions AS MATERIALIZED (
        SELECT * FROM unnest({arrays}) AS new ({names}, expected)
    ),
    added_gates AS (
        INSERT INTO asm_session_sequences (
            session_id, last_sequence, pruned_count, state, tenant_id,
            updated_at, active_until
        )
        SELECT new.id, added.number, 0, 'live', new.tenant_id,
            moment, moment + interval '1 minute'
        FROM locks, new_sessions AS new JOIN added ON added.session_id = new.id
            LEFT JOIN counted ON counted.session_id = new.id
        WHERE counted.session_id IS NULL AND taken > 0
        RETURNING session_id, state, tenant_id, last_sequence
    ),
    gate AS (
        SELECT *, false AS is_new FROM counted
        UNION ALL
        SELECT new.session_id, new.state, added.expected,
            new.tenant_id, added.tenant_id AS tenant,
            new.last_sequence - added.number AS base, new.last_sequence, true
        FROM added_gates AS new JOIN added USING (session_id)
    ),
    looked_at AS MATERIALIZED (
        SELECT new.*, CASE WHEN {is_open} THEN 1 END AS is_open, is_new
        FROM new_sessions AS new LEFT JOIN gate ON gate.session_id = new.id
    ),
    changed_sessions AS (
        UPDATE asm_sessions AS old SET {changes}, revision = old.revision + 1
        FROM looked_at AS new
        WHERE old.id = new.id AND is_open = 1
            AND old.revision = coalesce(new.expected, old.revision)
            AND old.operation_id IS DISTINCT FROM new.operation_id
            AND old.tenant_id IS NOT DISTINCT FROM new.tenant_id
            AND old.tags::text = new.tags
            AND {may_follow}
        RETURNING old.id, old.revision
    ),
    added_sessions AS (
        INSERT INTO asm_sessions ({names}, revision)
        SELECT {values}, CASE
            WHEN coalesce(new.expected, 0) = 0 AND is_new AND is_open = 1 THEN 1 END
        FROM looked_at AS new LEFT JOIN changed_sessions AS changed USING (id)
        WHERE changed.revision IS NULL
        RETURNING id, revision
    ),
    added_tags AS (
        INSERT INTO asm_session_tags (session_id, tag)
        SELECT id, tag
        FROM added_sessions JOIN new_sessions AS new USING (id),
            json_array_elements_text(new.tags::json) AS tags (tag)
    )
"""

SAVED_SESSIONS = """
    SELECT id, NULL, revision, moment FROM locks, (
        SELECT * FROM changed_sessions UNION ALL SELECT * FROM added_sessions
    ) AS saved
"""
"""
The revisions of the sessions that were saved, without a key, and when.
"""

SAVED_RUNS = """
    SELECT NULL, id, revision, NULL::timestamptz FROM changed_runs
    UNION ALL SELECT NULL, id, revision, NULL FROM added_runs
"""
"""
The revisions of the runs that were saved, without a scope.
"""


def expecting_runs(first: int) -> str:
    """
    Write the part that looks at runs, whose parameters begin with this number.
    """
    return _EXPECTED_RUNS.format(**places(first, EXPECTED_RUNS))


def saving_sessions(first: int, is_open: str) -> str:
    """
    Write the part that saves sessions, and makes the gate of those that are new.

    Args:
        first: The number of its first parameter.

        is_open: The condition that they are as they must be.
    """
    return _filled(_SESSIONS, saved_rows.SAVED_SESSIONS, first, is_open)


def saving_runs(first: int, is_open: str) -> str:
    """
    Write the part that saves runs.

    Args:
        first: The number of its first parameter.

        is_open: The condition that their sessions are as they must be.
    """
    return _filled(_RUNS, saved_rows.SAVED_RUNS, first, is_open)


def _filled(text: str, saved: SavedColumns, first: int, is_open: str) -> str:
    of = places(first, (*saved.names, "expected"))
    expected = f"string_to_array({of['expected']}, chr(31), '')::bigint[]"
    values = {
        column.name: cast(column, f"new.{column.name}") for column in saved.columns
    }
    return text.format(
        arrays=", ".join([*arrays(saved.columns, of), expected]),
        names=", ".join(saved.names),
        changes=", ".join(
            f"{name} = {value}" for name, value in values.items() if name not in _OF_KEY
        ),
        values=", ".join(values.values()),
        may_follow=saved.may_follow("old", "new.status"),
        is_open=is_open,
    )
