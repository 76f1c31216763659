"""
The statements with which a store reads sessions, runs and events.

Each is compiled once for each database and each choice of filters.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Any

import attrs
import sqlalchemy as sa

from asm_async.fronts.session_filters import EventFilter, RunFilter, SessionFilter
from asm_async.sql.core.column_types import undecoded, without
from asm_async.sql.core.prepared import Prepared, prepare
from asm_async.sql.core.rows import SESSION_COLUMNS
from asm_async.sql.core.tables import events, runs, session_sequences, sessions
from asm_async.sql.dialects import Dialect
from asm_async.values.event import EVENTS_RETRACTED
from asm_async.values.retraction import RETRACTIONS
from asm_async.values.run import RunStatus


def given(wanted: EventFilter | RunFilter | SessionFilter) -> dict[str, Any]:
    """
    Return the filters that are set, by name: parameters, and the choice of a statement.
    """
    return {
        field.name: value
        for field in attrs.fields(type(wanted))
        if (value := getattr(wanted, field.name)) is not None and value is not False
    }


def _equals(
    table: sa.Table, names: Collection[str], *columns: str
) -> list[sa.ColumnElement[bool]]:
    """
    Make the conditions that those *columns* which are among *names* have their values.
    """
    return [_parameter(table.c[c]) == table.c[c] for c in columns if c in names]


def _parameter(column: sa.Column[Any], name: str | None = None) -> Any:
    return sa.bindparam(name or column.name, type_=column.type)


def _number(name: str) -> sa.BindParameter[int]:
    return sa.bindparam(name, type_=sa.BigInteger())


def _is_there(
    session_id: sa.ColumnElement[str], *, has_tenant: bool
) -> sa.ColumnElement[bool]:
    """
    Make the condition that the session itself is there, perhaps the expected tenant's.

    Of one that is being removed in parts, runs and events may be left.
    """
    is_it = sa.exists().where(sessions.c.id == session_id)
    return is_it.where(_is_expected_tenants()) if has_tenant else is_it


def _is_expected_tenants() -> sa.ColumnElement[bool]:
    tenant_id = sessions.c.tenant_id
    return sa.and_(tenant_id == _parameter(tenant_id, "expected_tenant"))


@cache
def session_by_id(
    dialect: Dialect, *, has_tenant: bool, is_decoded: bool = True
) -> Prepared:
    """
    Select the session *id*, soft-deleted or not.

    Where it is not of *expected_tenant*, what it holds is not even read.
    """
    columns = SESSION_COLUMNS if is_decoded else undecoded(SESSION_COLUMNS)
    query = sa.select(*columns).where(sessions.c.id == _parameter(sessions.c.id))
    if has_tenant:
        query = query.where(_is_expected_tenants())
    return prepare(query, dialect.compiler)


@cache
def run_by_id(
    dialect: Dialect, *, has_tenant: bool, is_decoded: bool = True
) -> Prepared:
    """
    Select the run *id*, perhaps only if its session is of *expected_tenant*.
    """
    columns = runs.c if is_decoded else undecoded(runs.c)
    query = sa.select(*columns).where(
        runs.c.id == _parameter(runs.c.id),
        _is_there(runs.c.session_id, has_tenant=has_tenant),
    )
    return prepare(query, dialect.compiler)


@cache
def listed_sessions(dialect: Dialect, names: frozenset[str]) -> Prepared:
    """
    Select sessions in the order they were created.

    Takes what :class:`SessionFilter` does.
    """
    left_out = () if "with_context" in names else ("context",)
    query = sa.select(*without(SESSION_COLUMNS, left_out))
    query = query.order_by(sessions.c.created_at, sessions.c.id)
    query = query.where(
        *_equals(sessions, names, "status", "agent_id", "tenant_id", "user_id")
    )
    if "include_deleted" not in names:
        query = query.where(sessions.c.deleted_at.is_(None))
    if "limit" in names:
        query = query.limit(_number("limit"))
    return prepare(query.offset(_number("offset")), dialect.compiler)


@cache
def runs_of(dialect: Dialect, names: frozenset[str]) -> Prepared:
    """
    Select the runs of *session_id* in the order they were started.
    """
    session_id = _parameter(runs.c.session_id)
    query = sa.select(runs).where(runs.c.session_id == session_id)
    is_there = _is_there(session_id, has_tenant="expected_tenant" in names)
    query = query.where(is_there, *_equals(runs, names, "status"))
    query = query.order_by(runs.c.started_at, runs.c.id)
    if "limit" in names:
        query = query.limit(_number("limit"))
    return prepare(query, dialect.compiler)


@cache
def active_run(dialect: Dialect, *, has_tenant: bool) -> Prepared:
    """
    Select the last started running run of *session_id*.

    The status stands in the statement's text: a partial index serves no parameter.
    """
    running = sa.literal_column(f"'{RunStatus.RUNNING}'", sa.String)
    session_id = _parameter(runs.c.session_id)
    query = (
        sa.select(runs)
        .where(runs.c.session_id == session_id)
        .where(_is_there(session_id, has_tenant=has_tenant))
        .where(runs.c.status == running)
        .order_by(runs.c.started_at.desc(), runs.c.id.desc())
        .limit(sa.literal_column("1"))
    )
    return prepare(query, dialect.compiler)


@cache
def latest_retractions(dialect: Dialect, *, is_one: bool) -> Prepared:
    """
    Select those of the sessions *ids* that have a retraction, with its *data*.
    """
    gates = session_sequences.c
    query = (
        sa.select(events.c.session_id, events.c.data)
        .join_from(
            session_sequences,
            events,
            (events.c.session_id == gates.session_id)
            & (events.c.sequence_number == _latest_retraction(dialect)),
        )
        .where(dialect.is_any_of(gates.session_id, "ids", is_one=is_one))
    )
    return prepare(query, dialect.compiler)


@cache
def what_is_visible(dialect: Dialect, *, has_tenant: bool) -> Prepared:
    """
    Select the latest number of *session_id*, and the *data* of its latest retraction.
    """
    gates = session_sequences.c
    session_id = _parameter(gates.session_id)
    is_it = (events.c.session_id == gates.session_id) & (
        events.c.sequence_number == _latest_retraction(dialect)
    )
    query = (
        sa.select(gates.last_sequence, events.c.data)
        .join_from(session_sequences, events, is_it, isouter=True)
        .where(
            gates.session_id == session_id,
            _is_there(session_id, has_tenant=has_tenant),
        )
    )
    return prepare(query, dialect.compiler)


def _latest_retraction(dialect: Dialect) -> sa.ScalarSelect[int]:
    """
    Select the number of the latest retraction of a counter row's session.
    """
    found = events.alias("retraction").c
    query = sa.select(sa.func.max(found.sequence_number)).where(
        found.session_id == session_sequences.c.session_id,
        found.correlation_id == sa.literal_column(f"'{RETRACTIONS}'", sa.String),
        is_retraction(found.type, dialect),
    )
    return query.correlate(session_sequences).scalar_subquery()


def is_retraction(
    type_: sa.ColumnElement[str], dialect: Dialect
) -> sa.ColumnElement[bool]:
    """
    Make the condition that an event of this type hides others.

    The type stands in the statement's text, and nothing is to be found by it: by their
    correlation a session's retractions stand in order.
    """
    name = sa.literal_column(f"'{EVENTS_RETRACTED}'", sa.String)
    return dialect.without_index(sa.type_coerce(type_, sa.String)) == name


@cache
def events_of(
    dialect: Dialect,
    names: frozenset[str],
    *,
    is_decoded: bool = True,
    has_ranges: bool = False,
) -> Prepared:
    """
    Select events of *session_id*: by number, or backwards where the last are wanted.

    Takes what :class:`EventFilter` does; *after* must be given. Where it *has_ranges*,
    it takes *ranges* of numbers in place of *after* and *before*.
    """
    number: sa.ColumnElement[int] = events.c.sequence_number
    session_id = _parameter(events.c.session_id)
    columns = events.c if is_decoded else undecoded(events.c)
    is_there = _is_there(session_id, has_tenant="expected_tenant" in names)
    query = sa.select(*columns).where(events.c.session_id == session_id, is_there)
    query = query.where(*_equals(events, names, "run_id", "type", "correlation_id"))
    if "ids" in names:
        query = query.where(dialect.is_one_of_parameter(events.c.id, "ids"))
    if "since" in names:
        query = query.where(
            events.c.timestamp >= _parameter(events.c.timestamp, "since")
        )
    if "visible_only" in names:
        query = query.where(~is_retraction(events.c.type, dialect))
    if has_ranges:
        ranges, first, last = dialect.ranges("ranges")
        query = query.join_from(ranges, events, number.between(first, last))
        # Else SQLite goes through the events in their order, and for each through all
        # ranges.
        number = dialect.without_index(number)
    else:
        # Numbers begin at 1. A bound makes SQLite find events by session and number: it
        # expects that fewer are of a type and since a time than a session has.
        query = query.where(number > _number("after"))
        if "before" in names:
            query = query.where(number < _number("before"))
    if "last" in names:
        query = query.order_by(number.desc()).limit(_number("last"))
    else:
        query = query.order_by(number)
    if "limit" in names:
        query = query.limit(_number("limit"))
    return prepare(query, dialect.compiler)


@cache
def latest_sequence(dialect: Dialect, *, has_tenant: bool) -> Prepared:
    """
    Select the latest number of *session_id*, unless it is deleted.
    """
    gates = session_sequences
    session_id = _parameter(gates.c.session_id)
    query = sa.select(gates.c.last_sequence).where(
        gates.c.session_id == session_id,
        _is_there(session_id, has_tenant=has_tenant),
    )
    return prepare(query, dialect.compiler)
