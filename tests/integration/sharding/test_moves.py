"""
A logical shard is moved to another primary while its sessions are written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import attrs
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import (
    ConflictError,
    SessionDeletedError,
    StorageError,
    ValidationError,
)
from asm_async.sharding import (
    Claim,
    ShardedPorts,
    ShardState,
    copying,
    move_shard,
    moving,
    open_sharded_ports,
    router,
    shard_of,
)
from asm_async.sharding.fences import moving_keys, read_claims, set_claims
from asm_async.testing.event_feed.contract import Collecting
from asm_async.testing.factories import (
    make_event,
    make_events,
    make_item,
    make_run,
    make_session,
)
from asm_async.values.changes import Changes
from asm_async.values.maintenance import HealthIssueKind
from asm_async.values.retention import RetentionPolicy
from tests.integration.sharding.broken_off import (
    SHARD,
    SOURCE,
    TARGET,
    BrokenOffError,
    break_off,
)


async def _claim(engine: AsyncEngine) -> Claim:
    async with engine.connect() as conn:
        claims, _ = await read_claims(conn)
        return claims[SHARD]


async def test_nothing_is_lost_or_renumbered(
    ports: ShardedPorts, movers: Mapping[str, AsyncEngine]
) -> None:
    """
    Sessions that are written, begun and followed meanwhile are whole afterwards.
    """
    ids = [f"acme/{number}" for number in range(4)] + ["elsewhere"]
    for session_id in ids:
        await ports.store.save_session(make_session(id=session_id))
    counts = dict.fromkeys(ids, 0)
    begun: list[str] = []
    is_moved = asyncio.Event()

    async def write(session_id: str) -> None:
        item = make_item(scope=session_id, key="count", session_id=session_id)
        while not is_moved.is_set():
            event = make_event(id=f"evt_{counts[session_id]}", session_id=session_id)
            changes = Changes(events=(event,), items=(item,))
            stored = await ports.store.commit(changes)
            counts[session_id] += 1
            assert stored.events[0].sequence_number == counts[session_id]
            # What was acknowledged is read at once.
            latest = await ports.store.get_latest_sequence(session_id)
            assert latest == counts[session_id]

    async def begin() -> None:
        while not is_moved.is_set():
            new = make_session(id=f"acme/new_{len(begun)}")
            await ports.store.save_session(new)
            await ports.store.append_event(make_event(session_id=new.id))
            begun.append(new.id)

    following = Collecting(ports.feed.follow_session("acme/0"))
    async with asyncio.TaskGroup() as group:
        for session_id in ids:
            group.create_task(write(session_id))
        group.create_task(begin())
        for target in (TARGET, SOURCE):
            report = await move_shard(movers, SHARD, target)
            assert report.key_count == 1
            assert report.event_count
        is_moved.set()

    for session_id in ids:
        events = await ports.store.get_events(session_id)
        assert [event.id for event in events] == [
            f"evt_{number}" for number in range(counts[session_id])
        ]
        numbers = [event.sequence_number for event in events]
        assert numbers == list(range(1, counts[session_id] + 1))
    for session_id in begun:
        assert len(await ports.store.get_events(session_id)) == 1
    assert await ports.query.count_events() == sum(counts.values()) + len(begun)
    followed = await following.until(counts["acme/0"])
    await following.stop()
    numbers = [event.sequence_number for event in followed]
    assert numbers == list(range(1, counts["acme/0"] + 1))


async def test_what_is_written_while_it_is_copied_is_moved(
    ports: ShardedPorts,
    movers: Mapping[str, AsyncEngine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    Writers wait for the rows that have changed since, not for those of the shard.
    """
    store, state = ports.store, ports.state
    ids = [f"acme/{number}" for number in range(5)]
    for session_id in ids:
        await store.save_session(make_session(id=session_id, tags=["before"]))
        await store.append_events(make_events(400, session_id=session_id))
    run = await store.save_run(make_run(session_id="acme/0"))
    items = [make_item(scope="acme/x", key=key) for key in ("changed", "removed")]
    await state.save_items(items)
    copy_all = copying.Copying.copy_all

    async def copy_and_write(self: copying.Copying) -> int:
        count = await copy_all(self)
        event = make_event(id="late", session_id="acme/0")
        await store.append_event(event)
        policy = RetentionPolicy(max_events_per_session=10)
        again = make_events(5, session_id="acme/1", first=1_001)
        # What was copied first is removed, and something else has its place.
        await ports.maintenance.prune_session_events("acme/1", policy)
        await store.append_events(again)
        await store.delete_session("acme/2")
        session = await store.get_session("acme/3")
        await store.save_session(attrs.evolve(session, tags=("after",)))
        await store.save_run(attrs.evolve(run, turn_count=7))
        await state.save_items([attrs.evolve(items[0], data="new")])
        await state.delete_items("acme/x", keys=["removed"])
        await store.save_session(make_session(id="acme/new"))
        return count

    monkeypatch.setattr(copying.Copying, "copy_all", copy_and_write)
    report = await move_shard(movers, SHARD, TARGET)

    assert report.event_count >= 2_000
    # Counters and rows that were written, the late event and those of two sessions
    # whose events have to be copied again.
    assert 0 < report.rows_under_lock < 50
    there = ports.primaries[TARGET]
    events = await there.store.get_events("acme/0")
    assert [event.sequence_number for event in events] == list(range(1, 402))
    assert events[-1].id == "late"
    events = await there.store.get_events("acme/1")
    assert [event.sequence_number for event in events] == list(range(391, 406))
    found = await there.query.search_sessions()
    assert {each.id for each in found} == {*ids, "acme/new"} - {"acme/2"}
    tagged = await there.query.search_sessions(tags=["after"])
    assert [each.id for each in tagged] == ["acme/3"]
    assert (await there.store.get_run(run.id)).turn_count == 7
    (item,) = await there.state.list_items("acme/x")
    assert item.data == "new"
    left = ports.primaries[SOURCE]
    assert await left.query.count_events() == 0
    for side in (there, left):
        issues = {issue.kind for issue in await side.maintenance.health_check()}
        assert issues <= {HealthIssueKind.WEAK_DURABILITY}


async def test_of_two_movers_the_latter_goes_on(
    ports: ShardedPorts,
    movers: Mapping[str, AsyncEngine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    The former cannot put back what it has read before the shard could be written.
    """
    await ports.store.save_session(make_session(id="acme/1"))
    await ports.store.append_events(make_events(3, session_id="acme/1"))
    copy_all = copying.Copying.copy_all

    async def copy_after_another(self: copying.Copying) -> int:
        monkeypatch.setattr(copying.Copying, "copy_all", copy_all)
        await move_shard(movers, SHARD, TARGET)
        event = make_event(id="evt_4", session_id="acme/1")
        await ports.store.append_event(event)
        return await copy_all(self)

    monkeypatch.setattr(copying.Copying, "copy_all", copy_after_another)
    with pytest.raises(ConflictError, match="by another process"):
        await move_shard(movers, SHARD, TARGET)
    assert await _claim(movers[TARGET]) == Claim(ShardState.HERE, 1)
    events = await ports.store.get_events("acme/1")
    assert [event.sequence_number for event in events] == [1, 2, 3, 4]


async def test_everything_of_a_shard_is_moved(
    ports: ShardedPorts, movers: Mapping[str, AsyncEngine]
) -> None:
    """
    Runs, tags, items, and the numbers and revisions of what was deleted.
    """
    session = await ports.store.save_session(
        make_session(id="acme/1", tags=["a"], tenant_id="acme")
    )
    await ports.store.save_run(make_run(session_id=session.id))
    gone = await ports.store.save_session(make_session(id="acme/2"))
    await ports.store.append_events(make_events(3, session_id=gone.id))
    await ports.store.delete_session(gone.id)
    (item,) = await ports.state.save_items([make_item(scope="acme/config", key="k")])
    before = await ports.query.export_session(session.id)

    await move_shard(movers, SHARD, TARGET)

    assert await ports.query.export_session(session.id) == before
    there = ports.primaries[TARGET]
    assert [s.id for s in await there.query.search_sessions(tags=["a"])] == ["acme/1"]
    (kept,) = (await ports.state.get_items("acme/config", ["k"])).values()
    assert kept.data == item.data
    (again,) = await ports.state.save_items([make_item(scope="acme/config", key="k")])
    assert again.revision > item.revision
    assert (await ports.store.save_session(make_session(id=gone.id))).revision > 1
    event = make_event(session_id=gone.id)
    assert (await ports.store.append_event_with_sequence(event)).sequence_number == 4
    left = ports.primaries[SOURCE]
    assert await left.store.list_sessions(include_deleted=True) == []
    assert not [i for i in await ports.maintenance.health_check() if "orphan" in i.kind]


async def test_the_old_place_refuses_every_write(
    ports: ShardedPorts, movers: Mapping[str, AsyncEngine]
) -> None:
    """
    Also from who goes past the router: new sessions, and the row of an old one.
    """
    await ports.store.save_session(make_session(id="acme/1"))
    await move_shard(movers, SHARD, TARGET)
    old = ports.primaries[SOURCE]
    for write in (
        old.store.save_session(make_session(id="acme/1")),
        old.store.save_session(make_session(id="acme/2")),
        old.state.save_items([make_item(scope="acme/config", key="k")]),
    ):
        with pytest.raises(StorageError, match="not on this primary"):
            await write
    # Others in the same group are none the worse for it.
    outcomes = await asyncio.gather(
        *[
            old.store.save_session(make_session(id=session_id))
            for session_id in ("acme/3", "ses_3")
        ],
        return_exceptions=True,
    )
    assert isinstance(outcomes[0], StorageError)
    assert shard_of("ses_3") // 86 == 2 or not isinstance(outcomes[1], StorageError)


async def test_a_router_that_has_not_heard_of_a_move_writes_to_the_new_place(
    ports: ShardedPorts,
    movers: Mapping[str, AsyncEngine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    It was suspended, say, and believes what it knew: the fence tells it.
    """
    await ports.store.save_session(make_session(id="acme/1"))
    await ports.store.append_events(make_events(2, session_id="acme/1"))
    async with open_sharded_ports(
        {name: each.engine.url for name, each in ports.primaries.items()}
    ) as other:
        monkeypatch.setattr(router, "LEASE_SECONDS", 1_000.0)
        assert await other.store.get_latest_sequence("acme/1") == 2
        for primary in other.router.primaries.values():
            primary.forget()
            await primary.refresh()
        await move_shard(movers, SHARD, TARGET)
        assert other.router.primaries[SOURCE].is_believed
        await other.store.save_session(make_session(id="acme/2"))
        found = await ports.primaries[TARGET].store.get_session("acme/2")
        assert found.id == "acme/2"
        event = make_event(id="evt_9", session_id="acme/1")
        stored = await other.store.append_event_with_sequence(event)
        assert stored.sequence_number == 3


@pytest.mark.parametrize("step", ["copied", "closed", "opened", "arrived"])
async def test_a_move_that_was_broken_off_is_finished_by_the_next(
    ports: ShardedPorts,
    movers: Mapping[str, AsyncEngine],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    """
    Wherever that was, nothing is lost, and nothing is written in two places.
    """
    await ports.store.save_session(make_session(id="acme/1"))
    await ports.store.append_events(make_events(2, session_id="acme/1"))

    with monkeypatch.context() as patched:
        match step:
            case "copied":
                patched.setattr(copying.Copying, "check", break_off)
            case "closed":
                patched.setattr(moving.Move, "_open_keys", break_off)
            case "opened":
                patched.setattr(moving, "closing", break_off)
            case _:
                patched.setattr(moving, "copy_tombstones", break_off)
        with pytest.raises(BrokenOffError):
            await move_shard(movers, SHARD, TARGET)
    with pytest.raises(ConflictError, match="is being moved to 'p0'"):
        await move_shard(movers, SHARD, "p2")
    # Before the source has let it go, the copy at the target takes no write.
    event = make_event(id="evt_3", session_id="acme/1")
    if step == "copied":
        with pytest.raises(StorageError):
            await ports.primaries[TARGET].store.append_event(event)
        stored = await ports.store.append_event_with_sequence(event)
        assert stored.sequence_number == 3
    await move_shard(movers, SHARD, TARGET)
    stored = await ports.store.append_event_with_sequence(event)
    assert stored.sequence_number == 3
    assert len(await ports.primaries[TARGET].store.get_events("acme/1")) == 3
    assert await _claim(movers[SOURCE]) == Claim(ShardState.ABSENT, 0)
    assert await _claim(movers[TARGET]) == Claim(ShardState.HERE, 1)


async def test_what_an_earlier_move_has_left_keeps_nothing_behind(
    ports: ShardedPorts, movers: Mapping[str, AsyncEngine]
) -> None:
    """
    One that was killed at its very end has not forgotten which keys had moved.
    """
    await ports.store.save_session(make_session(id="acme/1"))
    await move_shard(movers, SHARD, TARGET)
    left = {"key": "acme", "is_moved": True}
    for side in (SOURCE, TARGET):
        async with movers[side].begin() as conn:
            await conn.execute(sa.insert(moving_keys), left)
    await move_shard(movers, SHARD, SOURCE)
    there = ports.primaries[SOURCE]
    assert (await there.store.get_session("acme/1")).id == "acme/1"
    await ports.store.append_event(make_event(session_id="acme/1"))


async def test_what_cannot_be_moved_is_refused(
    movers: Mapping[str, AsyncEngine],
) -> None:
    """
    A shard or a primary that there is not; one that is there already stays.
    """
    with pytest.raises(ValidationError, match=r"^shard: expected 0 to 255"):
        await move_shard(movers, 256, TARGET)
    with pytest.raises(ValidationError, match=r"^target: expected one of p0, p1, p2"):
        await move_shard(movers, 0, "p9")
    assert await move_shard(movers, SHARD, SOURCE) == moving.MoveReport()


async def test_primaries_must_have_all_shards_between_them(
    urls: Mapping[str, str], movers: Mapping[str, AsyncEngine]
) -> None:
    """
    One that is left out, or is there twice, is noticed when they are opened.
    """
    for wrong, message in (
        ({"p0": urls["p0"], "p1": urls["p1"]}, "shard 171 is on none of p0, p1"),
        ({**urls, "p9": urls["p0"]}, "both have shard 0"),
        ({"P 0": urls["p0"]}, "'P 0' is no name"),
        ({}, "expected at least one"),
    ):
        with pytest.raises(ValidationError, match=message):
            async with open_sharded_ports(wrong):
                pass
    claims = {0: Claim(ShardState.HERE, 0)}
    async with movers["p2"].begin() as conn:
        await set_claims(conn, claims)
    with pytest.raises(ValidationError, match="both have shard 0"):
        async with open_sharded_ports(urls):
            pass


async def test_a_deleted_session_stays_deleted(
    ports: ShardedPorts, movers: Mapping[str, AsyncEngine]
) -> None:
    """
    What is soft-deleted refuses writes at the new place too.
    """
    await ports.store.save_session(make_session(id="acme/1"))
    await ports.maintenance.soft_delete_session("acme/1")
    await move_shard(movers, SHARD, TARGET)
    with pytest.raises(SessionDeletedError):
        await ports.store.append_event(make_event(session_id="acme/1"))
