"""
The statements that find damage: each compares what it compares at one moment.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import sqlalchemy as sa

from asm_async.fronts.health_findings import (
    MISSING_SEQUENCE,
    orphans,
    sequence_mismatch,
)
from asm_async.sql.core.session_state import GateState
from asm_async.sql.core.tables import (
    artifacts,
    events,
    runs,
    session_sequences,
    session_tags,
    sessions,
)
from asm_async.sql.retention.orphans import is_orphaned
from asm_async.values.maintenance import HealthIssueKind
from asm_async.values.run import RunStatus
from asm_async.values.session import SessionStatus


@attrs.frozen
class Check:
    """
    One thing to look for.
    """

    kind: HealthIssueKind
    query: sa.Select[*tuple[Any, ...]]
    """
    Selects a row for each case: its subject, and what there is to say of it.
    """

    message: Callable[[sa.Row[*tuple[Any, ...]]], str]


def checks() -> list[Check]:
    """
    Return all there is to look for in the tables.
    """
    return [
        _sequence_mismatches(),
        _missing_sequences(),
        _open_sequences(),
        _orphans(HealthIssueKind.ORPHANED_EVENTS, events, "events"),
        _orphans(HealthIssueKind.ORPHANED_RUNS, runs, "runs"),
        _orphans(HealthIssueKind.ORPHANED_TAGS, session_tags, "tags"),
        _orphans(HealthIssueKind.ORPHANED_ARTIFACTS, artifacts, "artifacts"),
        _unknown_statuses(sessions, SessionStatus, "session"),
        _unknown_statuses(runs, RunStatus, "run"),
        _disagreements(),
    ]


def _counted(table: sa.Table, *others: sa.ColumnElement[Any]) -> sa.Subquery:
    """
    Count a table's rows by session.
    """
    owner = table.c.session_id
    return (
        sa.select(owner, sa.func.count().label("number"), *others)
        .where(owner.is_not(None))
        .group_by(owner)
        .subquery()
    )


def _sequence_mismatches() -> Check:
    gates = session_sequences
    counted = _counted(events, sa.func.max(events.c.sequence_number).label("highest"))
    stored = sa.func.coalesce(counted.c.number, 0)
    highest = sa.func.coalesce(counted.c.highest, 0)
    latest = gates.c.last_sequence
    is_wrong = (latest != gates.c.pruned_count + stored) | (latest < highest)
    query = (
        sa.select(
            gates.c.session_id.label("subject"),
            latest.label("latest"),
            gates.c.pruned_count.label("pruned"),
            stored.label("stored"),
            highest.label("highest"),
        )
        .outerjoin(counted, counted.c.session_id == gates.c.session_id)
        .where(is_wrong)
    )
    return Check(
        HealthIssueKind.SEQUENCE_MISMATCH,
        query,
        lambda row: sequence_mismatch(row.latest, row.pruned, row.stored, row.highest),
    )


def _missing_sequences() -> Check:
    gates = session_sequences
    has_gate = sa.exists().where(gates.c.session_id == sessions.c.id)
    return Check(
        HealthIssueKind.MISSING_SEQUENCE,
        sa.select(sessions.c.id.label("subject")).where(~has_gate),
        lambda _: MISSING_SEQUENCE,
    )


def _open_sequences() -> Check:
    gates = session_sequences
    query = sa.select(
        gates.c.session_id.label("subject"), gates.c.last_sequence.label("latest")
    ).where(is_orphaned())
    return Check(
        HealthIssueKind.ORPHANED_SEQUENCE,
        query,
        lambda row: f"a counter is open at {row.latest}, but there is no such session",
    )


def _orphans(kind: HealthIssueKind, table: sa.Table, what: str) -> Check:
    # Counted first, so that each session is looked up once and not for each row.
    counted = _counted(table)
    has_session = sa.exists().where(sessions.c.id == counted.c.session_id)
    query = sa.select(counted.c.session_id.label("subject"), counted.c.number)
    return Check(
        kind,
        query.where(~has_session),
        lambda row: orphans(row.number, what),
    )


def _unknown_statuses(
    table: sa.Table, known: type[SessionStatus | RunStatus], what: str
) -> Check:
    status = table.c.status
    query = sa.select(table.c.id.label("subject"), status)
    return Check(
        HealthIssueKind.IMPOSSIBLE_STATUS,
        query.where(status.not_in([member.value for member in known])),
        lambda row: f"the {what} has the status {row.status!a}, which is none",
    )


def _disagreements() -> Check:
    gates = session_sequences
    is_deleted = sessions.c.deleted_at.is_not(None)
    deleted = [state.value for state in GateState if state.is_deleted]
    agrees = sa.case(
        (is_deleted, gates.c.state.in_(deleted)),
        else_=gates.c.state == GateState.LIVE.value,
    )
    query = (
        sa.select(
            sessions.c.id.label("subject"),
            is_deleted.label("is_deleted"),
            gates.c.state,
        )
        .join(gates, gates.c.session_id == sessions.c.id)
        .where(~agrees)
    )
    return Check(
        HealthIssueKind.IMPOSSIBLE_STATUS,
        query,
        lambda row: (
            f"the session is {'soft-deleted' if row.is_deleted else 'not deleted'},"
            f" but its counter says {row.state!a}"
        ),
    )
