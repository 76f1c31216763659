"""
The statements with which PostgreSQL locks, numbers, inserts and saves at once.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from asm_async.sql.core.rows import EVENT_COLUMNS
from asm_async.sql.core.tables import events
from asm_async.sql.dialects.postgresql import saving_statements as saving
from asm_async.sql.dialects.postgresql.text_columns import arrays, cast, places

# One statement is one transaction. The timeout is set before the first lock is asked
# for, and the locks come before anything is written, since their count is a one-time
# filter of the update, which PostgreSQL evaluates before it scans anything: a
# transaction that waits here holds no transaction id. A session without a living gate,
# or with another latest number or tenant than expected, leaves its events' numbers
# NULL, and the column's NOT NULL aborts the whole.
#
# The gate's state is looked at after the update: in its WHERE, a table without
# statistics is taken for one with a single living session, and each of a group is
# compared with all there are.
#
# Of each list of arrays the first comes out of a subquery: see text_columns.arrays.
_LOCKED = """
    WITH timeout AS MATERIALIZED (SELECT set_config('lock_timeout', $1, true)),
    locks AS MATERIALIZED (
        SELECT {taken} AS taken, clock_timestamp() AS moment
        FROM timeout, unnest({keys}) AS key
    ),
"""

_KEYS = "(SELECT string_to_array($2, chr(31))::bigint[])"

_WAITING = "count(pg_advisory_xact_lock(key))"

# A statement that waits sees what was there before it did. Of a row that it changes
# that is made good; but that an id belonged to a run which is removed meanwhile, with
# a session that is not locked here, it would not see. So who inserts runs does not
# wait.
_AT_ONCE = "CASE WHEN bool_and(pg_try_advisory_xact_lock(key)) THEN 1 ELSE 0 END"

# The time is that at which the locks are taken: what waited for another append is later
# than that. The coarse time is indexed, so that it is left alone where it still holds,
# by the rule of asm_async/sql/core/activity.py.
_ACTIVITY = """
    (updated_at, active_until) = (
        SELECT moment, CASE
            WHEN active_until BETWEEN moment AND moment + interval '1 minute'
            THEN active_until ELSE moment + interval '1 minute' END
        FROM locks
    )
"""

_APPEND_ONE = """
    {run}
    gate AS (
        UPDATE asm_session_sequences
        SET last_sequence = last_sequence + 1, {activity}
        WHERE session_id = {session_id} AND (SELECT taken FROM locks) > 0
        RETURNING state, last_sequence, tenant_id
    )
    INSERT INTO asm_events ({columns})
    SELECT {values}
    FROM (VALUES (1)) AS one LEFT JOIN gate ON true
    RETURNING session_id, sequence_number
"""

# Where one event is appended its place tells nothing: the parameter holds the latest
# number that is expected, or NULL.
_NUMBER_OF_ONE = """
    CASE WHEN gate.state = 'live'
        AND gate.last_sequence = coalesce({place}::bigint + 1, gate.last_sequence)
        AND {is_met} AND gate.last_sequence <= 9007199254740991
    THEN gate.last_sequence END
"""

# A run is locked to be read as it is now, like a session of an item. Its session is
# locked by all that write to it, so nobody waits here.
_RUN_OF_ONE = """
    run AS MATERIALIZED (
        SELECT revision FROM asm_runs
        WHERE id = {run_id}::text AND session_id = {session_id}
            AND (SELECT taken FROM locks) > 0
        FOR SHARE
    ),
"""

_IS_RUN_MET = "(SELECT revision FROM run) = {revision}::bigint"

# A text with a separator in it makes its column longer than that of the numbers, so
# that a NOT NULL fails here as well.
_COUNT_MANY = """
    added AS (
        SELECT * FROM unnest(
            (SELECT string_to_array({gate_id}, chr(31))),
            string_to_array({added}, chr(31))::bigint[],
            string_to_array({last_expected}, chr(31), '')::bigint[],
            string_to_array({tenant}, chr(31), '')
        ) AS added (session_id, number, expected, tenant_id)
    ),
    {counted} AS (
        UPDATE asm_session_sequences AS old
        SET last_sequence = old.last_sequence + added.number, {activity}
        FROM added
        WHERE old.session_id = added.session_id AND (SELECT taken FROM locks) > 0
        RETURNING old.session_id, old.state, added.expected,
            old.tenant_id, added.tenant_id AS tenant,
            old.last_sequence - added.number AS base, old.last_sequence
    )
"""

# The order makes positions ascend with the numbers.
_APPEND_MANY = """
    inserted AS (
        INSERT INTO asm_events ({columns})
        SELECT {values}
        FROM unnest({arrays}) WITH ORDINALITY AS new ({columns}, ordinality)
        LEFT JOIN gate ON gate.session_id = new.session_id
        ORDER BY new.ordinality
    )
"""

_NUMBER_OF_MANY = "CASE WHEN {is_open} THEN gate.base + new.sequence_number END"

_IS_OPEN = """
    gate.state = 'live' AND gate.base = coalesce(gate.expected, gate.base)
        AND coalesce(gate.tenant_id = gate.tenant, gate.tenant IS NULL)
        AND gate.last_sequence <= 9007199254740991 AND {is_met}
"""


class Parts(NamedTuple):
    """
    What of a group there is to be written at once, in the order of its parameters.
    """

    gates: bool
    """
    Sessions that get events, or that are saved, or their runs.
    """

    events: bool
    expected_runs: bool
    saved_sessions: bool
    saved_runs: bool
    items: bool
    checks: bool
    new_runs: bool
    """
    Whether one of the runs that are saved may be new.
    """


_FIRST = 3

_GATE_COLUMNS = ("gate_id", "added", "last_expected", "tenant")

ITEM_COLUMNS = (
    *("live_ids", "at", "scope", "key", "data"),
    *("content", "session_id", "expected", "operation_id"),
)
"""
The parameters of items: the sessions that must be live, the time, then columns.
"""

CHECK_COLUMNS = ("checked_scope", "checked_key", "checked_revision", "is_removed")
"""
The parameters of items that are removed or looked at.
"""

# A session is locked to be read as it is now: a plain read in the statement that has
# waited for the lock would see what was there before. Of an item the same is true: what
# is not seen yet violates the key, and what is gone by now is inserted. A session that
# is not live, a revision that is not as expected, or an operation that has saved the
# item before, leaves the revision NULL, and the column's NOT NULL aborts the whole.
_SAVE_ITEMS = """
    new AS MATERIALIZED (
        SELECT * FROM unnest(
            (SELECT string_to_array({scope}, chr(31))),
            string_to_array({key}, chr(31)),
            string_to_array({data}, chr(31), ''), {content}::bytea[],
            string_to_array({session_id}, chr(31), ''),
            string_to_array({expected}, chr(31), '')::bigint[],
            string_to_array({operation_id}, chr(31))
        ) AS new (scope, key, data, content, session_id, expected, operation_id)
    ),
    locked AS MATERIALIZED (
        SELECT session_id, state FROM asm_session_sequences
        WHERE session_id = ANY (string_to_array({live_ids}, chr(31)))
            AND (SELECT taken FROM locks) > 0
        FOR SHARE
    ),
    live AS MATERIALIZED (SELECT session_id FROM locked WHERE state = 'live'),
    changed AS (
        UPDATE asm_state_items AS old
        SET data = new.data::json, content = new.content,
            session_id = new.session_id, updated_at = {at}::timestamptz,
            operation_id = new.operation_id,
            revision = CASE
                WHEN (new.session_id IS NULL OR new.{is_live}) AND {is_met}
                    AND old.revision = coalesce(new.expected, old.revision)
                    AND old.operation_id <> new.operation_id
                THEN nextval('asm_state_items_revision_seq') END
        FROM new
        WHERE old.scope = new.scope AND old.key = new.key
            AND new.expected IS DISTINCT FROM 0 AND (SELECT taken FROM locks) > 0
        RETURNING old.scope, old.key, old.revision
    ),
    added_items AS (
        INSERT INTO asm_state_items
            (scope, key, data, content, session_id, revision, updated_at, operation_id)
        SELECT scope, key, new.data::json, new.content, new.session_id,
            CASE
                WHEN (new.session_id IS NULL OR new.{is_live}) AND {is_met}
                    AND coalesce(new.expected, 0) = 0
                THEN nextval('asm_state_items_revision_seq') END,
            {at}::timestamptz, new.operation_id
        FROM new LEFT JOIN changed USING (scope, key)
        WHERE changed.revision IS NULL
        RETURNING scope, key, revision
    )
"""

# An item that is there must have been seen to be removed or looked at: one that is as
# new as that nobody sees is not. So this is for revisions that are expected, or for a
# statement that begins when the locks are taken.
_CHECK_ITEMS = """
    checked AS MATERIALIZED (
        SELECT * FROM unnest(
            (SELECT string_to_array({checked_scope}, chr(31))),
            string_to_array({checked_key}, chr(31)),
            string_to_array({checked_revision}, chr(31), '')::bigint[],
            string_to_array({is_removed}, chr(31))::boolean[]
        ) AS checked (scope, key, expected, is_removed)
    ),
    removed AS (
        DELETE FROM asm_state_items AS old USING checked
        WHERE old.scope = checked.scope AND old.key = checked.key
            AND checked.is_removed AND (SELECT taken FROM locks) > 0
        RETURNING old.scope, old.key, old.revision
    ),
    kept AS MATERIALIZED (
        SELECT old.scope, old.key, old.revision
        FROM asm_state_items AS old JOIN checked USING (scope, key)
        WHERE NOT checked.is_removed AND (SELECT taken FROM locks) > 0
        FOR SHARE OF old
    ),
    there AS (SELECT * FROM removed UNION ALL SELECT * FROM kept),
    other_items AS MATERIALIZED (
        SELECT count(*) AS number FROM checked LEFT JOIN there USING (scope, key)
        WHERE coalesce(there.revision, 0) <> checked.expected
    ),
"""

_ARE_RUNS_MET = "(SELECT number FROM other_runs) = 0"
_ARE_ITEMS_MET = "(SELECT number FROM other_items) = 0"

_LATEST = """
    SELECT session_id, NULL AS key, last_sequence AS number, NULL::timestamptz AS moment
    FROM gate
"""

_SAVED = """
    SELECT scope, key, revision, NULL::timestamptz FROM changed
    UNION ALL SELECT scope, key, revision, NULL FROM added_items
"""


@cache
def append_one(*, has_tenant: bool, has_run: bool) -> str:
    """
    Write the statement for one event: $1 timeout, $2 key, then the columns.

    The run and the revision that is expected of it come next, if there is one; then the
    tenant that is expected, if there is one.
    """
    given = places(3, EVENT_COLUMNS)
    values = {name: cast(events.c[name], place) for name, place in given.items()}
    session_id, last = values["session_id"], 2 + len(given)
    run, conditions = "", ["true"]
    if has_run:
        run = _RUN_OF_ONE.format(run_id=f"${last + 1}", session_id=session_id)
        conditions.append(_IS_RUN_MET.format(revision=f"${last + 2}"))
        last += 2
    if has_tenant:
        conditions.append(f"gate.tenant_id = ${last + 1}::text")
    values["sequence_number"] = _NUMBER_OF_ONE.format(
        place=given["sequence_number"], is_met=" AND ".join(conditions)
    )
    return _LOCKED.format(
        taken=_WAITING, keys="ARRAY[$2::bigint]"
    ) + _APPEND_ONE.format(
        run=run,
        session_id=session_id,
        activity=_ACTIVITY,
        columns=", ".join(EVENT_COLUMNS),
        values=", ".join(values.values()),
    )


@cache
def write_block(parts: Parts) -> str:
    """
    Write the statement for all that a group has to write at once.

    Its parameters are $1 timeout, $2 keys; then those of what there is, in the order of
    :class:`Parts`. It returns sessions with NULL and their latest numbers, NULL with
    runs and their new revisions, and scopes with keys and those of items; and sessions
    that are saved with NULL, their new revisions, and the time.
    """
    taken = _AT_ONCE if parts.new_runs else _WAITING
    texts = [_LOCKED.format(taken=taken, keys=_KEYS)]
    conditions, found = ["true"], list[str]()
    first = _FIRST + len(_GATE_COLUMNS) * parts.gates
    of_events, first = first, first + len(EVENT_COLUMNS) * parts.events
    if parts.expected_runs:
        texts.append(saving.expecting_runs(first))
        conditions.append(_ARE_RUNS_MET)
        first += len(saving.EXPECTED_RUNS)
    of_sessions, first = first, first + len(saving.SESSIONS) * parts.saved_sessions
    of_runs, first = first, first + len(saving.RUNS) * parts.saved_runs
    of_items, first = first, first + len(ITEM_COLUMNS) * parts.items
    if parts.checks:
        texts.append(_CHECK_ITEMS.format(**places(first, CHECK_COLUMNS)))
        conditions.append(_ARE_ITEMS_MET)
    is_met = " AND ".join(conditions)
    is_open = _IS_OPEN.format(is_met=is_met)
    writes = list[str]()
    is_live = "session_id IN (SELECT session_id FROM live)"
    if parts.gates:
        given = places(_FIRST, _GATE_COLUMNS)
        counted = "counted" if parts.saved_sessions else "gate"
        writes.append(_COUNT_MANY.format(activity=_ACTIVITY, counted=counted, **given))
        found.append(_LATEST)
        # What the statement itself has locked by counting it up, it cannot lock again.
        is_live = """session_id IN (
            SELECT session_id FROM live
            UNION ALL SELECT session_id FROM gate WHERE state = 'live'
        )"""
    if parts.saved_sessions:
        writes.append(saving.saving_sessions(of_sessions, is_open))
        found.append(saving.SAVED_SESSIONS)
    if parts.events:
        writes.append(_append_many(of_events, is_open))
    if parts.saved_runs:
        writes.append(saving.saving_runs(of_runs, is_open))
        found.append(saving.SAVED_RUNS)
    if parts.items:
        given = places(of_items, ITEM_COLUMNS)
        writes.append(_SAVE_ITEMS.format(is_live=is_live, is_met=is_met, **given))
        found.append(_SAVED)
    return f"{''.join(texts)} {', '.join(writes)} {' UNION ALL '.join(found)}"


def _append_many(first: int, is_open: str) -> str:
    given = places(first, EVENT_COLUMNS)
    values = {name: cast(events.c[name], f"new.{name}") for name in EVENT_COLUMNS}
    values["sequence_number"] = _NUMBER_OF_MANY.format(is_open=is_open)
    return _APPEND_MANY.format(
        columns=", ".join(EVENT_COLUMNS),
        values=", ".join(values.values()),
        arrays=", ".join(arrays([events.c[each] for each in EVENT_COLUMNS], given)),
    )
