"""
How a shard is moved from one primary to another, under load.

The rows of one shard key at a time are moved, with everything they are: sessions,
counters (of removed sessions, too), runs, events, tags, artifacts and state items. For
each key there are three transactions, and whatever breaks off between them is finished
by moving the shard again:

1. The rows are copied to the target, whose fence lets nobody write to them yet.
2. They are removed from the source, which at the same moment is closed for the key.
3. The target opens for it.

While the first two last the source holds the key's lock, so that the key's writers
wait; nobody else does, but on SQLite, where all writers of the file wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import attrs
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.errors import ConflictError, ValidationError
from asm_async.sharding.creating import list_shards
from asm_async.sharding.fences import (
    PLACES,
    Claim,
    begin_moving,
    last_revision,
    lock_keys,
    moved_keys,
    raise_revisions,
    set_claims,
    shard_in,
)
from asm_async.sharding.router import HOLDING, LEASE_SECONDS
from asm_async.sharding.shards import SHARD_COUNT, ShardState, shard_key
from asm_async.sql.core import tables
from asm_async.sql.core.tables import GateState
from asm_async.sql.transactions.transaction import Transaction, Transactions, prolong
from asm_async.values import fields

EVENTS_PER_BATCH = 2_000
"""
About how many events are moved at once; a key that has more is moved by itself.
"""

_KEYS_PER_BATCH = 50

_MAX_LOOKS = 10

# The rows that are found by a session's id alone.
_OF_SESSIONS = (tables.session_tags, tables.events)

_TABLES = (*PLACES, *_OF_SESSIONS)


@attrs.frozen(kw_only=True)
class MoveReport:
    """
    The progress of a move.
    """

    key_count: int = 0
    """
    How many shard keys were moved.
    """

    event_count: int = 0
    """
    How many events they have.
    """

    longest_pause: float = 0.0
    """
    For how many seconds the writers of a key have waited at most.
    """


async def move_shard(
    engines: Mapping[str, AsyncEngine],
    shard: int,
    target: str,
    *,
    timeout: float = 30.0,
    progress: Callable[[MoveReport], object] | None = None,
) -> MoveReport:
    """
    Move one logical shard to another primary, while others read and write.

    It can be cancelled, and killed, at any time: move it to the same target again to
    finish. Until then what had arrived is there, and what had not is where it was.

    Args:
        engines: All primaries by name, for a role that owns the tables, made by
            :func:`shard_engine` with *is_mover*.

        shard: Which one, from 0 to 255.

        target: The name of the primary to move it to.

        timeout: As for :class:`~asm_async.sql.SQLPorts`.

        progress: Called after each batch; not awaited.

    Raises:
        ValidationError: If there is no such shard or primary.

        ConflictError: If the shard is being moved elsewhere.
    """
    if fields.count(shard, "shard") >= SHARD_COUNT:
        raise ValidationError(f"shard: expected 0 to {SHARD_COUNT - 1}, got {shard}")
    if target not in engines:
        raise ValidationError(
            f"target: expected one of {', '.join(engines)}, got {target!r}"
        )
    claims = {
        name: said.get(shard, Claim(ShardState.ABSENT))
        for name, said in (await list_shards(engines, timeout=timeout)).items()
    }
    arriving = [name for name in claims if claims[name].state is ShardState.ARRIVING]
    if arriving not in ([], [target]):
        raise ConflictError(
            f"shard {shard} is being moved to {arriving[0]!r}: finish that first"
        )
    # After the target has opened, a source that is still closing has nothing left.
    held = [name for name in claims if name != target and claims[name].state in HOLDING]
    if not held:
        return MoveReport()
    move = Move(
        shard=shard,
        epoch=claims[held[0]].epoch,
        source=Transactions(engines[held[0]], timeout),
        target=Transactions(engines[target], timeout),
        progress=progress,
    )
    return await move.run(is_arrived=claims[target].state is ShardState.HERE)


@attrs.define(kw_only=True)
class Move:
    """
    A move under way.
    """

    shard: int
    epoch: int
    source: Transactions
    target: Transactions
    progress: Callable[[MoveReport], object] | None
    report: MoveReport = attrs.field(factory=MoveReport)

    async def run(self, *, is_arrived: bool) -> MoveReport:
        """
        Move what is left, from whatever step an earlier move came to.
        """
        if not is_arrived:
            await self._say(self.target, ShardState.ARRIVING, self.epoch)
            await self._say(self.source, ShardState.LEAVING, self.epoch)
            # Until then a router may believe that all is still at the source.
            await asyncio.sleep(2 * LEASE_SECONDS)
            for _ in range(_MAX_LOOKS):
                if not await self._move_keys():
                    break
            await self._say(self.source, ShardState.CLOSING, self.epoch)
            await self._move_keys()
            await self._move_tombstones()
            await self._say(self.target, ShardState.HERE, self.epoch + 1)
        await self._say(self.source, ShardState.ABSENT, self.epoch)
        # Until then a router may ask which keys have moved.
        await asyncio.sleep(2 * LEASE_SECONDS)
        for side in (self.source, self.target):
            await side.write(self._forget_keys, is_repeatable=True)
        return self.report

    async def _say(self, side: Transactions, state: ShardState, epoch: int) -> None:
        async def say(transaction: Transaction) -> None:
            await set_claims(transaction.conn, {self.shard: Claim(state, epoch)})

        await side.write(say, is_repeatable=True)

    async def _move_keys(self) -> int:
        """
        Move all keys that are found at the source, and return how many there were.
        """
        sizes = await self.source.read(self._find_keys)
        keys = list(sizes)
        while keys:
            batch = [keys.pop()]
            size = sizes[batch[0]]
            while keys and len(batch) < _KEYS_PER_BATCH:
                size += sizes[keys[-1]]
                if size > EVENTS_PER_BATCH:
                    break
                batch.append(keys.pop())
            began = asyncio.get_running_loop().time()
            moved = await self._move_batch(batch)
            pause = asyncio.get_running_loop().time() - began
            keys += [key for key in batch if key not in moved]
            self.report = attrs.evolve(
                self.report,
                key_count=self.report.key_count + len(moved),
                event_count=self.report.event_count + sum(sizes[key] for key in moved),
                longest_pause=max(self.report.longest_pause, pause),
            )
            if self.progress is not None:
                self.progress(self.report)
        return len(sizes)

    async def _find_keys(self, conn: AsyncConnection) -> dict[str, int]:
        """
        Return the shard's keys that are at the source, with how many events each has.
        """
        sizes: dict[str, int] = {}
        for table, columns in PLACES.items():
            place = sa.func.coalesce(*columns, None)
            size: sa.ColumnElement[int] = sa.literal(0)
            if table is tables.session_sequences:
                size = table.c.last_sequence - table.c.pruned_count
            query = sa.select(place, size).where(shard_in(conn, place) == self.shard)
            for id_, count in await conn.execute(query):
                key = shard_key(id_)
                sizes[key] = sizes.get(key, 0) + count
        # What the counters of moved sessions remain for is said at their end.
        for key in await conn.scalars(sa.select(moved_keys.c.key)):
            sizes.pop(key, None)
        return sizes

    async def _move_batch(self, keys: list[str]) -> list[str]:
        """
        Move all that some keys have, and return those that were not in use elsewhere.
        """

        async def move(transaction: Transaction) -> list[str]:
            conn = transaction.conn
            await begin_moving(conn)
            locked = await lock_keys(conn, keys)
            gone = sa.select(moved_keys.c.key).where(moved_keys.c.key.in_(locked))
            here = sorted({*locked} - {*await conn.scalars(gone)})
            await self.target.write(partial(self._copy, conn, here), is_repeatable=True)
            for table in _TABLES:
                if table is not tables.session_sequences:
                    await conn.execute(sa.delete(table).where(_is_of(table, here)))
            await conn.execute(_closing(here))
            await _mark(conn, here)
            return locked

        moved = await self.source.write(move, is_repeatable=True)
        await self._open_keys(moved)
        return moved

    async def _open_keys(self, keys: list[str]) -> None:
        """
        Let the target be written to for some keys.
        """

        async def mark(transaction: Transaction) -> None:
            await _mark(transaction.conn, keys)

        await self.target.write(mark, is_repeatable=True)

    async def _copy(
        self, source: AsyncConnection, keys: list[str], transaction: Transaction
    ) -> None:
        """
        Replace what an interrupted move may have left of some keys by what there is.
        """
        conn = transaction.conn
        await begin_moving(conn)
        for table in _TABLES:
            is_theirs = _is_of(table, keys)
            await conn.execute(sa.delete(table).where(is_theirs))
            query = sa.select(*_copied(table)).where(is_theirs)
            async with source.stream(query) as found:
                async for rows in found.mappings().partitions(EVENTS_PER_BATCH):
                    prolong(source)
                    prolong(conn)
                    if table is tables.state_items:
                        await raise_revisions(conn, await last_revision(source))
                    await conn.execute(sa.insert(table), [dict(row) for row in rows])

    async def _move_tombstones(self) -> None:
        """
        Let the target know the last revisions of all runs that the source has removed.

        They do not say in which sessions the runs were.
        """
        tombstones = tables.run_tombstones

        async def copy(transaction: Transaction, rows: Sequence[Any]) -> None:
            ids = [row.run_id for row in rows]
            is_known = tombstones.c.run_id.in_(ids)
            query = sa.select(tombstones.c.run_id).where(is_known)
            known = {*await transaction.conn.scalars(query)}
            new = [row._asdict() for row in rows if row.run_id not in known]
            if new:
                await transaction.conn.execute(sa.insert(tombstones), new)

        async def read(conn: AsyncConnection, after: str) -> Sequence[Any]:
            query = sa.select(tombstones).where(tombstones.c.run_id > after)
            page = query.order_by(tombstones.c.run_id).limit(EVENTS_PER_BATCH)
            return (await conn.execute(page)).all()

        after = ""
        while rows := await self.source.read(partial(read, after=after)):
            await self.target.write(partial(copy, rows=rows), is_repeatable=True)
            after = rows[-1].run_id

    async def _forget_keys(self, transaction: Transaction) -> None:
        is_its = shard_in(transaction.conn, moved_keys.c.key) == self.shard
        await transaction.conn.execute(sa.delete(moved_keys).where(is_its))


async def _mark(conn: AsyncConnection, keys: list[str]) -> None:
    """
    Note that what some keys have is moved.
    """
    is_theirs = moved_keys.c.key.in_(keys)
    await conn.execute(sa.delete(moved_keys).where(is_theirs))
    if keys:
        await conn.execute(sa.insert(moved_keys), [{"key": key} for key in keys])


def _is_of(table: sa.Table, keys: Sequence[str]) -> sa.ColumnElement[bool]:
    """
    Return whether a row belongs to one of some shard keys.

    Ids are compared by code point, and 0 is the character after the slash.
    """
    first, *others = PLACES.get(table) or (table.c["session_id"],)
    conditions = [_has_key(first, key) for key in keys]
    for other in others:
        conditions += [first.is_(None) & _has_key(other, key) for key in keys]
    return sa.or_(sa.false(), *conditions)


def _closing(keys: Sequence[str]) -> sa.Update:
    """
    Return the statement that makes counters those of removed sessions.

    They stay, so that followers of this primary's feed find its history whole.
    """
    gates = tables.session_sequences
    return (
        sa.update(gates)
        .where(_is_of(gates, keys))
        .values(
            state=GateState.DELETED.value,
            pruned_count=gates.c.last_sequence,
            active_until=None,
        )
    )


def _has_key(column: sa.ColumnElement[str], key: str) -> sa.ColumnElement[bool]:
    return (column == key) | ((column >= f"{key}/") & (column < f"{key}0"))


def _copied(table: sa.Table) -> list[sa.Column[Any]]:
    """
    Return the columns that are copied: an item gets a revision of its new database.
    """
    return [
        column
        for column in table.c
        if table is not tables.state_items or column.name != "revision"
    ]
