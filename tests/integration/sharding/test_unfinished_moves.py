"""
A move whose process is no more can be seen, abandoned or finished, and costs little.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import attrs
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.errors import ConflictError, StoreClosedError, ValidationError
from asm_async.sharding import (
    ShardedPorts,
    ShardState,
    abandon_move,
    copying,
    list_shards,
    move_shard,
    moving,
    router,
)
from asm_async.sharding.fences import changes, moving_keys
from asm_async.sql.transactions.transaction import Transactions
from asm_async.testing.event_feed.contract import Collecting
from asm_async.testing.factories import (
    make_event,
    make_events,
    make_item,
    make_run,
    make_session,
)
from asm_async.values.maintenance import HealthIssueKind
from tests.integration.sharding.broken_off import (
    SHARD,
    SOURCE,
    TARGET,
    BrokenOffError,
    break_off,
    break_off_move,
)


@pytest.fixture
async def broken_off(
    ports: ShardedPorts,
    movers: Mapping[str, AsyncEngine],
) -> None:
    """
    Leave a move behind that has copied all it had to, and has moved nothing.
    """
    await ports.store.save_session(make_session(id="acme/1", tags=["a"]))
    await ports.store.save_run(make_run(session_id="acme/1"))
    await ports.store.append_events(make_events(3, session_id="acme/1"))
    await ports.state.save_items([make_item(scope="acme/config", key="k")])
    await break_off_move(movers, moving.Move, "_move_copied")


async def _moves(ports: ShardedPorts) -> list[tuple[str, str]]:
    return [
        (issue.subject, issue.message)
        for issue in await ports.maintenance.health_check()
        if issue.kind is HealthIssueKind.UNFINISHED_MOVE
    ]


async def _count(engine: AsyncEngine, table: sa.Table) -> int:
    async with engine.connect() as conn:
        query = sa.select(sa.func.count()).select_from(table)
        return int(await conn.scalar(query) or 0)


@pytest.mark.usefixtures("broken_off")
async def test_a_health_check_finds_it(
    ports: ShardedPorts, movers: Mapping[str, AsyncEngine]
) -> None:
    """
    It says from where to where the shard is on its way, and how that ends.
    """
    await ports.store.append_event(make_event(id="evt_4", session_id="acme/1"))
    ((subject, message),) = await _moves(ports)
    assert subject == f"shard {SHARD}"
    assert "from 'p1' to 'p0', and 1 rows are noted" in message
    assert f"asm shards move --shard {SHARD} --to p0" in message
    assert f"asm shards abandon --shard {SHARD}" in message
    await move_shard(movers, SHARD, TARGET)
    assert await _moves(ports) == []


@pytest.mark.usefixtures("broken_off")
async def test_what_is_written_meanwhile_is_noted_once(
    ports: ShardedPorts, movers: Mapping[str, AsyncEngine]
) -> None:
    """
    So there are no more notes than rows, however long nobody takes care of it.
    """
    run = await ports.store.get_run("run_1")
    item = make_item(scope="acme/config", key="k")
    for number in range(4, 24):
        event = make_event(id=f"evt_{number}", session_id="acme/1")
        await ports.store.append_event(event)
        run = await ports.store.save_run(attrs.evolve(run, turn_count=number))
        (item,) = await ports.state.save_items([item])
    # As long as an id may be, and of what takes most bytes.
    long = "".join(chr(0x1F300 + (number * 37) % 701) for number in range(250))
    quotes = '"\x01' * 400
    await ports.state.save_items([make_item(scope=f"acme/{long}", key=quotes)])
    # The counter, the run and the items; the session's row where a run touches it.
    assert await _count(movers[SOURCE], changes) <= 5
    await move_shard(movers, SHARD, TARGET)
    assert (await ports.store.get_run("run_1")).turn_count == 23
    events = await ports.store.get_events("acme/1")
    assert [event.sequence_number for event in events] == list(range(1, 24))


async def test_what_is_noted_again_while_it_is_copied_is_copied_again(
    ports: ShardedPorts,
    movers: Mapping[str, AsyncEngine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    The mover forgets the note that it has read, and not the one that came after it.
    """
    await ports.store.save_session(make_session(id="acme/1"))
    run = await ports.store.save_run(make_run(session_id="acme/1"))
    copy_all = copying.Copying.copy_all
    copy_changes = copying.Copying.copy_changes
    are_copied: list[str] = []

    async def copy_and_write(self: copying.Copying) -> int:
        count = await copy_all(self)
        await ports.store.save_run(attrs.evolve(run, turn_count=1))
        return count

    async def copy_them_and_write(
        self: copying.Copying, conn: AsyncConnection, found: copying.Changes
    ) -> None:
        await copy_changes(self, conn, found)
        if not are_copied:
            are_copied.append("once")
            await ports.store.save_run(attrs.evolve(run, turn_count=2))

    # More than may be copied while writers wait, however few they are.
    monkeypatch.setattr(copying, "MAX_ROWS_UNDER_LOCK", 0)
    monkeypatch.setattr(copying.Copying, "copy_all", copy_and_write)
    monkeypatch.setattr(copying.Copying, "copy_changes", copy_them_and_write)
    await move_shard(movers, SHARD, TARGET)
    assert (await ports.store.get_run(run.id)).turn_count == 2


@pytest.mark.usefixtures("broken_off")
async def test_an_abandoned_move_leaves_everything_where_it_was(
    ports: ShardedPorts, movers: Mapping[str, AsyncEngine]
) -> None:
    """
    Nothing is copied any more, nothing noted, and the shard can be moved elsewhere.
    """
    await ports.store.append_event(make_event(id="evt_4", session_id="acme/1"))
    before = await ports.query.export_session("acme/1")
    await abandon_move(movers, SHARD)
    claims = await list_shards(movers)
    states = {name: said[SHARD].state for name, said in claims.items()}
    assert states == {
        "p0": ShardState.ABSENT,
        "p1": ShardState.HERE,
        "p2": ShardState.ABSENT,
    }
    assert await _moves(ports) == []
    there = ports.primaries[TARGET]
    assert await there.store.list_sessions(include_deleted=True) == []
    assert await there.state.list_items("acme/config") == []
    await ports.store.save_run(make_run(id="run_2", session_id="acme/1"))
    for name in (SOURCE, TARGET):
        assert await _count(movers[name], changes) == 0
        assert await _count(movers[name], moving_keys) == 0
    with pytest.raises(ConflictError, match="is not being moved"):
        await abandon_move(movers, SHARD)
    await ports.store.delete_session("acme/1")
    await move_shard(movers, SHARD, "p2")
    assert len(before.events) == 4
    kept = await ports.state.list_items("acme/config")
    assert [item.key for item in kept] == ["k"]


@pytest.mark.usefixtures("broken_off")
async def test_an_abandonment_that_was_broken_off_is_finished_by_the_next(
    ports: ShardedPorts,
    movers: Mapping[str, AsyncEngine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    Also after the source has the shard again.
    """
    for step in ("_clear", "_forget_keys"):
        with monkeypatch.context() as patched:
            patched.setattr(moving.Move, step, break_off)
            with pytest.raises(BrokenOffError):
                await abandon_move(movers, SHARD)
        if step == "_clear":
            assert len(await _moves(ports)) == 1
    assert await _moves(ports) == []
    assert len(await ports.store.get_events("acme/1")) == 3
    await move_shard(movers, SHARD, TARGET)
    assert len(await ports.store.get_events("acme/1")) == 3


async def test_what_has_arrived_is_not_abandoned(
    ports: ShardedPorts,
    movers: Mapping[str, AsyncEngine],
) -> None:
    """
    It was written at its new place: the move has to be finished.
    """
    await ports.store.save_session(make_session(id="acme/1"))
    await break_off_move(movers, moving, "copy_tombstones")
    await ports.store.append_event(make_event(session_id="acme/1"))
    with pytest.raises(ConflictError, match=r"'acme' has arrived already: finish"):
        await abandon_move(movers, SHARD)
    await move_shard(movers, SHARD, TARGET)
    assert len(await ports.store.get_events("acme/1")) == 1


async def test_a_mover_that_was_only_slow_is_stopped_by_an_abandonment(
    ports: ShardedPorts,
    movers: Mapping[str, AsyncEngine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    It writes nothing more to the target, and ends with an error.
    """
    await ports.store.save_session(make_session(id="acme/1"))
    await ports.store.append_events(make_events(3, session_id="acme/1"))
    copy_all, clear = copying.Copying.copy_all, moving.Move._clear
    is_copying, may_go_on = asyncio.Event(), asyncio.Event()

    async def copy_late(self: copying.Copying) -> int:
        is_copying.set()
        await may_go_on.wait()
        return await copy_all(self)

    async def clear_late(
        self: moving.Move, side: Transactions, keys: Sequence[str]
    ) -> None:
        if not may_go_on.is_set():
            may_go_on.set()
            await asyncio.wait([mover])
        await clear(self, side, keys)

    monkeypatch.setattr(copying.Copying, "copy_all", copy_late)
    monkeypatch.setattr(moving.Move, "_clear", clear_late)
    mover = asyncio.create_task(move_shard(movers, SHARD, TARGET))
    await is_copying.wait()
    await abandon_move(movers, SHARD)
    with pytest.raises(ConflictError, match="by another process"):
        await mover
    there = ports.primaries[TARGET]
    assert await there.store.list_sessions(include_deleted=True) == []
    assert len(await ports.store.get_events("acme/1")) == 3


async def test_there_must_be_such_a_shard(movers: Mapping[str, AsyncEngine]) -> None:
    """
    It is one of 256.
    """
    with pytest.raises(ValidationError, match=r"^shard: expected 0 to 255"):
        await abandon_move(movers, 256)


async def test_a_feed_is_closed_once_nobody_looks_for_a_primary(
    ports: ShardedPorts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A follower that does is in the feed of none of the primaries meanwhile.
    """
    looks, may_go_on = asyncio.Event(), asyncio.Event()
    home = router.Router.home

    async def look(self: router.Router, id: str) -> str:  # noqa: A002 - its name
        looks.set()
        await may_go_on.wait()
        return await home(self, id)

    monkeypatch.setattr(router.Router, "home", look)
    following = Collecting(ports.feed.follow_session("ses_1"))
    await looks.wait()
    closing = asyncio.create_task(ports.feed.aclose())
    # The feeds of the primaries have nobody to wait for.
    for primary in ports.primaries.values():
        await primary.feed.aclose()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not closing.done()
    may_go_on.set()
    await closing
    with pytest.raises(StoreClosedError):
        await following.end()
