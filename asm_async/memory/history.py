"""
How a session is exported and imported, with all that belongs to it and its counter.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial

import attrs

from asm_async.fronts.retention import utc_now
from asm_async.memory.artifact_registry import artifact_of_key, artifacts_of
from asm_async.memory.database import InMemoryDatabase
from asm_async.transfer.export_stream import (
    HistoryBatch,
    encode_history,
    encode_items,
)
from asm_async.transfer.import_stream import (
    check_artifact,
    check_owner,
    check_revision,
    check_unrepeated,
    is_stored,
    refuse_tombstone,
)
from asm_async.transfer.incoming_items import check_item, check_item_of_none
from asm_async.transfer.incoming_session import IncomingBatch, IncomingSession
from asm_async.transfer.spool import Chunk
from asm_async.values.artifact import Artifact
from asm_async.values.event import Event
from asm_async.values.export_lines import encode_record
from asm_async.values.export_records import ExportedSession
from asm_async.values.ids import new_operation_id
from asm_async.values.run import Run
from asm_async.values.session_export import SessionExport, SessionMember, identity
from asm_async.values.state_item import StateItem

_BATCH_ROWS = 100


def export_session(database: InMemoryDatabase, session_id: str) -> SessionExport:
    """
    Copy a session with all that belongs to it.
    """
    session = attrs.evolve(database.existing(session_id))
    gate = database.gates[session_id]
    return SessionExport(
        session=session,
        runs=tuple(attrs.evolve(run) for run in database.runs_of(session_id)),
        artifacts=tuple(map(attrs.evolve, artifacts_of(database, session_id))),
        items=tuple(map(attrs.evolve, database.items.exported(session_id))),
        events=tuple(map(attrs.evolve, database.events[session_id].values())),
        latest_sequence=gate.latest,
        pruned_count=gate.pruned,
    )


async def export_lines(
    database: InMemoryDatabase, session_id: str, *, include_deleted: bool
) -> AsyncGenerator[Chunk]:
    """
    Yield a session's lines as of one moment; nothing if it is not to be exported.
    """
    batches = _history(database, session_id)
    async with (
        aclosing(batches),
        aclosing(encode_history(batches, include_deleted=include_deleted)) as chunks,
    ):
        async for chunk in chunks:
            yield chunk


async def lines_of_items(database: InMemoryDatabase) -> AsyncGenerator[Chunk]:
    """
    Yield the lines of the state items that belong to no session, as of one moment.
    """
    batches = _in_batches(database.items.exported(None))
    async with aclosing(batches), aclosing(encode_items(batches)) as chunks:
        async for chunk in chunks:
            yield chunk


async def import_session(database: InMemoryDatabase, incoming: IncomingSession) -> bool:
    """
    Store a session whole, unless it is stored already, and return whether it is new.
    """
    async with aclosing(incoming.batches()) as found:
        batches = [batch async for batch in found]
    # From here on nothing suspends.
    if await is_stored(incoming, partial(_history, database, incoming.id)):
        return False
    if incoming.id in database.gates:
        refuse_tombstone(incoming)
    _check_members(database, incoming, batches)
    _put(database, incoming, [member for _, batch in batches for member in batch])
    return True


async def import_items(database: InMemoryDatabase, items: Sequence[StateItem]) -> int:
    """
    Store items that belong to no session, or none of them; return how many are new.
    """
    new: list[StateItem] = []
    for item in items:
        there = database.items.find((item.scope, item.key))
        if there is None or there.item is None:
            new.append(item)
        else:
            check_item_of_none(item, there.item)
    for item in new:
        _put_item(database, item, new_operation_id())
    return len(new)


async def _history(
    database: InMemoryDatabase, session_id: str
) -> AsyncGenerator[HistoryBatch]:
    """
    Yield a session's lines in the order of an export; nothing if it is not stored.

    What is stored is never changed, only replaced: to hold on to it is to see one
    moment.
    """
    if session_id not in database.sessions:
        return
    gate = database.gates[session_id]
    head = ExportedSession(
        session=database.sessions[session_id],
        latest_sequence=gate.latest,
        pruned_count=gate.pruned,
    )
    runs, artifacts = database.runs_of(session_id), artifacts_of(database, session_id)
    items = database.items.exported(session_id)
    events = [*database.events[session_id].values()]
    yield [(head, encode_record(head))]
    for members in (runs, artifacts, items, events):
        async with aclosing(_in_batches(members)) as batches:
            async for batch in batches:
                yield batch


async def _in_batches(members: Sequence[SessionMember]) -> AsyncGenerator[HistoryBatch]:
    for start in range(0, len(members), _BATCH_ROWS):
        batch = members[start : start + _BATCH_ROWS]
        yield [(member, encode_record(member)) for member in batch]


def _check_members(
    database: InMemoryDatabase, incoming: IncomingSession, batches: list[IncomingBatch]
) -> None:
    known: dict[type, set[str]] = {Run: set(), Artifact: set(), Event: set()}
    keys: dict[str, Artifact] = {}
    for batch in batches:
        _, members = batch
        kind = type(members[0])
        for member in members:
            if isinstance(member, Artifact):
                _check_artifact(database, incoming, member, keys)
            if isinstance(member, StateItem):
                name = member.scope, member.key
                there = database.items.find(name)
                if there is not None and there.item is not None:
                    check_item(incoming, name, there.item.session_id)
            if not isinstance(member, Run):
                continue
            if stored := database.runs.get(member.id):
                check_owner(incoming, stored.id, stored.session_id)
            elif tombstone := database.run_tombstones.get(member.id):
                check_revision(incoming, member, tombstone.revision)
        if kind is StateItem:
            continue
        check_unrepeated(incoming, batch, known[kind])
        known[kind].update(map(str, map(identity, members)))


def _check_artifact(
    database: InMemoryDatabase,
    incoming: IncomingSession,
    artifact: Artifact,
    keys: dict[str, Artifact],
) -> None:
    same_key = artifact_of_key(database, artifact.key)
    earlier = keys.setdefault(artifact.key, artifact)
    for stored in (database.artifacts.get(artifact.id), same_key, earlier):
        if stored is not None:
            check_artifact(incoming, artifact, stored)


def _put(
    database: InMemoryDatabase, incoming: IncomingSession, members: list[SessionMember]
) -> None:
    session = incoming.head.session
    active_at = session.last_activity_at or utc_now()
    database.put_session(session.with_given(session.revision, active_at))
    for member in members:
        if isinstance(member, Run):
            database.put_run(member)
        if isinstance(member, Artifact):
            database.artifacts[member.id] = member
        if isinstance(member, StateItem):
            _put_item(database, member, incoming.import_id)
    gate = database.gates[incoming.id]
    gate.pruned = incoming.head.pruned_count
    database.put_events(member for member in members if isinstance(member, Event))
    gate.latest = incoming.head.latest_sequence


def _put_item(database: InMemoryDatabase, item: StateItem, operation_id: str) -> None:
    # An export's items all have their times.
    updated_at = item.updated_at or datetime.now(UTC)
    database.items.put_as_of(item, updated_at, operation_id)
