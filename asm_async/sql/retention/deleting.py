"""
How sessions are marked as deleted, restored, and removed for good.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, cast

import attrs
import sqlalchemy as sa

from asm_async.errors import SessionNotFoundError
from asm_async.sql.core import rows, tables
from asm_async.sql.core.tables import GateState
from asm_async.sql.retention.batches import MAX_ROWS_PER_TRANSACTION
from asm_async.sql.transactions.transaction import Transaction
from asm_async.sql.writes.gates import lock_gates
from asm_async.sql.writes.unit_of_work import Gate, UnitOfWork
from asm_async.values.session import Session

# What tells the rows of one session apart in each table that may hold many of them.
_ROW_KEYS: tuple[sa.Column[int] | sa.Column[str], ...] = (
    tables.events.c.sequence_number,
    tables.runs.c.id,
    tables.artifacts.c.id,
    tables.state_items.c.revision,
)

# What is found of a session by its id alone.
_HEADS: tuple[sa.Column[str], ...] = (
    tables.session_tags.c.session_id,
    tables.sessions.c.id,
)


async def soft_delete(
    transaction: Transaction,
    session_ids: Collection[str],
    at: datetime,
    condition: sa.ColumnElement[bool] | None = None,
) -> int:
    """
    Mark sessions that live as deleted, close their counters, and count them.

    A session's row must meet *condition* as well, now that it is locked.
    """
    await lock_gates(transaction, session_ids)
    sessions, gates = tables.sessions, tables.session_sequences
    is_one_of = transaction.dialect.is_one_of
    mark = (
        sa.update(sessions)
        .where(is_one_of(sessions.c.id, session_ids), sessions.c.deleted_at.is_(None))
        .values(deleted_at=at)
        .returning(sessions.c.id)
    )
    if condition is not None:
        mark = mark.where(condition)
    marked = (await transaction.conn.execute(mark)).scalars().all()
    if marked:
        is_live = gates.c.state == GateState.LIVE.value
        are_theirs = is_one_of(gates.c.session_id, marked) & is_live
        await set_gates(transaction, are_theirs, GateState.SOFT_DELETED)
    return len(marked)


async def set_gates(
    transaction: Transaction,
    condition: sa.ColumnElement[bool],
    state: GateState,
    **values: sa.ColumnElement[Any],
) -> int:
    """
    Open or close the counters that meet *condition*, and count them.

    That is no activity of the session's.
    """
    change = sa.update(tables.session_sequences).where(condition)
    change = change.values(state=state.value, **values)
    return (await transaction.conn.execute(change)).rowcount


async def restore(
    transaction: Transaction, session_id: str, tenant: str | None
) -> Session:
    """
    Undo a session's soft deletion, if it was not removed in part already.

    Raises:
        SessionNotFoundError: If there is no such session, or only a part of it, or it
            is not of the *tenant* that is expected.
    """
    gate = (await lock_gates(transaction, {session_id})).get(session_id)
    await stored_session(transaction, session_id, tenant)
    if gate is not None and gate.state in {GateState.DELETING, GateState.IMPORTING}:
        raise SessionNotFoundError(session_id)
    sessions = tables.sessions
    await transaction.conn.execute(
        sa.update(sessions).where(sessions.c.id == session_id).values(deleted_at=None)
    )
    if gate is not None and gate.state is GateState.SOFT_DELETED:
        is_its = tables.session_sequences.c.session_id == session_id
        await set_gates(transaction, is_its, GateState.LIVE)
    return await stored_session(transaction, session_id, tenant)


async def stored_session(
    transaction: Transaction, session_id: str, tenant: str | None
) -> Session:
    """
    Read a session within the transaction that changes it.

    Raises:
        SessionNotFoundError: If there is none, or it is not of the *tenant* that is
            expected.
    """
    query = sa.select(*rows.SESSION_COLUMNS).where(tables.sessions.c.id == session_id)
    if tenant is not None:
        query = query.where(tables.sessions.c.tenant_id == tenant)
    row = (await transaction.conn.execute(query)).one_or_none()
    if row is None:
        raise SessionNotFoundError(session_id)
    return rows.session_of(row)


@attrs.define
class HardDeletion:
    """
    The removal of one session, in as many transactions as it takes.

    Each may be repeated: what was removed is known by its revision, which no session
    that is begun under the id meanwhile can have.
    """

    session_id: str
    expected_tenant: str | None = None
    _revision: int | None = attrs.field(init=False, default=None)
    """
    That of the session which the latest try has removed, if it was committed.
    """

    async def go_on(self, transaction: Transaction) -> bool:
        """
        Remove the session, whatever its state, or a part of one that has many rows.

        The first part takes the session itself along, so that from then on nobody finds
        it. An unknown one has nothing to remove.

        Returns:
            Whether the session is gone.

        Raises:
            SessionNotFoundError: If the expected tenant has no such session.
        """
        gate = (await lock_gates(transaction, {self.session_id})).get(self.session_id)
        if gate is not None and self._is_begun(gate):
            is_going = gate.state is GateState.DELETING
            return not is_going or await remove_part(transaction, self.session_id)
        unit = UnitOfWork(gates={} if gate is None else {gate.session_id: gate})
        unit.check_tenant(self.session_id, self.expected_tenant)
        sessions = tables.sessions.c
        query = sa.select(sessions.revision).where(sessions.id == self.session_id)
        self._revision = await transaction.conn.scalar(query)
        await _remove_heads(transaction, {self.session_id})
        return await remove_part(transaction, self.session_id)

    def _is_begun(self, gate: Gate) -> bool:
        return self._revision is not None and gate.session_revision >= self._revision


async def finish_removal(transaction: Transaction, session_id: str) -> bool:
    """
    Remove some of what is left of a session whose removal was broken off.

    Returns:
        Whether nothing is left, or somebody else was faster.
    """
    gate = (await lock_gates(transaction, {session_id})).get(session_id)
    if gate is None or gate.state is not GateState.DELETING:
        return True
    return await remove_part(transaction, session_id)


async def remove_part(
    transaction: Transaction, session_id: str, removed: Counter[str] | None = None
) -> bool:
    """
    Remove some rows of a session that is locked, or what is left of it.

    At each commit its latest number is its stored and its pruned events together. From
    the first part on it is closed to writers and cannot be restored, so that whatever
    breaks off here is for the next call to finish.

    Args:
        transaction: In which the session is locked.

        session_id: Which one.

        removed: Where rows are counted, by table.

    Returns:
        Whether the session is gone.
    """
    left = MAX_ROWS_PER_TRANSACTION
    pruned = 0
    removed = Counter[str]() if removed is None else removed
    for key in _ROW_KEYS:
        is_its = key.table.c.session_id == session_id
        part = sa.select(key).where(is_its).limit(left)
        count = await _remove_rows(transaction, key.table, is_its & key.in_(part))
        removed[key.table.name] += count
        left -= count
        pruned += count if key.table is tables.events else 0
        if not left:
            gates = tables.session_sequences
            await transaction.conn.execute(
                sa.update(gates)
                .where(gates.c.session_id == session_id)
                .values(
                    state=GateState.DELETING.value,
                    pruned_count=gates.c.pruned_count + pruned,
                )
            )
            return False
    await remove_sessions(transaction, {session_id}, removed)
    return True


async def remove_sessions(
    transaction: Transaction,
    session_ids: Collection[str],
    removed: Counter[str] | None = None,
) -> None:
    """
    Delete the rows of sessions that are locked, and close their counters.

    The counter rows stay as tombstones, all their events counted as pruned, so that
    neither a number nor a revision is ever used twice. The contents of artifacts are
    removed where they lie. *removed* counts rows, as :func:`remove_part` does.
    """
    is_one_of = transaction.dialect.is_one_of
    removed = Counter[str]() if removed is None else removed
    for key in _ROW_KEYS:
        table = key.table
        are_theirs = is_one_of(table.c.session_id, session_ids)
        removed[table.name] += await _remove_rows(transaction, table, are_theirs)
    removed += await _remove_heads(transaction, session_ids)
    gates = tables.session_sequences
    is_open = gates.c.state != GateState.DELETED.value
    await set_gates(
        transaction,
        is_one_of(gates.c.session_id, session_ids) & is_open,
        GateState.DELETED,
        pruned_count=gates.c.last_sequence,
        active_until=sa.null(),
    )


async def _remove_heads(
    transaction: Transaction, session_ids: Collection[str]
) -> Counter[str]:
    """
    Delete what is found by a session's id alone, and remember its last revision.

    Returns:
        How many rows that were, by table.
    """
    gates, sessions = tables.session_sequences, tables.sessions
    is_one_of = transaction.dialect.is_one_of
    revision = sa.select(sessions.c.revision).where(sessions.c.id == gates.c.session_id)
    has_session = sa.exists().where(sessions.c.id == gates.c.session_id)
    await transaction.conn.execute(
        sa.update(gates)
        .where(is_one_of(gates.c.session_id, session_ids), has_session)
        .values(session_revision=revision.scalar_subquery())
    )
    removed = Counter[str]()
    for column in _HEADS:
        delete = sa.delete(column.table).where(is_one_of(column, session_ids))
        count = (await transaction.conn.execute(delete)).rowcount
        removed[column.table.name] += count
    return removed


async def _remove_rows(
    transaction: Transaction, table: sa.FromClause, condition: sa.ColumnElement[bool]
) -> int:
    """
    Remove rows of one table, remember the revisions of runs among them, and count them.
    """
    delete = sa.delete(cast("sa.Table", table)).where(condition)
    if table is not tables.runs:
        return (await transaction.conn.execute(delete)).rowcount
    runs = tables.runs.c
    returning = delete.returning(runs.id, runs.session_id, runs.revision)
    removed = (await transaction.conn.execute(returning)).all()
    if removed:
        await _bury_runs(transaction, removed)
    return len(removed)


async def _bury_runs(
    transaction: Transaction, removed: Sequence[Sequence[Any]]
) -> None:
    """
    Remember the last revisions of runs, in place of those of an earlier life.

    Args:
        transaction: In which they are removed.

        removed: The id, the session and the revision of each.
    """
    tombstones, gates = tables.run_tombstones, tables.session_sequences
    ids = [run_id for run_id, _, _ in removed]
    is_one = transaction.dialect.is_one_of(tombstones.c.run_id, ids)
    await transaction.conn.execute(sa.delete(tombstones).where(is_one))
    tenant_id = (
        sa.select(gates.c.tenant_id)
        .where(gates.c.session_id == sa.bindparam("of_session"))
        .scalar_subquery()
    )
    await transaction.conn.execute(
        sa.insert(tombstones).values(
            run_id=sa.bindparam("of_run"),
            tenant_id=tenant_id,
            revision=sa.bindparam("of_revision"),
        ),
        [
            {"of_run": run_id, "of_session": session_id, "of_revision": revision}
            for run_id, session_id, revision in removed
        ],
    )
