"""
What a retention policy asks for: which sessions and events go.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TypeVar

from asm_async.fronts.maintenance import Batch, Batches
from asm_async.fronts.retention import Cutoffs, sessions_per_batch
from asm_async.memory.database import InMemoryDatabase
from asm_async.memory.history import export_session
from asm_async.memory.retractions import latest_retraction
from asm_async.values.event import Event
from asm_async.values.retention import (
    PROTECTED_EVENT_TYPES,
    Archive,
    RetentionPolicy,
)
from asm_async.values.session import Session

T = TypeVar("T")

_MAX_EVENTS = 1_000


async def soft_delete_expired_sessions(
    database: InMemoryDatabase, policy: RetentionPolicy, now: datetime
) -> Batches:
    """
    Soft-delete the sessions that are too old by *policy*.
    """
    cutoffs = Cutoffs.of(policy, now)
    for ids in _batches_of(list(database.sessions), policy):
        expired = [
            session_id
            for session_id in ids
            if _has_expired(database.sessions.get(session_id), policy, cutoffs)
        ]
        for session_id in expired:
            database.soft_delete(session_id, now)
        if expired:
            yield Batch(len(expired))
        await asyncio.sleep(0)


def _has_expired(
    session: Session | None, policy: RetentionPolicy, cutoffs: Cutoffs
) -> bool:
    if session is None or session.deleted_at is not None:
        return False
    if session.last_activity_at is None or _is_exempt(policy, session):
        return False
    limits = [cutoffs.idle]
    if session.status not in policy.exempt_statuses:
        limits += [
            cutoffs.active,
            cutoffs.completed if session.status.is_over else None,
        ]
    return any(
        limit is not None and session.last_activity_at < limit for limit in limits
    )


async def hard_delete_expired_sessions(
    database: InMemoryDatabase, policy: RetentionPolicy, now: datetime
) -> Batches:
    """
    Archive and remove the sessions that *policy* keeps no longer.
    """
    cutoff = Cutoffs.of(policy, now).deleted
    if cutoff is None:
        return
    found = [
        session
        for session in database.sessions.values()
        if session.deleted_at is not None and session.deleted_at < cutoff
    ]
    for expired in _batches_of(found, policy):
        count, failures = 0, list[Exception]()
        for session in await _archived(database, policy.archive, expired, failures):
            if database.sessions.get(session.id) is session:
                database.delete_session(session.id)
                count += 1
        yield Batch(count, failures)
        await asyncio.sleep(0)


async def _archived(
    database: InMemoryDatabase,
    archive: Archive | None,
    expired: Sequence[Session],
    failures: list[Exception],
) -> Sequence[Session]:
    if archive is None:
        return expired
    taken: list[Session] = []
    for session in expired:
        if database.sessions.get(session.id) is not session:
            continue
        if session.id in database.closed:
            taken.append(session)
            continue
        try:
            await archive(export_session(database, session.id))
        except Exception as error:  # noqa: BLE001 - it is reported
            error.add_note(f"while session {session.id!r} was archived")
            failures.append(error)
        else:
            taken.append(session)
    return taken


async def prune_events(database: InMemoryDatabase, policy: RetentionPolicy) -> Batches:
    """
    Prune each session that is too long, then all together.
    """
    for ids in _batches_of(list(database.events), policy):
        pruned = sum(
            prune_session(database, policy, session_id)
            for session_id in ids
            if not _is_exempt(policy, database.sessions.get(session_id))
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
    Prune one session, whatever its tags, and return how many events it had too many.
    """
    keep = policy.max_events_per_session
    stored = database.events.get(session_id, {})
    if keep is None or len(stored) <= keep:
        return 0
    kept = latest_retraction(database, session_id)
    in_order = sorted(
        (event for event in stored.values() if event is not kept),
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
            if not _is_exempt(policy, database.sessions.get(session_id))
            for kept in [latest_retraction(database, session_id)]
            for event in stored.values()
            if event is not kept
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


def _is_exempt(policy: RetentionPolicy, session: Session | None) -> bool:
    tags = () if session is None else session.tags
    return not set(policy.exempt_tags).isdisjoint(tags)


def _rank(event: Event, policy: RetentionPolicy) -> int:
    if event.type in policy.prune_event_types_first:
        return 0
    return 2 if event.type in PROTECTED_EVENT_TYPES else 1


def _batches_of(members: Sequence[T], policy: RetentionPolicy) -> Iterator[Sequence[T]]:
    size = sessions_per_batch(policy)
    for start in range(0, len(members), size):
        yield members[start : start + size]
