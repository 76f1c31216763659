"""
Which events are pruned, and in which order.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable

from asm_async.memory.batches import batches_of
from asm_async.memory.database import InMemoryDatabase
from asm_async.ports.maintenance_run import Batch, Batches
from asm_async.values.event import Event
from asm_async.values.retention import PROTECTED_EVENT_TYPES, RetentionPolicy

__all__ = ["prune_events", "prune_session"]

_MAX_EVENTS = 1_000


async def prune_events(database: InMemoryDatabase, policy: RetentionPolicy) -> Batches:
    """
    Prune each session that is too long, then all together.
    """
    for ids in batches_of(list(database.events), policy):
        pruned = sum(
            prune_session(database, policy, session_id)
            for session_id in ids
            if not _is_exempt(database, policy, session_id)
        )
        if pruned:
            yield Batch(pruned)
        await asyncio.sleep(0)
    while pruned := _prune_to_total(database, policy):
        yield Batch(pruned)
        await asyncio.sleep(0)


def prune_session(
    database: InMemoryDatabase, policy: RetentionPolicy, session_id: str
) -> int:
    """
    Prune one session, whatever its tags.

    Returns:
        How many events it had too many.
    """
    keep = policy.max_events_per_session
    stored = database.events.get(session_id, {})
    if keep is None or len(stored) <= keep:
        return 0
    in_order = sorted(
        stored.values(),
        key=lambda event: (_rank(event, policy), event.sequence_number),
    )
    return _prune(database, in_order[: len(stored) - keep])


def _prune_to_total(database: InMemoryDatabase, policy: RetentionPolicy) -> int:
    """
    Prune the oldest events there are, as many at once as others may wait for.
    """
    most = policy.max_total_events
    if most is None:
        return 0
    surplus = sum(map(len, database.events.values())) - most
    if surplus <= 0:
        return 0
    in_order = sorted(
        (
            event
            for session_id, stored in database.events.items()
            if not _is_exempt(database, policy, session_id)
            for event in stored.values()
        ),
        key=lambda event: (
            _rank(event, policy),
            event.timestamp,
            event.session_id,
            event.sequence_number,
        ),
    )
    return _prune(database, in_order[: min(surplus, _MAX_EVENTS)])


def _prune(database: InMemoryDatabase, events: Iterable[Event]) -> int:
    numbers: defaultdict[str, set[int]] = defaultdict(set)
    for event in events:
        numbers[event.session_id].add(event.sequence_number)
    return sum(database.prune(*unwanted) for unwanted in numbers.items())


def _is_exempt(
    database: InMemoryDatabase, policy: RetentionPolicy, session_id: str
) -> bool:
    session = database.sessions.get(session_id)
    tags: Collection[str] = () if session is None else session.tags
    return not set(policy.exempt_tags).isdisjoint(tags)


def _rank(event: Event, policy: RetentionPolicy) -> int:
    if event.type in policy.prune_event_types_first:
        return 0
    return 2 if event.type in PROTECTED_EVENT_TYPES else 1
