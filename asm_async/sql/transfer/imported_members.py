"""
How what belongs to an imported session is stored: once, and as nobody else's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.sql.core import rows, tables
from asm_async.sql.dialects import dialect_of
from asm_async.sql.transactions.transaction import Transaction
from asm_async.sql.transfer.imported_items import new_item_rows
from asm_async.sql.writes.unit_of_work import Gate
from asm_async.transfer.import_stream import (
    check_artifact,
    check_owner,
    check_revision,
    check_unrepeated,
    refuse_repetition,
)
from asm_async.transfer.incoming_session import IncomingBatch, IncomingSession
from asm_async.values.artifact import Artifact
from asm_async.values.event import Event
from asm_async.values.run import Run
from asm_async.values.state_item import StateItem

_TABLES = MappingProxyType(
    {
        Run: tables.runs,
        Artifact: tables.artifacts,
        StateItem: tables.state_items,
        Event: tables.events,
    }
)


async def insert_batch(
    transaction: Transaction,
    incoming: IncomingSession,
    batch: IncomingBatch,
    gate: Gate,
) -> None:
    """
    Insert what is not stored of a batch, and count its events.
    """
    conn, members = transaction.conn, batch[1]
    if not isinstance(members[0], Event):
        new_rows = await new_members(conn, incoming, batch)
        await _insert(conn, incoming, batch, new_rows)
        return
    check_unrepeated(incoming, batch, ())
    events = [member for member in members if isinstance(member, Event)]
    new = [event for event in events if event.sequence_number > gate.last_sequence]
    await _insert(conn, incoming, batch, [*map(rows.event_row, new)])
    if new:
        stored = gate.last_sequence - gate.pruned_count + len(new)
        gate.last_sequence = new[-1].sequence_number
        gate.pruned_count = gate.last_sequence - stored


async def _insert(
    conn: AsyncConnection,
    incoming: IncomingSession,
    batch: IncomingBatch,
    new_rows: Sequence[Mapping[str, Any]],
) -> None:
    if not new_rows:
        return
    table = _TABLES[type(batch[1][0])]
    try:
        await conn.execute(sa.insert(table), new_rows)
    except IntegrityError:
        # To ask before whether an id is there would cost as much as to insert, and
        # where nothing is known of the table yet, a plan for it may read the session
        # from its start.
        await refuse_repetition(incoming, batch)
        raise


async def new_members(
    conn: AsyncConnection, incoming: IncomingSession, batch: IncomingBatch
) -> list[dict[str, Any]]:
    """
    Return the rows of the runs, artifacts or items that are not stored yet.
    """
    if isinstance(batch[1][0], StateItem):
        return await new_item_rows(conn, incoming, batch)
    if isinstance(batch[1][0], Run):
        return [*map(rows.run_row, await _new_runs(conn, incoming, batch))]
    return [*map(rows.artifact_row, await _new_artifacts(conn, incoming, batch))]


async def _new_artifacts(
    conn: AsyncConnection, incoming: IncomingSession, batch: IncomingBatch
) -> list[Artifact]:
    """
    Return the artifacts that are not stored; refuse another one's id or key.
    """
    table, is_one_of = tables.artifacts, dialect_of(conn).is_one_of
    given = [member for member in batch[1] if isinstance(member, Artifact)]
    known: dict[tuple[str, str], Artifact] = {}
    for name in ("id", "key"):
        wanted = {getattr(artifact, name) for artifact in given}
        query = sa.select(table).where(is_one_of(table.c[name], wanted))
        for stored in map(rows.artifact_of, await conn.execute(query)):
            known[name, getattr(stored, name)] = stored
    check_unrepeated(incoming, batch, ())
    new: list[Artifact] = []
    for artifact in given:
        own = known.get(("id", artifact.id))
        if own is not None:
            check_artifact(incoming, artifact, own)
        of_key = known.setdefault(("key", artifact.key), artifact)
        check_artifact(incoming, artifact, of_key)
        if own is None:
            new.append(artifact)
        # Artifacts stand in the order they were created: none is twice at one time.
        elif own.created_at != artifact.created_at:
            check_unrepeated(incoming, batch, {artifact.id})
    return new


async def _new_runs(
    conn: AsyncConnection, incoming: IncomingSession, batch: IncomingBatch
) -> list[Run]:
    """
    Return the runs that are not stored; refuse another one's id, and a revision of old.
    """
    runs, tombstones = tables.runs.c, tables.run_tombstones.c
    members = {run.id: run for run in batch[1] if isinstance(run, Run)}
    is_one_of = dialect_of(conn).is_one_of
    query = sa.select(runs.id, runs.session_id, runs.started_at)
    began: dict[str, datetime] = {}
    for row in await conn.execute(query.where(is_one_of(runs.id, members))):
        check_owner(incoming, row.id, row.session_id)
        began[row.id] = row.started_at
    # Runs stand in the order they were started: no two of an id began at one time.
    new = [
        run
        for run in batch[1]
        if isinstance(run, Run) and began.get(run.id) != run.started_at
    ]
    check_unrepeated(incoming, batch, {run.id for run in new} & began.keys())
    buried = sa.select(tombstones.run_id, tombstones.revision)
    buried = buried.where(is_one_of(tombstones.run_id, members))
    for run_id, revision in await conn.execute(buried):
        check_revision(incoming, members[run_id], revision)
    return new
