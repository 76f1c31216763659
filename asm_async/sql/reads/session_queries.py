"""
The statements with which a store reads sessions, runs and events.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from asm_async.fronts.session_filters import (
    EventFilter,
    RunFilter,
    SessionFilter,
)
from asm_async.sql.core.session_state import GateState
from asm_async.sql.core.tables import events, runs, session_sequences, sessions
from asm_async.values.run import RunStatus

__all__ = [
    "active_run",
    "events_of",
    "latest_sequence",
    "listed_sessions",
    "run_by_id",
    "runs_of",
    "session_by_id",
]


def session_by_id(session_id: str) -> sa.Select[Any]:
    """
    Select one session, soft-deleted or not.
    """
    return sa.select(sessions).where(sessions.c.id == session_id)


def listed_sessions(wanted: SessionFilter) -> sa.Select[Any]:
    """
    Select sessions in the order they were created.
    """
    query = sa.select(sessions).order_by(sessions.c.created_at, sessions.c.id)
    equals = {
        sessions.c.status: wanted.status,
        sessions.c.agent_id: wanted.agent_id,
        sessions.c.tenant_id: wanted.tenant_id,
    }
    for column, value in equals.items():
        if value is not None:
            query = query.where(column == value)
    if not wanted.include_deleted:
        query = query.where(sessions.c.deleted_at.is_(None))
    if wanted.limit is not None or wanted.offset:
        query = query.limit(wanted.limit).offset(wanted.offset)
    return query


def run_by_id(run_id: str) -> sa.Select[Any]:
    """
    Select one run.
    """
    return sa.select(runs).where(runs.c.id == run_id)


def runs_of(session_id: str, wanted: RunFilter) -> sa.Select[Any]:
    """
    Select a session's runs in the order they were started.
    """
    query = sa.select(runs).where(runs.c.session_id == session_id)
    if wanted.status is not None:
        query = query.where(runs.c.status == wanted.status)
    return query.order_by(runs.c.started_at, runs.c.id).limit(wanted.limit)


def active_run(session_id: str) -> sa.Select[Any]:
    """
    Select a session's last started running run.

    The status stands in the statement's text: a partial index serves no parameter.
    """
    running = sa.literal_column(f"'{RunStatus.RUNNING}'", sa.String)
    return (
        sa.select(runs)
        .where(runs.c.session_id == session_id, runs.c.status == running)
        .order_by(runs.c.started_at.desc(), runs.c.id.desc())
        .limit(1)
    )


def events_of(session_id: str, wanted: EventFilter) -> sa.Select[Any]:
    """
    Select a session's events: by number, or backwards where the last ones are wanted.
    """
    number = events.c.sequence_number
    query = sa.select(events).where(events.c.session_id == session_id)
    if wanted.run_id is not None:
        query = query.where(events.c.run_id == wanted.run_id)
    if wanted.type is not None:
        query = query.where(events.c.type == wanted.type)
    if wanted.since is not None:
        query = query.where(events.c.timestamp >= wanted.since)
    # Numbers begin at 1. A bound makes SQLite find events by session and number: it
    # expects that fewer are of a type and since a time than a session has.
    query = query.where(number > (wanted.after or 0))
    if wanted.before is not None:
        query = query.where(number < wanted.before)
    if wanted.last is not None:
        return query.order_by(number.desc()).limit(wanted.last)
    return query.order_by(number).limit(wanted.limit)


def latest_sequence(session_id: str) -> sa.Select[int]:
    """
    Select the latest number of a session that is not gone.
    """
    gates = session_sequences
    return sa.select(gates.c.last_sequence).where(
        gates.c.session_id == session_id, gates.c.state != GateState.DELETED
    )
