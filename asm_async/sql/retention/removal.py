"""
How sessions that were soft-deleted long ago are archived and removed for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from datetime import datetime
from functools import partial

import attrs
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.errors import StorageError
from asm_async.ports.maintenance_arguments import Cutoffs, sessions_a_batch
from asm_async.ports.maintenance_run import Batch, Batches
from asm_async.sql.core.session_state import GateState
from asm_async.sql.core.tables import artifacts, runs, session_sequences, sessions
from asm_async.sql.reads.history import export_session
from asm_async.sql.retention.hard_delete import remove_sessions
from asm_async.sql.retention.keyset_pages import groups, pages
from asm_async.sql.retention.removal_in_parts import remove_in_parts
from asm_async.sql.retention.throttled_writer import (
    MAX_ROWS_PER_TRANSACTION,
    ThrottledWriter,
)
from asm_async.sql.transactions.transaction import Transaction
from asm_async.sql.writes.unit_of_work_rows import lock_gates
from asm_async.values.retention import Archive, RetentionPolicy
from asm_async.values.session_export import SessionExport

__all__ = ["hard_delete_expired_sessions"]


@attrs.frozen
class _Doomed:
    """
    A session to be removed, if it still stands as it was found.
    """

    id: str
    deleted_at: datetime
    revision: int
    state: str
    size: int
    """
    About how many rows it has.
    """


async def hard_delete_expired_sessions(
    writes: ThrottledWriter, policy: RetentionPolicy, now: datetime
) -> Batches:
    """
    Remove the sessions that *policy* keeps no longer, a page at a time.
    """
    cutoff = Cutoffs.of(policy, now).deleted
    if cutoff is None:
        return
    order = [sessions.c.deleted_at, sessions.c.id]
    query = _doomed().where(sessions.c.deleted_at < cutoff)
    found = pages(writes.transactions, query, order, sessions_a_batch(policy))
    async with aclosing(found):
        async for page in found:
            doomed = [
                _Doomed(row.id, row.deleted_at, row.revision, row.state, row.size)
                for row in page
            ]
            failures: list[Exception] = []
            if policy.archive is not None:
                doomed = [
                    session
                    for session in doomed
                    if await _is_archived(writes, policy.archive, session, failures)
                ]
            count = 0
            for group in groups(
                doomed, lambda session: session.size, MAX_ROWS_PER_TRANSACTION
            ):
                count += await _remove(writes, group)
            yield Batch(count, failures)


def _doomed() -> sa.Select[datetime, str, int, str, int]:
    gates = session_sequences
    stored = sa.func.coalesce(gates.c.last_sequence - gates.c.pruned_count, 0)
    owned = [
        sa.select(sa.func.count())
        .where(table.c.session_id == sessions.c.id)
        .scalar_subquery()
        for table in (runs, artifacts)
    ]
    return sa.select(
        sessions.c.deleted_at,
        sessions.c.id,
        sessions.c.revision,
        sa.func.coalesce(gates.c.state, GateState.SOFT_DELETED.value).label("state"),
        (stored + owned[0] + owned[1]).label("size"),
    ).outerjoin(gates, gates.c.session_id == sessions.c.id)


async def _is_archived(
    writes: ThrottledWriter,
    archive: Archive,
    session: _Doomed,
    failures: list[Exception],
) -> bool:
    """
    Hand a session to the archive, unless that was done before its removal began.
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
    Export a session; None if another maintainer has begun to remove it in parts.
    """
    gates = session_sequences
    query = sa.select(gates.c.state).where(gates.c.session_id == session_id)

    async def read(conn: AsyncConnection) -> SessionExport | None:
        state = await conn.scalar(query)
        if state in {GateState.DELETING, GateState.DELETED}:
            return None
        return await export_session(conn, session_id)

    return await writes.transactions.read_snapshot(read)


async def _remove(writes: ThrottledWriter, group: Sequence[_Doomed]) -> int:
    """
    Remove those of a group that stand as they were found.

    Returns:
        How many these were.
    """
    if len(group) > 1 or group[0].size <= MAX_ROWS_PER_TRANSACTION:
        return await writes.write(partial(_remove_at_once, group=group))
    (session,) = group
    if await writes.write(partial(_begin_removal, session=session)):
        return await remove_in_parts(writes, session.id)
    return 0


async def _remove_at_once(transaction: Transaction, group: Sequence[_Doomed]) -> int:
    ids = await _unchanged(transaction, group)
    if ids:
        await remove_sessions(transaction, ids)
    return len(ids)


async def _begin_removal(transaction: Transaction, session: _Doomed) -> bool:
    ids, gates = await _unchanged(transaction, [session]), session_sequences
    if ids:
        await transaction.conn.execute(
            sa.update(gates)
            .where(gates.c.session_id.in_(ids))
            .values(state=GateState.DELETING.value)
        )
    return bool(ids)


async def _unchanged(transaction: Transaction, group: Sequence[_Doomed]) -> list[str]:
    """
    Lock sessions and give those that stand as they were found.
    """
    found = {session.id: session for session in group}
    await lock_gates(transaction, found)
    query = sa.select(sessions.c.id, sessions.c.deleted_at, sessions.c.revision)
    rows = await transaction.conn.execute(
        query.where(sessions.c.id.in_(transaction.dialect.members(found)))
    )
    return [
        row.id
        for row in rows
        if (row.deleted_at, row.revision)
        == (found[row.id].deleted_at, found[row.id].revision)
    ]
