"""
How an SQL database finds, closes and removes the sessions that are erased.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from typing import Any

import attrs
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.fronts.erasing import NOBODY, ErasureFilter, Member, parts_of
from asm_async.fronts.maintenance import Batches
from asm_async.ports.session_store import MAX_SESSIONS_PER_BATCH
from asm_async.sql.core import tables
from asm_async.sql.core.column_types import is_behind
from asm_async.sql.core.tables import GateState, artifacts, session_sequences, sessions
from asm_async.sql.retention.batches import (
    Rows,
    ThrottledWriter,
    grouped,
    sized_sessions,
)
from asm_async.sql.retention.deleting import (
    remove_part,
    remove_sessions,
    set_gates,
    soft_delete,
)
from asm_async.sql.retention.orphans import finish_removals
from asm_async.sql.transactions.transaction import Transaction
from asm_async.sql.writes.gates import lock_gates
from asm_async.values.maintenance import ErasureReport

_MAX_CHECKSUMS = 1_000

_MEMBER: tuple[sa.Column[Any], ...] = (
    sessions.c.id,
    sessions.c.tenant_id,
    sessions.c.user_id,
)


@attrs.frozen
class SQLErasure:
    """
    What an SQL database does of an erasure.

    Closed is a session that is being removed in parts, of which not a part need be gone
    yet: it is soft-deleted, and its counter says so.
    """

    writes: ThrottledWriter
    now: datetime
    tell_of: Callable[[str], None]
    """
    Wakes those who wait for a session.
    """

    def finish_removals(self) -> Batches:
        """
        Finish the removals that were broken off, part by part.
        """
        return finish_removals(self.writes, MAX_SESSIONS_PER_BATCH)

    async def find(self, wanted: ErasureFilter) -> AsyncGenerator[Sequence[Member]]:
        """
        Yield the sessions that are to be erased now.
        """
        is_one_of = self.writes.transactions.dialect.is_one_of
        conditions = [
            column == value
            for column, value in (
                (sessions.c.tenant_id, wanted.tenant_id),
                (sessions.c.user_id, wanted.user_id),
            )
            if value is not None
        ]
        if wanted.session_ids is None:
            # In the order of the indexes of tenants and users.
            order = [sessions.c.created_at, sessions.c.id]
            places = [(order, conditions)]
        else:
            places = [
                ([sessions.c.id], [*conditions, is_one_of(sessions.c.id, part)])
                for part in parts_of(sorted(wanted.session_ids))
            ]
        for order, condition in places:
            async with aclosing(self._pages(order, condition)) as pages:
                async for page in pages:
                    yield [Member(*tuple(row)[len(order) - 1 :]) for row in page]

    async def _pages(
        self,
        order: Sequence[sa.Column[Any]],
        conditions: Sequence[sa.ColumnElement[bool]],
    ) -> AsyncGenerator[Rows]:
        """
        Read pages of sessions, up to the one that is the last now.
        """
        descending = [column.desc() for column in order]
        last = sa.select(*order).where(*conditions).order_by(*descending).limit(1)
        for end in await self._read(last):
            query = sa.select(*order, *_MEMBER[1:]).where(
                *conditions, ~is_behind(end, order)
            )
            found = self.writes.pages(query, order, MAX_SESSIONS_PER_BATCH)
            async with aclosing(found):
                async for page in found:
                    yield page

    async def children_of(
        self, parent_ids: Sequence[str]
    ) -> Sequence[tuple[str, Member]]:
        """
        Find the children of some sessions.
        """
        parent_id = sessions.c.parent_session_id
        are_children = self.writes.transactions.dialect.is_one_of(parent_id, parent_ids)
        query = sa.select(parent_id, *_MEMBER).where(are_children)
        return [
            (parent, Member(*member)) for parent, *member in await self._read(query)
        ]

    async def close(self, members: Sequence[Member]) -> Sequence[str]:
        """
        Keep writers out of some sessions, for good.
        """
        found = {member.id: member for member in members}
        return await self.writes.write(partial(_close, found=found, at=self.now))

    async def contents_of(
        self, session_ids: Sequence[str]
    ) -> AsyncGenerator[Sequence[tuple[str, bool]]]:
        """
        Yield the checksums that closed sessions name, and whether others do.
        """
        is_one_of = self.writes.transactions.dialect.is_one_of
        checksum, other = artifacts.c.checksum_sha256, artifacts.alias("other")
        is_others = other.c.session_id.is_(None) | ~is_one_of(
            other.c.session_id, session_ids
        )
        names_it = other.c.checksum_sha256 == checksum
        query = (
            sa.select(checksum, sa.exists().where(names_it, is_others))
            .where(is_one_of(artifacts.c.session_id, session_ids))
            .group_by(checksum)
        )
        found = self.writes.pages(query, [checksum], _MAX_CHECKSUMS)
        async with aclosing(found):
            async for page in found:
                yield [(row[0], bool(row[1])) for row in page]

    async def remove(self, session_ids: Sequence[str]) -> AsyncGenerator[ErasureReport]:
        """
        Remove closed sessions, and count what they had.
        """
        are_these = self.writes.transactions.dialect.is_one_of(
            sessions.c.id, session_ids
        )
        query = sized_sessions().where(are_these).order_by(sessions.c.id)
        for group in grouped(await self._read(query)):
            ids = [session.id for session in group]
            is_gone = False
            while not is_gone:
                is_gone, removed = await self.writes.write(partial(_remove, ids=ids))
                yield _counted(removed)
            for session_id in ids:
                self.tell_of(session_id)

    async def _read(self, query: sa.Select[*tuple[Any, ...]]) -> Rows:
        async def read(conn: AsyncConnection) -> Rows:
            return (await conn.execute(query)).all()

        return await self.writes.transactions.read(read)


async def _close(
    transaction: Transaction, found: Mapping[str, Member], at: datetime
) -> list[str]:
    await lock_gates(transaction, found)
    is_one_of = transaction.dialect.is_one_of
    query = sa.select(*_MEMBER).where(is_one_of(sessions.c.id, found))
    members = [Member(*row) for row in await transaction.conn.execute(query)]
    unchanged = [member.id for member in members if member == found[member.id]]
    if unchanged:
        await soft_delete(transaction, unchanged, at)
        are_theirs = is_one_of(session_sequences.c.session_id, unchanged)
        await set_gates(transaction, are_theirs, GateState.DELETING)
    return unchanged


async def _remove(
    transaction: Transaction, ids: Sequence[str]
) -> tuple[bool, Counter[str]]:
    """
    Remove closed sessions, or a part of a single one, and count the rows by table.

    One that somebody else has removed meanwhile is left alone, and so is what was begun
    under its id.

    Returns:
        Whether they are gone, and the counts.
    """
    removed = Counter[str]()
    gates = await lock_gates(transaction, ids)
    closed = [
        id_ for id_ in ids if id_ not in gates or gates[id_].state is GateState.DELETING
    ]
    if not closed:
        return True, removed
    is_theirs = transaction.dialect.is_one_of(session_sequences.c.session_id, closed)
    # From here the tombstones of runs have the tenant, too.
    values = {"tenant_id": NOBODY, "updated_at": datetime.now(UTC)}
    await transaction.conn.execute(
        sa.update(session_sequences).where(is_theirs).values(values)
    )
    if len(ids) == 1:
        return await remove_part(transaction, closed[0], removed), removed
    await remove_sessions(transaction, closed, removed)
    return True, removed


def _counted(removed: Counter[str]) -> ErasureReport:
    return ErasureReport(
        session_count=removed[tables.sessions.name],
        run_count=removed[tables.runs.name],
        event_count=removed[tables.events.name],
        item_count=removed[tables.state_items.name],
        artifact_count=removed[tables.artifacts.name],
    )
