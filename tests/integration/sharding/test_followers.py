"""
Followers and consumers of all sessions go on, wherever shards have been meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.sharding import ShardedPorts, abandon_move, move_shard, moving
from asm_async.testing.factories import make_event, make_events, make_session
from tests.integration.sharding.broken_off import (
    SHARD,
    SOURCE,
    TARGET,
    break_off_move,
)


@pytest.fixture
async def checkpoint(ports: ShardedPorts) -> str:
    """
    Store three events, and return the checkpoint of the last.
    """
    await ports.store.save_session(make_session(id="acme/1"))
    await ports.store.append_events(make_events(3, session_id="acme/1"))
    following = ports.feed.follow_all()
    *_, (_, place) = [await anext(following) for _ in range(3)]
    await following.aclose()
    return place


async def _numbers_behind(
    ports: ShardedPorts, checkpoint: str, until: int
) -> list[int]:
    numbers: list[int] = []
    following = ports.feed.follow_all(checkpoint=checkpoint)
    async for event, _ in following:
        numbers.append(event.sequence_number or 0)
        if event.sequence_number == until:
            break
    await following.aclose()
    return numbers


async def test_a_checkpoint_outlives_a_shard_that_left_and_came_back(
    ports: ShardedPorts, movers: Mapping[str, AsyncEngine], checkpoint: str
) -> None:
    """
    That its event stands at another place of the feed is no loss of history.
    """
    await move_shard(movers, SHARD, TARGET)
    await move_shard(movers, SHARD, SOURCE)
    await ports.store.append_event(make_event(id="evt_4", session_id="acme/1"))
    numbers = await _numbers_behind(ports, checkpoint, 4)
    # First as they were copied, and in their order.
    assert sorted({*numbers}) == [1, 2, 3, 4]


async def test_a_consumer_outlives_a_shard_that_left_and_came_back(
    ports: ShardedPorts, movers: Mapping[str, AsyncEngine]
) -> None:
    """
    It goes on behind what it has acknowledged, on each primary.
    """
    await ports.store.save_session(make_session(id="acme/1"))
    await ports.store.append_events(make_events(3, session_id="acme/1"))
    consumer = ports.feed.consumer("c")
    batches = consumer.batches()
    batch = await anext(batches)
    assert [event.sequence_number for event in batch.events] == [1, 2, 3]
    await batch.acknowledge()
    await batches.aclose()
    await move_shard(movers, SHARD, TARGET)
    await move_shard(movers, SHARD, SOURCE)
    await ports.store.append_event(make_event(id="evt_4", session_id="acme/1"))
    seen = set[int | None]()
    batches = consumer.batches()
    while 4 not in seen:
        batch = await anext(batches)
        seen |= {event.sequence_number for event in batch.events}
        await batch.acknowledge()
    await batches.aclose()
    assert seen == {1, 2, 3, 4}


async def test_a_follower_outlives_what_was_copied_twice(
    ports: ShardedPorts,
    movers: Mapping[str, AsyncEngine],
    checkpoint: str,
) -> None:
    """
    It has read copies, which were then removed, since the mover was killed.
    """
    following = ports.feed.follow_all(checkpoint=checkpoint)
    for end in ("finish", "abandon"):
        await break_off_move(movers, moving.Move, "_move_copied")
        for number in (1, 2, 3):
            event, _ = await anext(following)
            assert event.sequence_number == number
        if end == "abandon":
            await abandon_move(movers, SHARD)
        await move_shard(movers, SHARD, TARGET)
        for number in (1, 2, 3):
            event, _ = await anext(following)
            assert event.sequence_number == number
        await move_shard(movers, SHARD, SOURCE)
        for number in (1, 2, 3):
            event, _ = await anext(following)
            assert event.sequence_number == number
    await following.aclose()
