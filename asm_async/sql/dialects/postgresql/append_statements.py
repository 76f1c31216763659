"""
The statements with which PostgreSQL locks, numbers and inserts events at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from asm_async.sql.core.column_types import JSONText
from asm_async.sql.core.rows import EVENT_COLUMNS
from asm_async.sql.core.tables import events

# All other columns are text.
_SQL_TYPES: Mapping[str, str] = {
    "timestamp": "timestamptz",
    "sequence_number": "bigint",
    "schema_version": "bigint",
}

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
_LOCKED = """
    WITH timeout AS MATERIALIZED (SELECT set_config('lock_timeout', $1, true)),
    locks AS MATERIALIZED (
        SELECT count(pg_advisory_xact_lock(key)) AS taken, clock_timestamp() AS moment
        FROM timeout, unnest({keys}) AS key
    ),
"""

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
        AND {is_expected_tenants}
        AND gate.last_sequence <= 9007199254740991
    THEN gate.last_sequence END
"""

# A column is one text that the server splits: of every member of an array asyncpg asks
# whether it is an array in turn, which takes longer than all the rest of sending it. A
# text with a separator in it makes its column longer than that of the numbers, so that
# a NOT NULL fails here as well. The order makes positions ascend with the numbers.
_APPEND_MANY = """
    gate AS (
        UPDATE asm_session_sequences AS old
        SET last_sequence = old.last_sequence + added.number, {activity}
        FROM unnest(
            string_to_array($3, chr(31)), string_to_array($4, chr(31))::bigint[],
            string_to_array($5, chr(31), '')::bigint[],
            string_to_array($6, chr(31), '')
        ) AS added (session_id, number, expected, tenant_id)
        WHERE old.session_id = added.session_id AND (SELECT taken FROM locks) > 0
        RETURNING old.session_id, old.state, added.expected,
            old.tenant_id, added.tenant_id AS tenant,
            old.last_sequence - added.number AS base, old.last_sequence
    ),
    inserted AS (
        INSERT INTO asm_events ({columns})
        SELECT {values}
        FROM unnest({arrays}) WITH ORDINALITY AS new ({columns}, ordinality)
        LEFT JOIN gate ON gate.session_id = new.session_id
        ORDER BY new.ordinality
    )
"""

_NUMBER_OF_MANY = """
    CASE WHEN gate.state = 'live' AND gate.base = coalesce(gate.expected, gate.base)
        AND coalesce(gate.tenant_id = gate.tenant, gate.tenant IS NULL)
        AND gate.last_sequence <= 9007199254740991
    THEN gate.base + new.sequence_number END
"""


ITEM_COLUMNS = (
    *("live_ids", "at", "scope", "key", "data"),
    *("content", "session_id", "expected", "operation_id"),
)
"""
The parameters of items: the sessions that must be live, the time, then columns.
"""

# A session is locked to be read as it is now: a plain read in the statement that has
# waited for the lock would see what was there before. Of an item the same is true: what
# is not seen yet violates the key, and what is gone by now is inserted. A session that
# is not live, or a revision that is not as expected, leaves the revision NULL, and the
# column's NOT NULL aborts the whole.
_SAVE_ITEMS = """
    new AS MATERIALIZED (
        SELECT * FROM unnest(
            string_to_array({scope}, chr(31)), string_to_array({key}, chr(31)),
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
                WHEN (new.session_id IS NULL OR new.{is_live})
                    AND old.revision = coalesce(new.expected, old.revision)
                THEN nextval('asm_state_items_revision_seq') END
        FROM new
        WHERE old.scope = new.scope AND old.key = new.key
            AND new.expected IS DISTINCT FROM 0 AND (SELECT taken FROM locks) > 0
        RETURNING old.scope, old.key, old.revision
    ),
    added AS (
        INSERT INTO asm_state_items
            (scope, key, data, content, session_id, revision, updated_at, operation_id)
        SELECT scope, key, new.data::json, new.content, new.session_id,
            CASE
                WHEN (new.session_id IS NULL OR new.{is_live})
                    AND coalesce(new.expected, 0) = 0
                THEN nextval('asm_state_items_revision_seq') END,
            {at}::timestamptz, new.operation_id
        FROM new LEFT JOIN changed USING (scope, key)
        WHERE changed.revision IS NULL
        RETURNING scope, key, revision
    )
"""

_LATEST = """
    SELECT session_id, last_sequence FROM gate
"""

_SAVED = """
    SELECT scope, key, revision FROM changed
    UNION ALL SELECT scope, key, revision FROM added
"""


@cache
def append_one(*, has_tenant: bool) -> str:
    """
    Write the statement for one event: $1 timeout, $2 key, then the columns.

    The tenant that is expected comes last, if there is one.
    """
    places = {name: f"${index}" for index, name in enumerate(EVENT_COLUMNS, start=3)}
    values = {name: _cast(name, place) for name, place in places.items()}
    tenant_id = f"${len(EVENT_COLUMNS) + 3}::text"
    values["sequence_number"] = _NUMBER_OF_ONE.format(
        place=places["sequence_number"],
        is_expected_tenants=f"gate.tenant_id = {tenant_id}" if has_tenant else "true",
    )
    return _LOCKED.format(keys="ARRAY[$2::bigint]") + _APPEND_ONE.format(
        session_id=f"{places['session_id']}::text",
        activity=_ACTIVITY,
        columns=", ".join(EVENT_COLUMNS),
        values=", ".join(values.values()),
    )


@cache
def append_many() -> str:
    """
    Write the statement for a block: $1 timeout, $2 keys, $3 to $6 gates, then columns.
    """
    return _append_many() + _LATEST


@cache
def save_items() -> str:
    """
    Write the statement for items: $1 timeout, $2 keys, then :data:`ITEM_COLUMNS`.
    """
    keys = "string_to_array($2, chr(31))::bigint[]"
    saved = _save_items(first=3, is_live="session_id IN (SELECT session_id FROM live)")
    return _LOCKED.format(keys=keys) + saved + _SAVED


@cache
def append_and_save() -> str:
    """
    Write the statement for a block and items: what each has, with one timeout and keys.
    """
    first = 7 + len(EVENT_COLUMNS)
    # What the statement itself has locked by counting it up, it cannot lock again.
    is_live = """session_id IN (
        SELECT session_id FROM live
        UNION ALL SELECT session_id FROM gate WHERE state = 'live'
    )"""
    counted = "SELECT session_id, NULL, last_sequence FROM gate UNION ALL"
    saved = _save_items(first=first, is_live=is_live)
    return f"{_append_many()}, {saved} {counted} {_SAVED}"


def _save_items(*, first: int, is_live: str) -> str:
    places = {name: f"${first + index}" for index, name in enumerate(ITEM_COLUMNS)}
    return _SAVE_ITEMS.format(is_live=is_live, **places)


def _append_many() -> str:
    places = {name: f"${index}" for index, name in enumerate(EVENT_COLUMNS, start=7)}
    values = {name: _cast(name, f"new.{name}") for name in EVENT_COLUMNS}
    values["sequence_number"] = _NUMBER_OF_MANY
    keys = "string_to_array($2, chr(31))::bigint[]"
    return _LOCKED.format(keys=keys) + _APPEND_MANY.format(
        activity=_ACTIVITY,
        columns=", ".join(EVENT_COLUMNS),
        values=", ".join(values.values()),
        arrays=", ".join(_array(name, place) for name, place in places.items()),
    )


def _cast(name: str, value: str) -> str:
    column = events.c[name]
    if isinstance(column.type, JSONText):
        return f"{value}::text::json"
    return f"{value}::{_SQL_TYPES.get(name, 'text')}"


def _array(name: str, place: str) -> str:
    kind = _SQL_TYPES.get(name, "text")
    if kind == "timestamptz":
        return f"{place}::timestamptz[]"
    null = ", ''" if events.c[name].nullable else ""
    return f"string_to_array({place}, chr(31){null})::{kind}[]"
