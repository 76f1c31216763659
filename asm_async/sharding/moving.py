"""
How a shard is moved from one primary to another, under load.

The rows of some shard keys at a time are moved, with everything they are: sessions,
counters (of removed sessions, too), runs, events, tags, artifacts and state items.
Whatever breaks off between these steps is finished by moving the shard again:

1. The rows are copied to the target, whose fence lets nobody write to them yet. What is
   written to the source meanwhile is noted there, and copied too, until little is left.
2. The source keeps the keys' writers waiting, copies the rest, and is closed for them.
3. The target opens for them, and the source's rows are removed.

So writers wait for a few hundred rows at most, however many there are; but on SQLite,
where all writers of the file wait for each step that writes.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import attrs
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.errors import ConflictError, ValidationError
from asm_async.sharding.copying import (
    MAX_ROWS_UNDER_LOCK,
    Copying,
    check_mover,
    closing,
    copy_tombstones,
    remove_rows,
)
from asm_async.sharding.creating import list_shards
from asm_async.sharding.fences import (
    PLACES,
    Claim,
    begin_moving,
    changes,
    lock_keys,
    moving_keys,
    set_claims,
    shard_in,
    shards,
)
from asm_async.sharding.router import HOLDING, LEASE_SECONDS
from asm_async.sharding.shards import SHARD_COUNT, ShardState, shard_key
from asm_async.sql.core import tables
from asm_async.sql.transactions.transaction import Transaction, Transactions
from asm_async.values import fields

_EVENTS_PER_BATCH = 2_000
_KEYS_PER_BATCH = 50
_MAX_LOOKS = 10

# Writers who have been faster than the mover so often have to wait for parts, too.
_FREE_PASSES = 10


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
    How many events they had when they were first copied.
    """

    longest_pause: float = 0.0
    """
    For how many seconds the writers of a key have waited at most.
    """

    rows_under_lock: int = 0
    """
    How many rows were copied at most while they waited.
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
    _mover: str = attrs.field(init=False, factory=lambda: str(uuid.uuid4()))

    async def run(self, *, is_arrived: bool) -> MoveReport:
        """
        Move what is left, from whatever step an earlier move came to.
        """
        if not is_arrived:
            await self._say(self.target, ShardState.ARRIVING, self.epoch)
            await self._say(self.source, ShardState.LEAVING, self.epoch)
            # Until then a router may believe that all is still at the source.
            await asyncio.sleep(2 * LEASE_SECONDS)
            if moved := await self.source.read(self._moved_keys):
                await self._open_keys(moved)
                await self._clear(moved)
            for _ in range(_MAX_LOOKS):
                if not await self._move_keys():
                    break
            await self._say(self.source, ShardState.CLOSING, self.epoch)
            await self._move_keys()
            await copy_tombstones(self.source, self.target)
            await self._say(self.target, ShardState.HERE, self.epoch + 1)
        await self._say(self.source, ShardState.ABSENT, self.epoch)
        # Until then a router may ask which keys have moved.
        await asyncio.sleep(2 * LEASE_SECONDS)
        for side in (self.source, self.target):
            await side.write(self._forget_keys, is_repeatable=True)
        return self.report

    async def _say(self, side: Transactions, state: ShardState, epoch: int) -> None:
        async def say(transaction: Transaction) -> None:
            if state in {ShardState.CLOSING, ShardState.HERE}:
                await check_mover(transaction.conn, self.shard, self._mover)
            elif state is not ShardState.ABSENT:
                await self._forget_keys(transaction)
            claim = Claim(state, epoch, self._mover)
            await set_claims(transaction.conn, {self.shard: claim})

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
                if size > _EVENTS_PER_BATCH:
                    break
                batch.append(keys.pop())
            await self._move_batch(batch)
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
        # Their counters remain.
        for key in await self._moved_keys(conn):
            sizes.pop(key, None)
        return sizes

    async def _moved_keys(self, conn: AsyncConnection) -> list[str]:
        key = moving_keys.c.key
        are_its = shard_in(conn, key) == self.shard
        query = sa.select(key).where(are_its, moving_keys.c.is_moved)
        return [*await conn.scalars(query)]

    async def _move_batch(self, keys: list[str]) -> None:
        """
        Move all that some keys have.
        """
        while keys:
            begun = await self.source.write(
                partial(self._begin_keys, keys=keys), is_repeatable=True
            )
            keys = [key for key in keys if key not in begun]
            copying = Copying(
                shard=self.shard,
                mover=self._mover,
                keys=[key for key, is_moved in begun.items() if not is_moved],
                source=self.source,
                target=self.target,
            )
            count = await copying.copy_all()
            self._note(event_count=self.report.event_count + count)
            await self._move_copied(copying)

    async def _begin_keys(
        self, transaction: Transaction, keys: list[str]
    ) -> dict[str, bool]:
        """
        Have noted what is written to some keys, and return which have moved already.
        """
        conn = transaction.conn
        locked = await lock_keys(conn, keys)
        query = sa.select(moving_keys.c.key).where(moving_keys.c.is_moved)
        moved = {*await conn.scalars(query.where(moving_keys.c.key.in_(locked)))}
        await _mark(conn, [key for key in locked if key not in moved], is_moved=False)
        return {key: key in moved for key in locked}

    async def _move_copied(self, copying: Copying) -> None:
        """
        Move what some keys have, most of which is copied already.
        """
        keys: list[str] = [*copying.keys]
        passes = 0
        while keys:
            passes += 1
            is_slow = passes > _FREE_PASSES
            found = await self.source.read(copying.find_changes)
            if not (found.are_few or is_slow):
                await self.source.read(partial(copying.copy_changes, found=found))
                await self.source.write(found.forget, is_repeatable=True)
                self._note(event_count=self.report.event_count + found.event_count)
                continue
            began = asyncio.get_running_loop().time()
            close = partial(self._close_keys, copying, keys, is_slow=is_slow)
            moved: list[str] = await self.source.write(close, is_repeatable=True)
            if moved:
                await self._open_keys(moved)
            pause = asyncio.get_running_loop().time() - began
            self._note(
                key_count=self.report.key_count + len(moved),
                longest_pause=max(self.report.longest_pause, pause),
            )
            await self._clear(moved)
            keys = [key for key in keys if key not in moved]

    async def _close_keys(
        self,
        copying: Copying,
        keys: list[str],
        transaction: Transaction,
        *,
        is_slow: bool,
    ) -> list[str]:
        """
        Copy the rest, and let the source be written to no more.

        Returns:
            The keys that were not in use elsewhere; none if the rest is too much. Of
            that a part is copied if writers are faster than the mover.
        """
        conn = transaction.conn
        locked = await lock_keys(conn, keys)
        found = await copying.find_changes(conn, MAX_ROWS_UNDER_LOCK)
        if not (found.are_few or is_slow):
            return []
        await copying.copy_changes(conn, found)
        await found.forget(transaction)
        self._note(
            event_count=self.report.event_count + found.event_count,
            rows_under_lock=max(self.report.rows_under_lock, found.row_count),
        )
        if not found.are_few:
            return []
        await copying.check(conn)
        await _mark(conn, locked, is_moved=True)
        await check_mover(conn, self.shard, self._mover)
        return locked

    async def _open_keys(self, keys: list[str]) -> None:
        """
        Let the target be written to for some keys.
        """

        async def mark(transaction: Transaction) -> None:
            await _mark(transaction.conn, keys, is_moved=True)
            await check_mover(transaction.conn, self.shard, self._mover)

        await self.target.write(mark, is_repeatable=True)

    async def _clear(self, keys: list[str]) -> None:
        """
        Remove what some keys have left at the source.
        """
        for first in range(0, len(keys), _KEYS_PER_BATCH):
            part = keys[first : first + _KEYS_PER_BATCH]
            await remove_rows(self.source, part, self.shard, self._mover)

            async def close(
                transaction: Transaction, part: Sequence[str] = part
            ) -> None:
                await begin_moving(transaction.conn)
                await transaction.conn.execute(closing(part))
                await check_mover(transaction.conn, self.shard, self._mover)

            await self.source.write(close, is_repeatable=True)

    def _note(self, **progress: Any) -> None:
        self.report = attrs.evolve(self.report, **progress)
        if self.progress is not None:
            self.progress(self.report)

    async def _forget_keys(self, transaction: Transaction) -> None:
        """
        Forget which keys have moved, unless the shard is being moved here.
        """
        conn = transaction.conn
        query = sa.select(shards.c.state).where(shards.c.shard == self.shard)
        state = await conn.scalar(query.with_for_update(read=True))
        if state in {ShardState.HERE, ShardState.ABSENT}:
            are_its = shard_in(conn, moving_keys.c.key) == self.shard
            await conn.execute(sa.delete(moving_keys).where(are_its))
            await conn.execute(sa.delete(changes).where(changes.c.shard == self.shard))


async def _mark(conn: AsyncConnection, keys: Sequence[str], *, is_moved: bool) -> None:
    """
    Note that what some keys have is being copied, or is moved.
    """
    are_theirs = moving_keys.c.key.in_(keys)
    await conn.execute(sa.delete(moving_keys).where(are_theirs))
    rows = [{"key": key, "is_moved": is_moved} for key in keys]
    if rows:
        await conn.execute(sa.insert(moving_keys), rows)
