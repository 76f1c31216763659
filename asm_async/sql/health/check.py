"""
How a database is looked over; each statement compares what it compares at one moment.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.errors import MigrationRequiredError, StorageError
from asm_async.fronts.health_findings import (
    MISSING_SEQUENCE,
    Finding,
    bounded,
    orphans,
    sequence_mismatch,
)
from asm_async.ports.maintenance import MAX_ISSUES_PER_KIND
from asm_async.sql.core.error_translation import is_damage
from asm_async.sql.core.tables import (
    GateState,
    artifacts,
    events,
    runs,
    session_sequences,
    session_tags,
    sessions,
    state_items,
)
from asm_async.sql.dialects import dialect_of
from asm_async.sql.dialects.feed import FeedDialect
from asm_async.sql.health.text_index import stale_indexes
from asm_async.sql.migrations.online import missing_tables
from asm_async.sql.readers.readers import Readers
from asm_async.sql.retention.orphans import is_orphaned
from asm_async.sql.transactions.transaction import Transactions
from asm_async.values.maintenance import HealthIssue, HealthIssueKind
from asm_async.values.run import RunStatus
from asm_async.values.session import SessionStatus

_Check: TypeAlias = tuple[
    HealthIssueKind,
    sa.Select[*tuple[Any, ...]],
    Callable[[sa.Row[*tuple[Any, ...]]], str],
]
"""
A kind of damage, a row for each case, with its subject, and what there is to say of it.
"""


async def check_health(
    transactions: Transactions, readers: Readers | None = None
) -> list[HealthIssue]:
    """
    Look for all that can be wrong; without our schema, only at the database itself.
    """
    found = [
        *await _spared(transactions.read, _integrity),
        *await _spared(transactions.read, _durability),
    ]
    if readers is not None:
        await readers.look()
        unused = [(each.name, each.reason) for each in readers.states if each.reason]
        found += _findings(HealthIssueKind.UNUSED_READER, unused)
    schema = await _spared(transactions.read, _schema)
    found += schema
    if not schema:
        found += await _spared(transactions.read_snapshot, _history)
    return bounded(dict.fromkeys(found))


async def _spared(
    read: Callable[
        [Callable[[AsyncConnection], Awaitable[list[Finding]]]],
        Awaitable[list[Finding]],
    ],
    look: Callable[[AsyncConnection], Awaitable[list[Finding]]],
) -> list[Finding]:
    """
    Look, and return a finding if the database is too damaged for that.
    """
    try:
        return await read(look)
    except StorageError as error:
        if not is_damage(error):
            raise
        case = "database", str(error)
        return _findings(HealthIssueKind.DATABASE_INTEGRITY, [case])


async def _integrity(conn: AsyncConnection) -> list[Finding]:
    faults = await dialect_of(conn).integrity_faults(conn)
    return _findings(HealthIssueKind.DATABASE_INTEGRITY, faults)


async def _durability(conn: AsyncConnection) -> list[Finding]:
    settings = await dialect_of(conn).weak_settings(conn)
    return _findings(HealthIssueKind.WEAK_DURABILITY, settings)


def _findings(kind: HealthIssueKind, cases: Iterable[tuple[str, str]]) -> list[Finding]:
    return [Finding(kind, (case,), 1) for case in cases]


async def _schema(conn: AsyncConnection) -> list[Finding]:
    try:
        missing = await missing_tables(conn)
    except MigrationRequiredError as error:
        return _findings(HealthIssueKind.SCHEMA_VERSION, [("schema", str(error))])
    cases = [(name, f"the table {name} is missing") for name in missing]
    return _findings(HealthIssueKind.SCHEMA_VERSION, cases)


async def _history(conn: AsyncConnection) -> list[Finding]:
    found: list[Finding] = []
    checks = (*_checks(), _misplaced_events(dialect_of(conn).feed))
    for kind, query, message in checks:
        # The window counts before the limit cuts.
        counted = query.add_columns(sa.func.count().over().label("total"))
        limited = counted.order_by("subject").limit(MAX_ISSUES_PER_KIND)
        if rows := (await conn.execute(limited)).all():
            cases = tuple((row.subject, message(row)) for row in rows)
            found.append(Finding(kind, cases, rows[0].total))
    found += _findings(HealthIssueKind.STALE_TEXT_INDEX, await stale_indexes(conn))
    return found


def _checks() -> Iterator[_Check]:
    yield _sequence_mismatches()
    gates = session_sequences
    has_gate = sa.exists().where(gates.c.session_id == sessions.c.id)
    yield (
        HealthIssueKind.MISSING_SEQUENCE,
        sa.select(sessions.c.id.label("subject")).where(~has_gate),
        lambda _: MISSING_SEQUENCE,
    )
    yield (
        HealthIssueKind.ORPHANED_SEQUENCE,
        sa.select(gates.c.session_id.label("subject"), gates.c.last_sequence).where(
            is_orphaned()
        ),
        lambda row: (
            f"a counter is open at {row.last_sequence}, but the session does not exist"
        ),
    )
    yield _orphans(HealthIssueKind.ORPHANED_EVENTS, events, "events")
    yield _orphans(HealthIssueKind.ORPHANED_RUNS, runs, "runs")
    yield _orphans(HealthIssueKind.ORPHANED_TAGS, session_tags, "tags")
    yield _orphans(HealthIssueKind.ORPHANED_ARTIFACTS, artifacts, "artifacts")
    yield _orphans(HealthIssueKind.ORPHANED_ITEMS, state_items, "state items")
    yield _unknown_statuses(sessions, SessionStatus, "session")
    yield _unknown_statuses(runs, RunStatus, "run")
    yield _disagreements()


def _counted(table: sa.Table, *others: sa.ColumnElement[Any]) -> sa.Subquery:
    owner = table.c.session_id
    return (
        sa.select(owner, sa.func.count().label("number"), *others)
        .where(owner.is_not(None))
        .group_by(owner)
        .subquery()
    )


def _sequence_mismatches() -> _Check:
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
    return (
        HealthIssueKind.SEQUENCE_MISMATCH,
        query,
        lambda row: sequence_mismatch(row.latest, row.pruned, row.stored, row.highest),
    )


def _orphans(kind: HealthIssueKind, table: sa.Table, what: str) -> _Check:
    # Counted first, so that each session is looked up once and not for each row.
    counted = _counted(table)
    has_session = sa.exists().where(sessions.c.id == counted.c.session_id)
    # What is being removed in parts is no damage.
    is_going = sa.exists().where(
        session_sequences.c.session_id == counted.c.session_id,
        session_sequences.c.state == GateState.DELETING.value,
    )
    query = sa.select(counted.c.session_id.label("subject"), counted.c.number)
    return (
        kind,
        query.where(~has_session, ~is_going),
        lambda row: orphans(row.number, what),
    )


def _misplaced_events(feed: FeedDialect) -> _Check:
    number = sa.func.count().label("number")
    query = sa.select(events.c.session_id.label("subject"), number)
    return (
        HealthIssueKind.DATABASE_INTEGRITY,
        query.where(feed.is_misplaced).group_by(events.c.session_id),
        lambda row: (
            f"{row.number} events came from a dump, with transaction ids of another"
            " server, so that followers may get new events before them: repair the"
            " order (docs/explanation/following.md, 'When history goes backwards')"
        ),
    )


def _unknown_statuses(
    table: sa.Table, known: type[SessionStatus | RunStatus], what: str
) -> _Check:
    status = table.c.status
    query = sa.select(table.c.id.label("subject"), status)
    return (
        HealthIssueKind.IMPOSSIBLE_STATUS,
        query.where(status.not_in([member.value for member in known])),
        lambda row: f"the {what} has the unknown status {row.status!a}",
    )


def _disagreements() -> _Check:
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
    return (
        HealthIssueKind.IMPOSSIBLE_STATUS,
        query,
        lambda row: (
            f"the session is {'soft-deleted' if row.is_deleted else 'not deleted'},"
            f" but its counter says {row.state!a}"
        ),
    )
