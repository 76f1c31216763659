"""
Damage done by hand, of every kind that a health check tells apart.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.fronts.text_indexing import CONSUMER_NAME
from asm_async.memory import InMemoryDatabase
from asm_async.memory.database import ConsumerRow
from asm_async.sql.core import rows, tables
from asm_async.sql.texts.indexing import make_if_missing
from asm_async.testing.factories import (
    NOON,
    make_artifact,
    make_event,
    make_item,
    make_run,
)
from asm_async.values.checkpoint import START
from asm_async.values.maintenance import HealthIssueKind

__all__ = ["damage_memory", "damage_sql"]


def damage_memory(
    database: InMemoryDatabase, kind: HealthIssueKind, session_id: str
) -> str | None:
    """
    Damage the dictionaries, whose statuses cannot be wrong and which have no schema.
    """
    match kind:
        case HealthIssueKind.SEQUENCE_MISMATCH:
            database.events[session_id].popitem()
        case HealthIssueKind.MISSING_SEQUENCE:
            del database.gates[session_id]
        case HealthIssueKind.ORPHANED_EVENTS:
            lost = make_event(session_id=session_id, sequence_number=1)
            database.events[session_id] = {lost.id: lost}
        case HealthIssueKind.ORPHANED_RUNS:
            run = make_run(id=f"run_of_{session_id}", session_id=session_id)
            database.runs[run.id] = run
        case HealthIssueKind.ORPHANED_ARTIFACTS:
            artifact = make_artifact(session_id=session_id)
            database.artifacts[artifact.id] = artifact
        case HealthIssueKind.STALE_TEXT_INDEX:
            row = ConsumerRow(place=START, updated_at=_long_ago())
            database.consumers[CONSUMER_NAME] = row
            return CONSUMER_NAME
        case HealthIssueKind.ORPHANED_ITEMS:
            database.items.put(make_item(session_id=session_id), "op")
        case _:
            return None
    return session_id


async def damage_sql(
    conn: AsyncConnection, kind: HealthIssueKind, session_id: str
) -> str | None:
    """
    Damage the rows, the schema or an index; servers and standbys are as they are.
    """
    match kind:
        case HealthIssueKind.DATABASE_INTEGRITY:
            return await _damage_index(conn)
        case HealthIssueKind.SCHEMA_VERSION:
            await conn.execute(sa.text("DROP TABLE asm_artifacts"))
            return "asm_artifacts"
        case (
            HealthIssueKind.WEAK_DURABILITY
            | HealthIssueKind.UNUSED_READER
            | HealthIssueKind.UNFINISHED_MOVE
        ):
            return None
        case HealthIssueKind.STALE_TEXT_INDEX:
            await make_if_missing(conn, 30.0)
            await conn.execute(
                sa.insert(tables.consumers).values(
                    name=CONSUMER_NAME, fencing_token=1, updated_at=_long_ago()
                )
            )
            return CONSUMER_NAME
        case _:
            await conn.execute(_statement(kind, session_id))
            return session_id


def _long_ago() -> datetime:
    return datetime.now(UTC) - timedelta(days=2)


def _statement(kind: HealthIssueKind, session_id: str) -> sa.Executable:
    """
    Make the one statement that damages some rows.
    """
    events, gates, sessions = tables.events, tables.session_sequences, tables.sessions
    lost = {"session_id": session_id}
    gate = lost | {"last_sequence": 0, "pruned_count": 0, "state": "live"}
    event = make_event(session_id=session_id, sequence_number=1)
    run = make_run(id=f"run_of_{session_id}", session_id=session_id)
    artifact = make_artifact(session_id=session_id)
    item = make_item(session_id=session_id).as_saved(1, NOON)
    first = (events.c.session_id == session_id) & (events.c.sequence_number == 1)
    statements: dict[HealthIssueKind, sa.Executable] = {
        HealthIssueKind.SEQUENCE_MISMATCH: sa.delete(events).where(first),
        HealthIssueKind.MISSING_SEQUENCE: sa.delete(gates).where(
            gates.c.session_id == session_id
        ),
        HealthIssueKind.ORPHANED_SEQUENCE: sa.insert(gates).values(
            **gate, updated_at=NOON
        ),
        HealthIssueKind.ORPHANED_EVENTS: sa.insert(events).values(
            rows.event_row(event)
        ),
        HealthIssueKind.ORPHANED_RUNS: sa.insert(tables.runs).values(rows.run_row(run)),
        HealthIssueKind.ORPHANED_TAGS: sa.insert(tables.session_tags).values(
            **lost, tag="lost"
        ),
        HealthIssueKind.ORPHANED_ARTIFACTS: sa.insert(tables.artifacts).values(
            rows.artifact_row(artifact)
        ),
        HealthIssueKind.ORPHANED_ITEMS: sa.insert(tables.state_items).values(
            rows.stored_item_row(item, None, "op")
        ),
        HealthIssueKind.IMPOSSIBLE_STATUS: sa.update(sessions)
        .where(sessions.c.id == session_id)
        .values(status="lost"),
    }
    return statements[kind]


async def _damage_index(conn: AsyncConnection) -> str:
    """
    Let an index be other than the database takes it for.
    """
    if conn.dialect.name == "postgresql":
        name = "ix_asm_sessions_tenant_id"
        await conn.execute(
            sa.text(
                "UPDATE pg_index SET indisvalid = false"
                " WHERE indexrelid = CAST(:name AS regclass)"
            ),
            {"name": name},
        )
        return name
    await conn.execute(sa.text("PRAGMA writable_schema = ON"))
    await conn.execute(
        sa.text(
            "UPDATE sqlite_schema SET sql = replace(sql, '(parent_session_id) WHERE"
            " parent_session_id IS NOT NULL', '(parent_session_id)')"
            " WHERE name = 'ix_asm_sessions_parent_session_id'"
        )
    )
    await conn.execute(sa.text("PRAGMA writable_schema = RESET"))
    return "main"
