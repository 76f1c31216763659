"""
How a session is copied within the database in memory.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from asm_async.fronts.copying import (
    SessionCopy,
    check_source,
    check_visibility,
    is_repetition,
    item_is_there,
)
from asm_async.fronts.retention import utc_now
from asm_async.memory.artifact_registry import artifacts_of
from asm_async.memory.database import InMemoryDatabase
from asm_async.values.artifact import Artifact
from asm_async.values.event import EVENTS_RETRACTED, Event
from asm_async.values.moved_data import data_keys
from asm_async.values.retraction import Ranges, hidden_ranges, is_hidden
from asm_async.values.session import Session
from asm_async.values.state_item import StateItem


async def copy_session(database: InMemoryDatabase, copy: SessionCopy) -> Session:
    """
    Copy a session up to a number; nothing here suspends.
    """
    target, source_id = copy.target, copy.source_id
    if target.id in database.gates:
        stored = database.sessions.get(target.id)
        operation_id = database.operation_ids.get((Session, target.id))
        if is_repetition(copy, stored, operation_id, is_whole=True):
            return attrs.evolve(database.sessions[target.id])
    source = database.existing(source_id, copy.expected.expected_tenant)
    database.check_live(source_id)
    through = check_source(copy, source.tenant_id, database.latest(source_id))
    events = list(database.events[source_id].values())
    await _check_visibility(copy, through, events)
    items = _copied_items(database, copy)
    target = target.with_given(target.revision, utc_now())
    database.put_session(target, copy.expected.operation_id)
    copied = [event for event in events if event.sequence_number <= through]
    database.put_events(attrs.evolve(event, session_id=target.id) for event in copied)
    gate = database.gates[target.id]
    gate.latest, gate.pruned = through, through - len(copied)
    database.add_artifacts(_copied_data(database, source_id, target.id))
    for item in items:
        database.items.put_as_of(
            item, item.updated_at or utc_now(), copy.expected.operation_id or ""
        )
    return attrs.evolve(target)


def _copied_data(
    database: InMemoryDatabase, source_id: str, target_id: str
) -> Iterator[Artifact]:
    """
    Yield the artifacts of the copy's large data: the contents are those of the source.
    """
    before, after = data_keys(source_id), data_keys(target_id)
    for artifact in artifacts_of(database, source_id):
        if artifact.key.startswith(before):
            key = after + artifact.key.removeprefix(before)
            yield attrs.evolve(artifact, id=key, key=key, session_id=target_id)


def _copied_items(database: InMemoryDatabase, copy: SessionCopy) -> list[StateItem]:
    """
    Return the copies of the source's items, none of which may be there already.
    """
    made: list[StateItem] = []
    for item in database.items.exported(copy.source_id):
        if (scope := copy.scope_of(item.scope)) is None:
            continue
        copy.check_scope(item.scope, scope)
        if database.items.find((scope, item.key)) is not None:
            raise item_is_there(scope, item.key)
        made.append(attrs.evolve(item, scope=scope, session_id=copy.target.id))
    return made


async def _check_visibility(
    copy: SessionCopy, through: int, events: list[Event]
) -> None:
    told = [event for event in events if event.type == EVENTS_RETRACTED]
    earlier = [event for event in told if event.sequence_number <= through]
    later = told[len(earlier) :]

    async def has_events(ranges: Ranges) -> bool:
        return any(is_hidden(event.sequence_number, ranges) for event in events)

    if later:
        hidden = hidden_ranges(earlier[-1].data) if earlier else ()
        await check_visibility(copy, through, hidden, later[0].data, has_events)
