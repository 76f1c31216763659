"""
How what some shard keys have is copied to another primary, while it is written.

First all of their rows are copied. What is written meanwhile is noted by the triggers
of the source, and copied again until little is left: only for that must writers wait.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

import attrs
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.errors import ConflictError
from asm_async.sharding.fences import (
    PLACES,
    begin_moving,
    changes,
    insert_new,
    last_revision,
    raise_revisions,
    shards,
)
from asm_async.sql.core import tables
from asm_async.sql.core.tables import GateState
from asm_async.sql.transactions.transaction import Transaction, Transactions, prolong

ROWS_PER_BATCH = 500
"""
How many rows are copied in one transaction of the target.
"""

MAX_ROWS_UNDER_LOCK = 1_000
"""
For how many rows writers are kept waiting.
"""

_CHANGES_PER_PASS = 5_000
_CONDITIONS_PER_QUERY = 100

_GATES, _EVENTS, _ITEMS = tables.session_sequences, tables.events, tables.state_items

# Counters come before events: what is pruned after its counter was copied changes it.
TABLES: tuple[sa.Table, ...] = (*PLACES, tables.session_tags, _EVENTS)
"""
All that shard keys have, in the order in which it is copied.
"""


@attrs.frozen
class Changes:
    """
    What was written at the source and is not yet at the target.
    """

    positions: Sequence[int]
    rows: Mapping[sa.Table, Collection[tuple[Any, ...]]]
    """
    The primary keys of the rows that were written.
    """

    gates: Sequence[Mapping[str, Any]]
    """
    The counters among them.
    """

    copied: Mapping[str, int]
    """
    The last number of each session whose events are at the target; none of one whose
    events have to be copied all, since some were removed.
    """

    has_more: bool
    """
    Whether more was noted.
    """

    @property
    def are_few(self) -> bool:
        """
        Whether writers may wait until these are copied.
        """
        return not self.has_more and self.row_count <= MAX_ROWS_UNDER_LOCK

    @property
    def row_count(self) -> int:
        """
        How many rows have to be copied, events too.
        """
        return sum(map(len, self.rows.values())) + self.event_count

    @property
    def event_count(self) -> int:
        """
        How many events have to be copied.
        """
        return sum(
            gate["last_sequence"]
            - self.copied.get(gate["session_id"], gate["pruned_count"])
            for gate in self.gates
        )

    async def forget(self, transaction: Transaction) -> None:
        """
        Remove from the source what was noted.
        """
        position = changes.c.position
        # Which is locked is being noted again.
        old = sa.select(position).where(position.in_(self.positions))
        are_these = position.in_(old.with_for_update(skip_locked=True))
        await transaction.conn.execute(sa.delete(changes).where(are_these))


@attrs.frozen(kw_only=True)
class Copying:
    """
    Copies rows from one primary to another as long as no other mover has begun.
    """

    shard: int
    mover: str
    keys: Sequence[str]
    source: Transactions
    target: Transactions

    async def copy_all(self) -> int:
        """
        Replace what the target has of the keys, and return how many events they have.
        """
        await remove_rows(self.target, self.keys, self.shard, self.mover)

        async def copy(conn: AsyncConnection) -> int:
            counts = {
                table: await self._copy(conn, table, sa.true()) for table in TABLES
            }
            return counts[_EVENTS]

        return await self.source.read(copy)

    async def find_changes(
        self, conn: AsyncConnection, limit: int = _CHANGES_PER_PASS
    ) -> Changes:
        """
        Return what was noted first of what has changed at the source.
        """
        noted = sa.select(changes).where(changes.c.shard == self.shard)
        first = noted.order_by(changes.c.position).limit(limit)
        found = (await conn.execute(first)).all()
        rows: dict[sa.Table, set[tuple[Any, ...]]] = {}
        for table in PLACES:
            size = len(table.primary_key)
            ids = {
                tuple(json.loads(row.identity)[:size])
                for row in found
                if row.relation == table.name
            }
            if ids:
                rows[table] = ids
        query = sa.select(_GATES).where(_has_id(_GATES, rows.get(_GATES, ())))
        gates = [dict(row) for row in (await conn.execute(query)).mappings()]
        there = await self.target.read(partial(_read_copied, gates=gates))
        positions = [row.position for row in found]
        return Changes(positions, rows, gates, there, has_more=len(found) == limit)

    async def copy_changes(self, conn: AsyncConnection, found: Changes) -> None:
        """
        Have the target's rows that were found be those of the source again.
        """
        for table, ids in found.rows.items():
            are_theirs = _has_id(table, ids)
            if table is _GATES:
                await self._copy_events(conn, found)
                await self._replace(table, found.gates, are_theirs)
                continue
            await self._replace(table, (), are_theirs)
            await self._copy(conn, table, are_theirs)
            if table is tables.sessions:
                tags = tables.session_tags
                are_theirs = tags.c.session_id.in_([id_ for (id_,) in ids])
                await self._replace(tags, (), are_theirs)
                await self._copy(conn, tags, are_theirs)

    async def check(self, conn: AsyncConnection) -> None:
        """
        Have the target give no revision that the source has given, if it is still ours.
        """
        revision = await last_revision(conn)

        async def raise_to(transaction: Transaction) -> None:
            await raise_revisions(transaction.conn, revision)
            await check_mover(transaction.conn, self.shard, self.mover)

        await self.target.write(raise_to, is_repeatable=True)

    async def _copy_events(self, conn: AsyncConnection, found: Changes) -> None:
        c = _EVENTS.c
        for gate in found.gates:
            if (session_id := gate["session_id"]) not in found.copied:
                await self._replace(_EVENTS, (), c.session_id == session_id)
                await self._copy(conn, _EVENTS, c.session_id == session_id)
        are_new = [
            (c.session_id == session_id) & (c.sequence_number > last)
            for session_id, last in found.copied.items()
        ]
        # SQLite takes no condition of more than a thousand parts.
        for first in range(0, len(are_new), _CONDITIONS_PER_QUERY):
            part = are_new[first : first + _CONDITIONS_PER_QUERY]
            await self._copy(conn, _EVENTS, sa.or_(*part))

    async def _copy(
        self, conn: AsyncConnection, table: sa.Table, are_wanted: sa.ColumnElement[bool]
    ) -> int:
        """
        Copy rows of one table, a batch in each transaction, and count them.
        """
        # An item gets a revision of its new database.
        columns = [c for c in table.c if table is not _ITEMS or c.name != "revision"]
        query = sa.select(*columns).where(are_wanted, is_of(table, self.keys))
        if table is _EVENTS:
            # So that the target's feed has them in their order.
            query = query.order_by(*table.primary_key)
        count = 0
        async with conn.stream(query) as found:
            async for batch in found.mappings().partitions(ROWS_PER_BATCH):
                prolong(conn)
                rows = [dict(row) for row in batch]
                count += len(rows)
                if table is _ITEMS:
                    await self.check(conn)
                # Done twice, it is as if done once; events never change.
                ids = [tuple(row[c.name] for c in table.primary_key) for row in rows]
                old = sa.false() if table is _EVENTS else _has_id(table, ids)
                await self._replace(table, rows, old)
        return count

    async def _replace(
        self,
        table: sa.Table,
        rows: Sequence[Mapping[str, Any]],
        old: sa.ColumnElement[bool],
    ) -> None:
        async def replace(transaction: Transaction) -> None:
            conn = transaction.conn
            await begin_moving(conn)
            # The same id of a run, say, may be another shard's, which stays.
            await conn.execute(sa.delete(table).where(old, is_of(table, self.keys)))
            await insert_new(conn, table, rows)
            await check_mover(conn, self.shard, self.mover)

        await self.target.write(replace, is_repeatable=True)


async def check_mover(conn: AsyncConnection, shard: int, mover: str) -> None:
    """
    Refuse to go on if another has begun to move the shard, until the transaction ends.

    The row comes after all others: who begins to move locks it last as well.
    """
    await check_claim(conn, shard, shards.c.mover == mover)


async def check_claim(
    conn: AsyncConnection, shard: int, expected: sa.ColumnElement[bool]
) -> None:
    """
    Refuse to go on if a primary does not say what is expected of a shard.
    """
    query = sa.select(shards.c.shard).where(shards.c.shard == shard, expected)
    if await conn.scalar(query.with_for_update(read=True)) is None:
        raise ConflictError(f"shard {shard} is being moved by another process")


async def remove_rows(
    side: Transactions, keys: Sequence[str], shard: int, mover: str
) -> None:
    """
    Remove all that some keys have, but counters, a part in each transaction.
    """
    # A session goes first: of one that is not there nobody reads a part of its events.
    for table in TABLES:
        if table is _GATES:
            continue
        key = sa.tuple_(*table.primary_key)
        some = sa.select(*table.primary_key).where(is_of(table, keys))
        part = sa.delete(table).where(key.in_(some.limit(4 * ROWS_PER_BATCH)))

        async def remove(transaction: Transaction, part: sa.Delete = part) -> int:
            await begin_moving(transaction.conn)
            count = (await transaction.conn.execute(part)).rowcount
            await check_mover(transaction.conn, shard, mover)
            return count

        while await side.write(remove, is_repeatable=True):
            pass


def closing(keys: Sequence[str]) -> sa.Update:
    """
    Return the statement that makes counters those of removed sessions.

    They stay, so that followers of this primary's feed find its history whole.
    """
    gates = tables.session_sequences
    return (
        sa.update(gates)
        .where(is_of(gates, keys))
        .values(
            state=GateState.DELETED.value,
            pruned_count=gates.c.last_sequence,
            active_until=None,
        )
    )


def is_of(table: sa.Table, keys: Sequence[str]) -> sa.ColumnElement[bool]:
    """
    Return whether a row belongs to one of some shard keys.

    Ids are compared by code point, and 0 is the character after the slash.
    """
    first, *others = PLACES.get(table) or (table.c["session_id"],)
    conditions = [_has_key(first, key) for key in keys]
    for other in others:
        conditions += [first.is_(None) & _has_key(other, key) for key in keys]
    return sa.or_(sa.false(), *conditions)


async def _read_copied(
    conn: AsyncConnection, gates: Sequence[Mapping[str, Any]]
) -> dict[str, int]:
    latest = sa.select(sa.func.max(_EVENTS.c.sequence_number))
    latest = latest.where(_EVENTS.c.session_id == _GATES.c.session_id)
    columns = _GATES.c.session_id, _GATES.c.pruned_count, _GATES.c.state
    query = sa.select(*columns, sa.func.coalesce(latest.scalar_subquery(), 0))
    query = query.where(_has_id(_GATES, {(gate["session_id"],) for gate in gates}))
    now = {tuple(gate[column.name] for column in columns) for gate in gates}
    return {
        id_: n for id_, *rest, n in await conn.execute(query) if (id_, *rest) in now
    }


def _has_id(
    table: sa.Table, ids: Collection[tuple[Any, ...]]
) -> sa.ColumnElement[bool]:
    columns: list[sa.Column[Any]] = [*table.primary_key]
    if len(columns) == 1:
        return columns[0].in_([id_ for (id_,) in ids])
    return sa.tuple_(*columns).in_(list(ids))


def _has_key(column: sa.ColumnElement[str], key: str) -> sa.ColumnElement[bool]:
    return (column == key) | ((column >= f"{key}/") & (column < f"{key}0"))
