"""
Which sessions are too old, and how they are deleted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

from asm_async.memory.batches import batches_of
from asm_async.memory.database import InMemoryDatabase
from asm_async.memory.history import export_session
from asm_async.ports.maintenance_arguments import Cutoffs
from asm_async.ports.maintenance_run import Batch, Batches
from asm_async.values.retention import Archive, RetentionPolicy
from asm_async.values.session import Session

__all__ = ["hard_delete_expired_sessions", "soft_delete_expired_sessions"]


async def soft_delete_expired_sessions(
    database: InMemoryDatabase, policy: RetentionPolicy, now: datetime
) -> Batches:
    """
    Soft-delete the sessions that are too old by *policy*.
    """
    cutoffs = Cutoffs.of(policy, now)
    for ids in batches_of(list(database.sessions), policy):
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
    is_exempt = session.status in policy.exempt_statuses or not set(
        policy.exempt_tags
    ).isdisjoint(session.tags)
    is_old = cutoffs.created is not None and session.created_at < cutoffs.created
    is_completed = (
        session.status.is_over
        and cutoffs.completed is not None
        and session.updated_at < cutoffs.completed
    )
    return not is_exempt and (is_old or is_completed)


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
    for doomed in batches_of(found, policy):
        count, failures = 0, list[Exception]()
        for session in await _archived(database, policy.archive, doomed, failures):
            if database.sessions.get(session.id) is session:
                database.delete_session(session.id)
                count += 1
        yield Batch(count, failures)
        await asyncio.sleep(0)


async def _archived(
    database: InMemoryDatabase,
    archive: Archive | None,
    doomed: Sequence[Session],
    failures: list[Exception],
) -> Sequence[Session]:
    """
    Hand sessions to the archive, and give those that it has taken.
    """
    if archive is None:
        return doomed
    taken: list[Session] = []
    for session in doomed:
        if database.sessions.get(session.id) is not session:
            continue
        try:
            await archive(export_session(database, session.id))
        except Exception as error:  # noqa: BLE001 - it stands in the report
            error.add_note(f"while session {session.id!r} was archived")
            failures.append(error)
        else:
            taken.append(session)
    return taken
