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

from asm_async.errors import ConflictError
from asm_async.sharding.claims import HOLDING, Claim, claims_in
from asm_async.sharding.copying import (
    MAX_ROWS_UNDER_LOCK,
    Copying,
    check_claim,
    check_mover,
    closing,
    remove_rows,
)
from asm_async.sharding.fences import (
    begin_moving,
    lock_keys,
    moving_keys,
    read_claims,
    set_claims,
    shards,
)
from asm_async.sharding.ids import check_ids, copy_tombstones
from asm_async.sharding.marks import forget_keys, keys_of, mark, moved_keys
from asm_async.sharding.router import LEASE_SECONDS
from asm_async.sharding.shards import ShardState
from asm_async.sql.transactions.transaction import Transaction, Transactions

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


@attrs.define(kw_only=True)
class Move:
    """
    A move under way.
    """

    shard: int
    epoch: int
    source: Transactions
    target: Transactions
    others: Mapping[str, Transactions] = attrs.field(factory=dict[str, Transactions])
    """
    The other primaries, to which the shard is not to be on its way.
    """

    progress: Callable[[MoveReport], object] | None = None
    report: MoveReport = attrs.field(factory=MoveReport)
    _mover: str = attrs.field(init=False, factory=lambda: str(uuid.uuid4()))

    async def run(self) -> MoveReport:
        """
        Move what is left, from whatever step an earlier move came to.
        """
        await self._refuse_others()
        await check_ids(self.source, self.target, self.shard)
        await self._begin()
        # Until then a router may believe that all is still at the source.
        await asyncio.sleep(2 * LEASE_SECONDS)
        if moved := await self._moved_keys():
            await self._open_keys(moved)
            await self._clear(self.source, moved)
        for _ in range(_MAX_LOOKS):
            if not await self._move_keys():
                break
        await self._say(self.source, ShardState.CLOSING, self._is_ours)
        await self._move_keys()
        await copy_tombstones(self.source, self.target)
        await self._say(self.target, ShardState.HERE, self._is_ours, self.epoch + 1)
        await self.finish()
        return self.report

    async def finish(self) -> None:
        """
        Have the source say that it has the shard no more, once the target says it has.
        """
        await self._say(self.source, ShardState.ABSENT, self._is_left)
        # Until then a router may ask which keys have moved.
        await asyncio.sleep(2 * LEASE_SECONDS)
        await self._forget_keys()

    async def abandon(self) -> None:
        """
        Remove what was copied, if nothing has moved yet.
        """
        await self._begin()
        if moved := await self._moved_keys():
            raise ConflictError(
                f"shard {self.shard}: what begins with {min(moved)!r} has arrived"
                " already: finish the move, and move the shard back"
            )
        copied = await self.target.read(partial(keys_of, shard=self.shard))
        await self._clear(self.target, [*copied])
        await self._say(self.source, ShardState.HERE, self._is_ours)
        await self._say(self.target, ShardState.ABSENT, self._is_ours)
        await self._forget_keys()

    @property
    def _is_ours(self) -> sa.ColumnElement[bool]:
        return shards.c.mover == self._mover

    @property
    def _is_left(self) -> sa.ColumnElement[bool]:
        # Not ARRIVING or HERE again, since another has moved it back.
        is_left = shards.c.state.in_([ShardState.CLOSING, ShardState.ABSENT])
        return is_left & (shards.c.epoch == self.epoch)

    async def _begin(self) -> None:
        """
        Take the place of whatever has moved the shard until now.
        """
        is_held = shards.c.state.in_(HOLDING) & (shards.c.epoch == self.epoch)
        await self._say(self.source, ShardState.LEAVING, is_held)
        # Another may have begun since that was asked; from now on it cannot go on.
        await self._refuse_others()
        is_free = shards.c.state.in_([ShardState.ABSENT, ShardState.ARRIVING])
        await self._say(self.target, ShardState.ARRIVING, is_free)

    async def _refuse_others(self) -> None:
        for name, side in self.others.items():
            claims, _ = await side.read(read_claims)
            if claims_in({name: claims}, self.shard, ShardState.ARRIVING):
                raise ConflictError(
                    f"shard {self.shard} is being moved to {name!r}: finish that first"
                )

    async def _moved_keys(self) -> list[str]:
        return await self.source.read(partial(moved_keys, shard=self.shard))

    async def _forget_keys(self) -> None:
        for side in (self.source, self.target):
            forget = partial(forget_keys, shard=self.shard)
            await side.write(forget, is_repeatable=True)

    async def _say(
        self,
        side: Transactions,
        state: ShardState,
        expected: sa.ColumnElement[bool],
        epoch: int | None = None,
    ) -> None:
        """
        Have a primary say so of the shard, if what it says now is as *expected*.
        """
        said = Claim(state, self.epoch if epoch is None else epoch, self._mover)

        async def say(transaction: Transaction) -> None:
            await check_claim(transaction.conn, self.shard, expected)
            if state in {ShardState.LEAVING, ShardState.ARRIVING}:
                await forget_keys(transaction, self.shard)
            await set_claims(transaction.conn, {self.shard: said})

        await side.write(say, is_repeatable=True)

    async def _move_keys(self) -> int:
        """
        Move all keys that are found at the source, and return how many there were.
        """
        sizes = await self.source.read(partial(keys_of, shard=self.shard))
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
        await mark(conn, [key for key in locked if key not in moved], is_moved=False)
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
            await self._clear(self.source, moved)
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
        await mark(conn, locked, is_moved=True)
        await check_mover(conn, self.shard, self._mover)
        return locked

    async def _open_keys(self, keys: list[str]) -> None:
        """
        Let the target be written to for some keys.
        """

        async def open_them(transaction: Transaction) -> None:
            await mark(transaction.conn, keys, is_moved=True)
            await check_mover(transaction.conn, self.shard, self._mover)

        await self.target.write(open_them, is_repeatable=True)

    async def _clear(self, side: Transactions, keys: Sequence[str]) -> None:
        """
        Remove what some keys have left at the source, or copied to the target.
        """
        for first in range(0, len(keys), _KEYS_PER_BATCH):
            part = keys[first : first + _KEYS_PER_BATCH]
            await remove_rows(side, part, self.shard, self._mover)

            async def close(
                transaction: Transaction, part: Sequence[str] = part
            ) -> None:
                await begin_moving(transaction.conn)
                await transaction.conn.execute(closing(part))
                await check_mover(transaction.conn, self.shard, self._mover)

            await side.write(close, is_repeatable=True)

    def _note(self, **progress: Any) -> None:
        self.report = attrs.evolve(self.report, **progress)
        if self.progress is not None:
            self.progress(self.report)
