"""
A mover that is killed, slow or not alone loses nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import (
    ConflictError,
    StorageError,
)
from asm_async.sharding import (
    ShardedPorts,
    ShardState,
    abandon_move,
    copying,
    move_shard,
    moving,
    router,
)
from asm_async.sql.transactions.transaction import Transaction, Transactions
from asm_async.testing.factories import (
    make_event,
)
from tests.integration.sharding.broken_off import (
    SHARD,
    SOURCE,
    TARGET,
    BrokenOffError,
    break_off_move,
)
from tests.integration.sharding.filled import check, fill, states

T = TypeVar("T")

_HERE, _ABSENT = ShardState.HERE, ShardState.ABSENT


async def test_a_mover_may_be_killed_after_any_of_its_writes(
    ports: ShardedPorts,
    movers: Mapping[str, AsyncEngine],
    urls: Mapping[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    Whoever then finishes, abandons or moves it elsewhere has all of it in one place.
    """
    monkeypatch.setattr(moving, "LEASE_SECONDS", 0.01)
    monkeypatch.setattr(router, "LEASE_SECONDS", 0.005)
    await fill(ports)
    write = Transactions.write
    is_over = False
    kills = writes = 0
    # The steps are the same on both, and servers take longer for each.
    stride = 4 if urls[SOURCE].startswith("postgresql") else 1

    async def write_and_break_off(
        self: Transactions,
        work: Callable[[Transaction], Awaitable[T]],
        *,
        is_repeatable: bool,
    ) -> T:
        nonlocal writes
        result = await write(self, work, is_repeatable=is_repeatable)
        writes += 1
        if writes == kills:
            raise BrokenOffError
        return result

    while not is_over:
        kills, writes = kills + stride, 0
        said = await states(movers)
        home = next(name for name in said if said[name] is _HERE)
        first, second = (name for name in said if name != home)
        with monkeypatch.context() as patched:
            patched.setattr(Transactions, "write", write_and_break_off)
            try:
                await move_shard(movers, SHARD, first)
                is_over = True
            except BrokenOffError:
                pass
        try:
            match kills % 3:
                case 0:
                    await abandon_move(movers, SHARD)
                case 1:
                    await move_shard(movers, SHARD, second)
                case _:
                    await move_shard(movers, SHARD, home)
        except ConflictError:
            await move_shard(movers, SHARD, first)
        events = await ports.store.get_events("acme/1")
        assert [event.sequence_number for event in events] == [1, 2, 3]
        said = await states(movers)
        assert sorted(said.values()) == [_ABSENT, _ABSENT, _HERE]
    assert kills > 20
    await check(ports, movers)


async def test_the_next_move_ends_what_the_last_has_left(
    ports: ShardedPorts,
    movers: Mapping[str, AsyncEngine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    One killed after the target had the shard is ended by a move elsewhere, or back.
    """
    await fill(ports)
    for target, following in ((TARGET, "p2"), (SOURCE, "p2")):
        await break_off_move(movers, moving.Move, "finish", to=target)
        await move_shard(movers, SHARD, following)
        said = await states(movers)
        assert [name for name in said if said[name] is _HERE] == [following]
    await break_off_move(movers, moving.Move, "finish")
    # On the way back its first place takes no write before all is there again.
    copy_all = copying.Copying.copy_all

    async def copy_and_write(self: copying.Copying) -> int:
        count = await copy_all(self)
        event = make_event(id="evt_9", session_id="acme/1")
        with pytest.raises(StorageError, match="not on this primary"):
            await ports.primaries["p2"].store.append_event(event)
        return count

    monkeypatch.setattr(copying.Copying, "copy_all", copy_and_write)
    await move_shard(movers, SHARD, "p2")
    await check(ports, movers)


async def test_a_slow_mover_takes_no_shard_away_that_has_come_back(
    ports: ShardedPorts,
    movers: Mapping[str, AsyncEngine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    What it says last is for the move it has made, not for a later one.
    """
    await fill(ports)
    finish = moving.Move.finish

    async def finish_late(self: moving.Move) -> None:
        monkeypatch.setattr(moving.Move, "finish", finish)
        await move_shard(movers, SHARD, TARGET)
        await move_shard(movers, SHARD, SOURCE)
        await finish(self)

    monkeypatch.setattr(moving.Move, "finish", finish_late)
    with pytest.raises(ConflictError, match="by another process"):
        await move_shard(movers, SHARD, TARGET)
    await check(ports, movers)


async def test_of_two_targets_the_first_gets_the_shard(
    ports: ShardedPorts,
    movers: Mapping[str, AsyncEngine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    A mover that has looked before the other began is refused, though it wrote later.
    """
    await fill(ports)
    begin = moving.Move._begin

    async def begin_late(self: moving.Move) -> None:
        monkeypatch.setattr(moving.Move, "_begin", begin)
        await break_off_move(movers, moving, "copy_tombstones")
        await begin(self)

    monkeypatch.setattr(moving.Move, "_begin", begin_late)
    with pytest.raises(ConflictError, match="is being moved to 'p0'"):
        await move_shard(movers, SHARD, "p2")
    await move_shard(movers, SHARD, TARGET)
    await check(ports, movers)


async def test_a_move_that_has_no_target_yet_can_be_abandoned(
    ports: ShardedPorts,
    movers: Mapping[str, AsyncEngine],
) -> None:
    """
    It was killed after its first step; a health check shows it.
    """
    await fill(ports)
    refuse = moving.Move._refuse_others
    calls: list[int] = []

    async def refuse_and_break_off(self: moving.Move) -> None:
        calls.append(1)
        await refuse(self)
        if len(calls) == 2:
            raise BrokenOffError

    await break_off_move(
        movers, moving.Move, "_refuse_others", step=refuse_and_break_off
    )
    assert (await states(movers))[SOURCE] is ShardState.LEAVING
    subjects = [each.subject for each in await ports.maintenance.health_check()]
    assert f"shard {SHARD}" in subjects
    await abandon_move(movers, SHARD)
    await check(ports, movers)
