"""
The way that is always right: read what operations concern, decide each, write.

It is a script: the same code runs in the thread of an SQLite connection, in one hop,
and over asyncpg.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import chain
from typing import Any, TypeAlias

import sqlalchemy as sa

from asm_async.errors import ASMError
from asm_async.fronts import saving_items
from asm_async.sql.core import rows, tables
from asm_async.sql.core.column_types import as_stored
from asm_async.sql.core.prepared import Prepared, Row, Script, Step, prepare
from asm_async.sql.dialects import Dialect
from asm_async.sql.reads import session_queries
from asm_async.sql.writes.append_plan import AppendEvents
from asm_async.sql.writes.artifact_work import load_artifacts
from asm_async.sql.writes.decide_append import append
from asm_async.sql.writes.decide_commit import commit
from asm_async.sql.writes.decide_retraction import retract
from asm_async.sql.writes.gates import GATE_COLUMNS, gate_row, gates_of
from asm_async.sql.writes.item_work import load_items
from asm_async.sql.writes.operations import (
    Commit,
    DeleteItems,
    Operation,
    Outcome,
    RetractEvents,
    SaveItems,
)
from asm_async.sql.writes.unit_of_work import Gate, RunTombstone, UnitOfWork
from asm_async.values.event import Event
from asm_async.values.retraction import hidden_ranges
from asm_async.values.run import Run
from asm_async.values.session import Session

_SESSION_OPERATION = tables.sessions.c.keys().index("operation_id")
_RUN_ID, _RUN_REVISION = map(tables.runs.c.keys().index, ("id", "revision"))

_PrepareQuery: TypeAlias = Callable[..., Prepared]


def perform(dialect: Dialect, operations: Sequence[Operation]) -> Script[list[Outcome]]:
    """
    Decide every operation, in order, and write what is accepted.

    A refused operation leaves no trace and costs the others nothing: its outcome is the
    error for its own caller.

    Args:
        dialect: Whose text the statements have.

        operations: What to perform; the sessions are locked already.

    Returns:
        The outcomes, in the order of *operations*.
    """
    unit = yield from _load_all(dialect, operations)
    outcomes = [_decided(unit, operation) for operation in operations]
    if changes := (*_changes(dialect, unit), *unit.artifacts.changes(dialect)):
        yield changes
    # The rows that are deleted and those that are inserted are of one table.
    for change in chain(_tag_changes(dialect, unit), unit.items.changes(dialect)):
        yield (change,)
    return outcomes


def _decided(unit: UnitOfWork, operation: Operation) -> Outcome:
    before = len(unit.new_events)
    outcome = _decide(unit, operation)
    if isinstance(operation, AppendEvents | Commit | RetractEvents):
        operation.new_event_count = len(unit.new_events) - before
    return outcome


def _decide(unit: UnitOfWork, operation: Operation) -> Outcome:
    try:
        match operation:
            case AppendEvents():
                return append(unit, operation)
            case Commit():
                return commit(unit, operation)
            case SaveItems():
                return saving_items.save_items(unit.items, operation.save)
            case DeleteItems():
                return saving_items.delete_items(unit.items, operation.deletion)
            case RetractEvents():
                return retract(unit, operation)
    except ASMError as refusal:
        return refusal


def _load_all(dialect: Dialect, operations: Sequence[Operation]) -> Script[UnitOfWork]:
    """
    Read all that *operations* concern, in at most five statements, and state items.
    """
    session_ids = {id_ for operation in operations for id_ in operation.session_ids}
    commits = [each for each in operations if isinstance(each, Commit)]
    saved_sessions = {each.saved_session.id for each in commits if each.saved_session}
    run_ids = {run_id for each in commits for run_id in each.run_ids}
    events = [
        event
        for operation in operations
        if isinstance(operation, AppendEvents | Commit | RetractEvents)
        for event in operation.events
    ]
    retractions = [
        operation.retraction
        for operation in operations
        if isinstance(operation, RetractEvents)
    ]
    now, gates = yield from _load_gates(dialect, session_ids)
    sessions = yield from _load(dialect, _saved_sessions, saved_sessions)
    runs = yield from _load(dialect, _saved_runs, run_ids)
    # A session without a counter row has no events.
    keys = {(e.session_id, e.id) for e in events if e.session_id in gates}
    keys |= {(each.session_id, each.event_id) for each in retractions}
    of_sessions = {retraction.session_id for retraction in retractions}
    hidden = yield from _load(dialect, session_queries.latest_retractions, of_sessions)
    unit = UnitOfWork(
        gates=gates,
        now=now,
        events=(yield from _load_events(dialect, keys)),
        hidden={session_id: hidden_ranges(data) for session_id, data in hidden},
    )
    for row in sessions:
        session = rows.session_of(row)
        unit.add_stored(session, operation_id=row[_SESSION_OPERATION])
    for row in runs:
        *_, operation_id, is_there, tenant_id = row
        if is_there:
            unit.add_stored(rows.run_of(row), operation_id=operation_id)
        else:
            run_id, revision = row[_RUN_ID], row[_RUN_REVISION]
            unit.run_tombstones[run_id] = RunTombstone(tenant_id, revision)
    saves = [
        operation.save if isinstance(operation, SaveItems) else operation.changes.save
        for operation in operations
        if isinstance(operation, SaveItems | Commit)
    ]
    deletions = [o.deletion for o in operations if isinstance(o, DeleteItems)]
    unit.artifacts = yield from load_artifacts(
        dialect, [artifact for each in commits for artifact in each.changes.artifacts]
    )
    # A commit may have been done already by a save of one of its values, or be known by
    # its events, which stand where it expects to put them.
    repeated = {*unit.operation_ids.values()} | {
        each.expected.operation_id
        for each in commits
        if any((event.session_id, event.id) in unit.events for event in each.events)
    }
    if deletions or any(saves):
        unit.items = yield from load_items(
            dialect,
            [save for save in saves if save is not None],
            deletions,
            unit.check_live,
            repeated=repeated,
        )
    return unit


def _load_gates(
    dialect: Dialect, session_ids: Collection[str]
) -> Script[tuple[datetime, dict[str, Gate]]]:
    """
    Read what time it is, under the sessions' locks, and their counter rows.
    """
    if not session_ids:
        return datetime.now(UTC), {}
    query = _gates(dialect, is_one=len(session_ids) == 1)
    parameters = {"ids": _one_or_list(dialect, session_ids), "now": datetime.now(UTC)}
    found = query.read((yield query.one(parameters)))
    now: datetime = found[0][0]
    return now, gates_of(gate for _, *gate in found if gate[0] is not None)


def _load(
    dialect: Dialect, prepare_query: _PrepareQuery, ids: Collection[str]
) -> Script[Sequence[Row]]:
    if not ids:
        return ()
    query = prepare_query(dialect, is_one=len(ids) == 1)
    return query.read((yield query.one({"ids": _one_or_list(dialect, ids)})))


def _load_events(
    dialect: Dialect, keys: Collection[tuple[str, str]]
) -> Script[dict[tuple[str, str], Event]]:
    if not keys:
        return {}
    session_ids, ids = {name for name, _ in keys}, {id_ for _, id_ in keys}
    query = _events(dialect, len(session_ids) == 1, len(ids) == 1)
    found = yield query.one(
        {
            "session_ids": _one_or_list(dialect, session_ids),
            "ids": _one_or_list(dialect, ids),
        }
    )
    events = map(Event.from_stored, query.read(found))
    return {(event.session_id, event.id): event for event in events}


def _changes(dialect: Dialect, unit: UnitOfWork) -> Iterator[Step]:
    gates = [unit.gates[session_id] for session_id in sorted(unit.changed_gates)]
    yield from _insert_or_update(
        dialect,
        tables.session_sequences,
        map(gate_row, gates),
        {gate.session_id for gate in gates if gate.is_stored},
    )
    sessions = [unit.sessions[session_id] for session_id in unit.changed_sessions]
    session_rows = [
        rows.session_row(session)
        | {"operation_id": unit.operation_ids[Session, session.id]}
        for session in sessions
    ]
    yield from _insert_or_update(
        dialect, tables.sessions, session_rows, unit.stored_tags
    )
    # Run ids are global, so transactions of several sessions may insert the same ones:
    # in one order, or they could wait for each other.
    runs = [unit.runs[run_id] for run_id in sorted(unit.changed_runs)]
    run_rows = [
        rows.run_row(run) | {"operation_id": unit.operation_ids[Run, run.id]}
        for run in runs
    ]
    yield from _insert_or_update(dialect, tables.runs, run_rows, unit.stored_runs)
    if unit.new_events:
        yield _inserting_events(dialect).many(
            rows.stored_event_row(event, texts) for event, texts in unit.new_events
        )


def _tag_changes(dialect: Dialect, unit: UnitOfWork) -> Iterator[Step]:
    retagged = [
        session
        for session_id in unit.changed_sessions
        if (session := unit.sessions[session_id]).tags
        != unit.stored_tags.get(session_id, ())
    ]
    if known := [s.id for s in retagged if s.id in unit.stored_tags]:
        yield _deleting_tags(dialect).one({"ids": dialect.list_value(known)})
    if tags := [row for session in retagged for row in rows.tag_rows(session)]:
        yield _inserting(dialect, tables.session_tags).many(tags)


def _insert_or_update(
    dialect: Dialect,
    table: sa.Table,
    values: Iterable[dict[str, Any]],
    stored: Collection[str],
) -> Iterator[Step]:
    new: list[Any] = []
    known: list[Any] = []
    key = _key_of(table).name
    for row in values:
        row["of_key"] = row[key]
        (known if row[key] in stored else new).append(row)
    if new:
        yield _inserting(dialect, table).many(new)
    if known:
        yield _updating(dialect, table).many(known)


# Each is compiled once for each database.


def _one_or_list(dialect: Dialect, values: Collection[str]) -> object:
    first, *others = values
    return dialect.list_value(values) if others else first


@cache
def _key_of(table: sa.Table) -> sa.Column[Any]:
    (key,) = table.primary_key.columns
    return key


@cache
def _gates(dialect: Dialect, *, is_one: bool) -> Prepared:
    """
    Select the present time and a counter row in each row; the time alone if none is.
    """
    session_id = tables.session_sequences.c.session_id
    query = (
        sa.select(*GATE_COLUMNS)
        .where(dialect.is_any_of(session_id, "ids", is_one=is_one))
        .order_by(session_id)
    )
    gates = dialect.locked(query).cte("gates")
    given = sa.bindparam("now", type_=tables.session_sequences.c.updated_at.type)
    now = sa.select(dialect.present_time(given).label("now")).subquery("present")
    joined = now.outerjoin(gates, sa.true())
    both = sa.select(now.c.now, *gates.c).select_from(joined)
    return prepare(both, dialect.compiler)


@cache
def _saved_sessions(dialect: Dialect, *, is_one: bool) -> Prepared:
    is_it = dialect.is_any_of(tables.sessions.c.id, "ids", is_one=is_one)
    return prepare(sa.select(*rows.SESSION_COLUMNS).where(is_it), dialect.compiler)


@cache
def _saved_runs(dialect: Dialect, *, is_one: bool) -> Prepared:
    """
    Select runs, and what is remembered of those that were removed, in one statement.

    Behind a run's columns stand whether it is there, and whose it was if it is not.
    """
    runs, tombstones = tables.runs, tables.run_tombstones.c
    known = {runs.c.id: tombstones.run_id, runs.c.revision: tombstones.revision}
    there = sa.select(*runs.c, sa.literal_column("1"), sa.null())
    gone = sa.select(
        *(known.get(column, sa.null()) for column in runs.c),
        sa.literal_column("0"),
        tombstones.tenant_id,
    )
    query = sa.union_all(
        there.where(dialect.is_any_of(runs.c.id, "ids", is_one=is_one)),
        gone.where(dialect.is_any_of(tombstones.run_id, "ids", is_one=is_one)),
    )
    return prepare(query, dialect.compiler)


@cache
def _events(dialect: Dialect, one_session: bool, one_id: bool) -> Prepared:  # noqa: FBT001 - cached by place
    events = tables.events.c
    query = sa.select(tables.events).where(
        dialect.is_any_of(events.session_id, "session_ids", is_one=one_session),
        dialect.is_any_of(events.id, "ids", is_one=one_id),
    )
    return prepare(query, dialect.compiler)


@cache
def _inserting(dialect: Dialect, table: sa.Table) -> Prepared:
    return prepare(sa.insert(table), dialect.compiler)


@cache
def _inserting_events(dialect: Dialect) -> Prepared:
    values = {column: as_stored(column) for column in tables.events.c}
    return prepare(sa.insert(tables.events).values(values), dialect.compiler)


@cache
def _updating(dialect: Dialect, table: sa.Table) -> Prepared:
    is_it = _key_of(table) == sa.bindparam("of_key", type_=sa.String(255))
    values = {c: sa.bindparam(c.name, type_=c.type) for c in table.c}
    return prepare(sa.update(table).where(is_it).values(values), dialect.compiler)


@cache
def _deleting_tags(dialect: Dialect) -> Prepared:
    tags = tables.session_tags
    delete = sa.delete(tags).where(
        dialect.is_one_of_parameter(tags.c.session_id, "ids")
    )
    return prepare(delete, dialect.compiler)
