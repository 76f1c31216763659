"""
How sessions that have grown too old are soft-deleted, and later removed for good.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from datetime import datetime
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.errors import StorageError
from asm_async.fronts.maintenance import Batch, Batches
from asm_async.fronts.retention import Cutoffs, sessions_per_batch
from asm_async.sql.core import rows
from asm_async.sql.core.activity import latest_coarse
from asm_async.sql.core.tables import GateState, session_sequences, sessions
from asm_async.sql.dialects import Dialect
from asm_async.sql.reads.history import export_session
from asm_async.sql.retention.batches import (
    Rows,
    ThrottledWriter,
    chained,
    grouped,
    has_tag,
    sized_sessions,
)
from asm_async.sql.retention.deleting import remove_part, remove_sessions, soft_delete
from asm_async.sql.transactions.transaction import Transaction
from asm_async.sql.writes.gates import lock_gates
from asm_async.values.retention import Archive, RetentionPolicy
from asm_async.values.session import SessionStatus
from asm_async.values.session_export import SessionExport


def soft_delete_expired_sessions(
    writes: ThrottledWriter, policy: RetentionPolicy, now: datetime
) -> Batches:
    """
    Soft-delete the sessions that are too old by *policy*, a page at a time.

    They are looked for in the order of their coarse times, among all that can have been
    last active before the latest of the moments that count.
    """
    cutoffs = Cutoffs.of(policy, now)
    moments = (cutoffs.active, cutoffs.completed, cutoffs.idle)
    given = [moment for moment in moments if moment is not None]
    if not given:
        return chained([])
    gates = session_sequences
    has_expired = partial(
        _has_expired, policy, cutoffs, dialect=writes.transactions.dialect
    )
    order = [gates.c.active_until, gates.c.session_id]
    query = (
        sa.select(*order, sessions.c.id)
        .join_from(gates, sessions, sessions.c.id == gates.c.session_id)
        .where(
            gates.c.active_until < latest_coarse(max(given)),
            sessions.c.deleted_at.is_(None),
            has_expired(gates.c.updated_at),
        )
    )
    work = partial(_soft_delete_page, at=now, condition=has_expired(rows.LAST_ACTIVITY))
    return writes.write_pages(query, order, sessions_per_batch(policy), work)


def _has_expired(
    policy: RetentionPolicy,
    cutoffs: Cutoffs,
    last_activity: sa.ColumnElement[datetime],
    dialect: Dialect,
) -> sa.ColumnElement[bool]:
    """
    Make the condition that a session is too old, which has been active then.
    """
    exempt = [status.value for status in policy.exempt_statuses]
    over = [status.value for status in SessionStatus if status.is_over]
    is_meant = sessions.c.status.not_in(exempt)
    ages = (
        (cutoffs.active, is_meant),
        (cutoffs.completed, is_meant & sessions.c.status.in_(over)),
        (cutoffs.idle, sa.true()),
    )
    is_too_old = [
        (last_activity < moment) & is_of_these
        for moment, is_of_these in ages
        if moment is not None
    ]
    return sa.or_(*is_too_old) & ~has_tag(sessions.c.id, policy.exempt_tags, dialect)


async def _soft_delete_page(
    page: Rows,
    transaction: Transaction,
    *,
    at: datetime,
    condition: sa.ColumnElement[bool],
) -> int:
    return await soft_delete(transaction, [row.id for row in page], at, condition)


async def hard_delete_expired_sessions(
    writes: ThrottledWriter, policy: RetentionPolicy, now: datetime
) -> Batches:
    """
    Archive and remove the sessions that *policy* keeps no longer, a page at a time.
    """
    cutoff = Cutoffs.of(policy, now).deleted
    if cutoff is None:
        return
    order = [sessions.c.deleted_at, sessions.c.id]
    query = sized_sessions(sessions.c.deleted_at).where(sessions.c.deleted_at < cutoff)
    found = writes.pages(query, order, sessions_per_batch(policy))
    async with aclosing(found):
        async for page in found:
            expired = page
            failures: list[Exception] = []
            if policy.archive is not None:
                expired = [
                    session
                    for session in expired
                    if await _is_archived(writes, policy.archive, session, failures)
                ]
            count = 0
            for group in grouped(expired):
                count += await _remove(writes, group)
            yield Batch(count, failures)


async def _is_archived(
    writes: ThrottledWriter,
    archive: Archive,
    session: sa.Row[*tuple[Any, ...]],
    failures: list[Exception],
) -> bool:
    """
    Archive a session, unless that was done before its removal began.
    """
    if session.state == GateState.DELETING:
        return True
    try:
        export = await _whole_export(writes, session.id)
    except StorageError as error:
        if error.retryable:
            raise
        failures.append(error)
        return False
    if export is None:
        return False
    try:
        await archive(export)
    except Exception as error:  # noqa: BLE001 - it stands in the report
        error.add_note(f"while session {session.id!r} was archived")
        failures.append(error)
        return False
    return True


async def _whole_export(
    writes: ThrottledWriter, session_id: str
) -> SessionExport | None:
    """
    Export a session; None if it is there in part, being removed or imported.
    """
    gates = session_sequences
    query = sa.select(gates.c.state).where(gates.c.session_id == session_id)

    async def read(conn: AsyncConnection) -> SessionExport | None:
        state = await conn.scalar(query)
        if state in {GateState.DELETING, GateState.DELETED, GateState.IMPORTING}:
            return None
        return await export_session(conn, session_id)

    return await writes.transactions.read_snapshot(read)


async def _remove(writes: ThrottledWriter, group: Rows) -> int:
    work = partial(_remove_unchanged, found={session.id: session for session in group})
    while (count := await writes.write(work)) is None:
        pass
    return count


async def _remove_unchanged(
    transaction: Transaction, found: Mapping[str, Any]
) -> int | None:
    """
    Remove sessions and count them, or a part of a single one; None if there is more.
    """
    await lock_gates(transaction, found)
    query = sa.select(sessions.c.id, sessions.c.deleted_at, sessions.c.revision)
    stored = await transaction.conn.execute(
        query.where(transaction.dialect.is_one_of(sessions.c.id, found))
    )
    unchanged = [
        id_
        for id_, *now in stored
        if now == [found[id_].deleted_at, found[id_].revision]
    ]
    if len(found) == 1 and unchanged:
        (session_id,) = unchanged
        is_gone = await remove_part(transaction, session_id)
        return 1 if is_gone else None
    if unchanged:
        await remove_sessions(transaction, unchanged)
    return len(unchanged)
