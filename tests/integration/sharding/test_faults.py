"""
What goes wrong around a move loses nothing, and is told before anything is written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.errors import (
    ConflictError,
    StorageError,
    StorageUnavailableError,
    ValidationError,
)
from asm_async.ports.query_api import QueryAPI
from asm_async.sharding import (
    Claim,
    ShardedPorts,
    ShardState,
    abandon_move,
    copying,
    create_shards,
    list_shards,
    move_shard,
    moving,
    open_sharded_ports,
    router,
    shard_engine,
)
from asm_async.sharding.fences import set_claims
from asm_async.sql.transactions.transaction import Transaction, Transactions
from asm_async.testing.factories import (
    make_artifact,
    make_event,
    make_events,
    make_item,
    make_run,
    make_session,
)
from tests.integration.sharding.broken_off import (
    SHARD,
    SOURCE,
    TARGET,
    BrokenOffError,
    break_off,
)

T = TypeVar("T")

_HERE, _ABSENT = ShardState.HERE, ShardState.ABSENT


async def _states(movers: Mapping[str, AsyncEngine]) -> dict[str, ShardState]:
    said = await list_shards(movers)
    return {name: claims[SHARD].state for name, claims in said.items()}


async def _fill(ports: ShardedPorts, events: int = 3) -> None:
    for session_id in ("acme/1", "acme/gone"):
        await ports.store.save_session(make_session(id=session_id, tags=["a"]))
        await ports.store.append_events(make_events(events, session_id=session_id))
    await ports.store.delete_session("acme/gone")
    await ports.store.save_run(make_run(session_id="acme/1"))
    await ports.artifacts.register(make_artifact(session_id="acme/1"))
    await ports.state.save_items([make_item(scope="acme/config", key="k")])


async def _check(ports: ShardedPorts, movers: Mapping[str, AsyncEngine]) -> None:
    """
    Expect all that was filled in, once, on the one primary that has the shard.
    """
    states = await _states(movers)
    (home,) = [name for name in states if states[name] is _HERE]
    assert {*states.values()} == {_HERE, _ABSENT}
    for name, primary in ports.primaries.items():
        found = await primary.store.list_sessions(include_deleted=True)
        assert [each.id for each in found] == ["acme/1"] * (name == home)
        assert await primary.query.count_events() == 3 * (name == home)
        items = await primary.state.list_items("acme/config")
        assert len(items) == (name == home)
    events = await ports.store.get_events("acme/1")
    assert [event.sequence_number for event in events] == [1, 2, 3]
    assert (await ports.store.get_run("run_1")).session_id == "acme/1"
    assert (await ports.artifacts.get("art_1")).session_id == "acme/1"
    await ports.store.save_session(make_session(id="acme/gone"))
    event = make_event(id="evt_9", session_id="acme/gone")
    stored = await ports.store.append_event_with_sequence(event)
    assert stored.sequence_number == 4
    await ports.store.delete_session("acme/gone")
    # It takes writes, and the next of the session has its next number.
    stored = await ports.store.append_event_with_sequence(
        make_event(id="evt_4", session_id="acme/1")
    )
    assert stored.sequence_number == 4


async def test_a_mover_may_be_killed_after_any_of_its_writes(
    ports: ShardedPorts,
    movers: Mapping[str, AsyncEngine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    Whoever then finishes, abandons or moves it elsewhere has all of it in one place.
    """
    monkeypatch.setattr(moving, "LEASE_SECONDS", 0.01)
    monkeypatch.setattr(router, "LEASE_SECONDS", 0.005)
    await _fill(ports)
    write = Transactions.write
    is_over = False
    kills = writes = 0

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
        kills, writes = kills + 1, 0
        states = await _states(movers)
        home = next(name for name in states if states[name] is _HERE)
        first, second = (name for name in states if name != home)
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
        states = await _states(movers)
        assert sorted(states.values()) == [_ABSENT, _ABSENT, _HERE]
    assert kills > 20
    await _check(ports, movers)


async def test_the_next_move_ends_what_the_last_has_left(
    ports: ShardedPorts,
    movers: Mapping[str, AsyncEngine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    One killed after the target had the shard is ended by a move elsewhere, or back.
    """
    await _fill(ports)
    for target, following in ((TARGET, "p2"), (SOURCE, "p2")):
        with monkeypatch.context() as patched:
            patched.setattr(moving.Move, "finish", break_off)
            with pytest.raises(BrokenOffError):
                await move_shard(movers, SHARD, target)
        await move_shard(movers, SHARD, following)
        states = await _states(movers)
        assert [name for name in states if states[name] is _HERE] == [following]
    with monkeypatch.context() as patched:
        patched.setattr(moving.Move, "finish", break_off)
        with pytest.raises(BrokenOffError):
            await move_shard(movers, SHARD, TARGET)
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
    await _check(ports, movers)


async def test_a_slow_mover_takes_no_shard_away_that_has_come_back(
    ports: ShardedPorts,
    movers: Mapping[str, AsyncEngine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    What it says last is for the move it has made, not for a later one.
    """
    await _fill(ports)
    finish = moving.Move.finish

    async def finish_late(self: moving.Move) -> None:
        monkeypatch.setattr(moving.Move, "finish", finish)
        await move_shard(movers, SHARD, TARGET)
        await move_shard(movers, SHARD, SOURCE)
        await finish(self)

    monkeypatch.setattr(moving.Move, "finish", finish_late)
    with pytest.raises(ConflictError, match="by another process"):
        await move_shard(movers, SHARD, TARGET)
    await _check(ports, movers)


async def test_of_two_targets_the_first_gets_the_shard(
    ports: ShardedPorts,
    movers: Mapping[str, AsyncEngine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    A mover that has looked before the other began is refused, though it wrote later.
    """
    await _fill(ports)
    begin = moving.Move._begin

    async def begin_late(self: moving.Move) -> None:
        monkeypatch.setattr(moving.Move, "_begin", begin)
        with monkeypatch.context() as patched:
            patched.setattr(moving, "copy_tombstones", break_off)
            with pytest.raises(BrokenOffError):
                await move_shard(movers, SHARD, TARGET)
        await begin(self)

    monkeypatch.setattr(moving.Move, "_begin", begin_late)
    with pytest.raises(ConflictError, match="is being moved to 'p0'"):
        await move_shard(movers, SHARD, "p2")
    await move_shard(movers, SHARD, TARGET)
    await _check(ports, movers)


async def test_a_move_that_has_no_target_yet_can_be_abandoned(
    ports: ShardedPorts,
    movers: Mapping[str, AsyncEngine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    It was killed after its first step; a health check shows it.
    """
    await _fill(ports)
    refuse = moving.Move._refuse_others
    calls: list[int] = []

    async def refuse_and_break_off(self: moving.Move) -> None:
        calls.append(1)
        await refuse(self)
        if len(calls) == 2:
            raise BrokenOffError

    with monkeypatch.context() as patched:
        patched.setattr(moving.Move, "_refuse_others", refuse_and_break_off)
        with pytest.raises(BrokenOffError):
            await move_shard(movers, SHARD, TARGET)
    assert (await _states(movers))[SOURCE] is ShardState.LEAVING
    subjects = [each.subject for each in await ports.maintenance.health_check()]
    assert f"shard {SHARD}" in subjects
    await abandon_move(movers, SHARD)
    await _check(ports, movers)


async def test_what_is_wrong_is_told_before_anything_is_written(
    ports: ShardedPorts, movers: Mapping[str, AsyncEngine], urls: Mapping[str, str]
) -> None:
    """
    A primary that was left out, one by two names, a wrong timeout, no primaries.
    """
    await _fill(ports)
    both = {"a": movers[SOURCE], "b": movers[SOURCE]}
    others = {name: movers[name] for name in (TARGET, "p2")}
    wrong: list[tuple[Awaitable[object], str]] = [
        (move_shard(others, SHARD, TARGET), f"^primaries: shard {SHARD} is on none"),
        (abandon_move(others, SHARD), f"^primaries: shard {SHARD} is on none"),
        (move_shard(both, SHARD, "b"), f"both have shard {SHARD}"),
        (move_shard(movers, SHARD, TARGET, timeout=-1), "^timeout: "),
        (create_shards(movers, timeout=float("nan")), "^timeout: "),
    ]
    no_primaries: Any = [urls[SOURCE]]
    wrong.append((list_shards(no_primaries), "^primaries: expected"))
    numbered: Any = {1: movers[SOURCE]}
    wrong.append((list_shards(numbered), "^primaries: 1 is no name"))
    for call, message in wrong:
        with pytest.raises(ValidationError, match=message):
            await call
    await _check(ports, movers)


async def test_a_target_must_be_prepared(
    ports: ShardedPorts, movers: Mapping[str, AsyncEngine]
) -> None:
    """
    A database of sessions that have no shards would take no write any more.
    """
    await _fill(ports)
    async with movers["p2"].begin() as conn:
        await conn.exec_driver_sql("DELETE FROM asm_shards")
    with pytest.raises(ConflictError, match=r"^target: primary 'p2' has no shards"):
        await move_shard(movers, SHARD, "p2")
    assert (await _states({name: movers[name] for name in (SOURCE, TARGET)})) == {
        SOURCE: _HERE,
        TARGET: _ABSENT,
    }


async def test_an_id_that_is_in_use_at_the_target_is_named(
    ports: ShardedPorts, movers: Mapping[str, AsyncEngine]
) -> None:
    """
    Of a run, of an artifact, or its key: nothing is moved, and the session is named.
    """
    await _fill(ports)
    names = [f"ses_{number}" for number in range(99)]
    there, *_ = [name for name in names if await ports.router.home(name) == TARGET]
    await ports.store.save_session(make_session(id=there))
    same = {
        "asm_runs.id: 'run_1'": ports.store.save_run(make_run(session_id=there)),
        "asm_artifacts.key": ports.artifacts.register(
            make_artifact(id="art_2", session_id=there)
        ),
    }
    for name, write in same.items():
        await write
        with pytest.raises(
            ConflictError, match=f"{name}.*{there!r}.*nothing was moved"
        ):
            await move_shard(movers, SHARD, TARGET)
        assert (await _states(movers))[SOURCE] is _HERE
        await ports.store.delete_session(there)
        await ports.store.save_session(make_session(id=there))


@pytest.mark.parametrize("kills", [0, 1, 2, 3, 4, 5])
async def test_shards_are_created_whole(
    urls: Mapping[str, str], movers: Mapping[str, AsyncEngine], kills: int
) -> None:
    """
    Broken off anywhere, it is done again; a primary that was left out gets none.
    """
    for engine in movers.values():
        async with engine.begin() as conn:
            await conn.exec_driver_sql("DELETE FROM asm_shards")
    made = 0

    async def set_and_break_off(
        conn: AsyncConnection, claims: Mapping[int, Claim]
    ) -> None:
        nonlocal made
        if made == kills:
            raise BrokenOffError
        made += 1
        await set_claims(conn, claims)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("asm_async.sharding.creating.set_claims", set_and_break_off)
        with pytest.raises(BrokenOffError):
            await create_shards(movers)
    await create_shards(movers)
    async with open_sharded_ports(urls) as ports:
        assert await ports.router.home("acme/1") == SOURCE


async def test_shards_of_one_that_was_left_out_are_given_to_none(
    movers: Mapping[str, AsyncEngine],
) -> None:
    """
    They are where they were, though the other primaries have no session.
    """
    async with movers["p2"].begin() as conn:
        await conn.exec_driver_sql("DELETE FROM asm_shards")
    await create_shards({name: movers[name] for name in (TARGET, "p2")})
    said = await list_shards(movers)
    assert {claim.state for claim in said["p2"].values()} == {_ABSENT}


class _Clearing:
    """
    A mover that stops when the first events of the source are removed.
    """

    def __init__(self, patch: pytest.MonkeyPatch, source: ShardedPorts) -> None:
        self._source = source.primaries[SOURCE]
        self._go_on = asyncio.Event()
        self._stands = asyncio.Event()
        self._write = Transactions.write
        self._total = 0
        self.patch = patch

    async def begin(self, movers: Mapping[str, AsyncEngine]) -> None:
        """
        Move until then.
        """
        clearing, write = self, self._write
        self._total = await self._source.query.count_events()

        async def write_and_stop(
            transactions: Transactions,
            work: Callable[[Transaction], Awaitable[T]],
            *,
            is_repeatable: bool,
        ) -> T:
            result = await write(transactions, work, is_repeatable=is_repeatable)
            if transactions.engine is movers[SOURCE] and not clearing._stands.is_set():
                left = await clearing._source.query.count_events()
                if left < clearing._total:
                    clearing._stands.set()
                    await clearing._go_on.wait()
            return result

        # Of the events a few are removed at a time.
        self.patch.setattr(copying, "ROWS_PER_BATCH", 1)
        self.patch.setattr(Transactions, "write", write_and_stop)
        self._mover = asyncio.create_task(move_shard(movers, SHARD, TARGET))
        stands = asyncio.create_task(self._stands.wait())
        await asyncio.wait([self._mover, stands], return_when="FIRST_COMPLETED")
        assert not self._mover.done()

    async def end(self) -> None:
        """
        Move the rest.
        """
        self._go_on.set()
        await self._mover


async def test_what_is_read_while_it_leaves_is_read_whole(
    ports: ShardedPorts,
    movers: Mapping[str, AsyncEngine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    A call that has chosen a primary, and reads late there, finds a part of it at most.
    """
    await _fill(ports, events=9)
    await ports.state.save_items(
        [make_item(scope="acme/config", key=f"k{number}") for number in range(9)]
    )
    reads: list[Callable[[], Awaitable[object]]] = [
        lambda: ports.store.get_events("acme/1"),
        lambda: ports.store.get_latest_sequence("acme/1"),
        lambda: ports.store.list_runs("acme/1"),
        lambda: ports.state.list_items("acme/config"),
        lambda: ports.artifacts.list_by_session("acme/1"),
        lambda: ports.query.get_session_stats("acme/1"),
        lambda: ports.query.export_session("acme/1"),
        lambda: ports.query.count_events(session_ids=["acme/1"]),
        lambda: ports.query.search_events(session_ids=["acme/1"]),
        lambda: _exported(ports.query),
    ]
    expected = [await read() for read in reads]
    home = router.Router.home
    have_chosen = asyncio.Semaphore(0)
    is_leaving = asyncio.Event()
    late = set[asyncio.Task[object] | None]()

    async def choose_and_wait(self: router.Router, id: str) -> str:  # noqa: A002 - its name
        name = await home(self, id)
        task = asyncio.current_task()
        if task not in late and self is ports.router:
            late.add(task)
            have_chosen.release()
            await is_leaving.wait()
        return name

    monkeypatch.setattr(router.Router, "home", choose_and_wait)
    tasks = [asyncio.ensure_future(read()) for read in reads]
    for _ in tasks:
        await have_chosen.acquire()
    clearing = _Clearing(monkeypatch, ports)
    await clearing.begin(movers)
    is_leaving.set()
    found = await asyncio.gather(*tasks)
    await clearing.end()
    for number, (one, other) in enumerate(zip(found, expected, strict=True)):
        if number == 3:
            assert _keys(one) == _keys(other)
        else:
            assert one == other, number


def _keys(items: Any) -> list[str]:
    # Items have other revisions at their new place.
    return [item.key for item in items]


async def _exported(query: QueryAPI) -> int:
    lines: list[bytes] = []

    async def write(chunk: bytes) -> None:
        lines.append(chunk)

    report = await query.export_sessions(write)
    return report.event_count


@pytest.mark.parametrize("until_over", [False, True])
async def test_a_follower_that_is_behind_misses_nothing(
    ports: ShardedPorts,
    movers: Mapping[str, AsyncEngine],
    monkeypatch: pytest.MonkeyPatch,
    until_over: bool,
) -> None:
    """
    What was removed at the old place comes from the new one, before what comes later.
    """
    await _fill(ports, events=30)
    monkeypatch.setattr("asm_async.sql.feed.readers.PAGE", 2, raising=False)
    following = ports.feed.follow_session("acme/1", until_over=until_over)
    numbers = [(await anext(following)).sequence_number]
    clearing = _Clearing(monkeypatch, ports)
    await clearing.begin(movers)
    numbers += [(await anext(following)).sequence_number for _ in range(3)]
    await clearing.end()
    numbers += [(await anext(following)).sequence_number for _ in range(26)]
    await following.aclose()
    assert numbers == list(range(1, 31))


async def test_a_search_shows_what_is_copied_once_in_every_order(
    ports: ShardedPorts,
    movers: Mapping[str, AsyncEngine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    Also where the copy has another place in the order, since it is older.
    """
    await _fill(ports)
    copy_all = copying.Copying.copy_all

    async def copy_and_search(self: copying.Copying) -> int:
        count = await copy_all(self)
        session = await ports.store.get_session("acme/1")
        saved = await ports.store.save_session(session)
        found = await ports.query.search_sessions(order_by="updated_at_desc")
        assert list(found) == [saved]
        return count

    monkeypatch.setattr(copying.Copying, "copy_all", copy_and_search)
    await move_shard(movers, SHARD, TARGET)


async def test_what_is_found_elsewhere_waits_for_no_silent_primary(
    ports: ShardedPorts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Runs and artifacts of the others are read on while one does not answer.
    """
    await _fill(ports)
    _answer_never(ports, monkeypatch, "p2")
    assert (await ports.store.get_run("run_1")).session_id == "acme/1"
    assert (await ports.artifacts.get("art_1")).session_id == "acme/1"


def _answer_never(
    ports: ShardedPorts, monkeypatch: pytest.MonkeyPatch, silent: str
) -> None:
    engine = ports.primaries[silent].engine
    read, fetch = Transactions.read, Transactions.fetch

    async def read_or_wait(self: Transactions, *arguments: Any) -> Any:
        if self.engine is engine:
            await asyncio.Event().wait()
        return await read(self, *arguments)

    async def fetch_or_wait(self: Transactions, *arguments: Any) -> Any:
        if self.engine is engine:
            await asyncio.Event().wait()
        return await fetch(self, *arguments)

    monkeypatch.setattr(Transactions, "read", read_or_wait)
    monkeypatch.setattr(Transactions, "fetch", fetch_or_wait)


async def test_a_primary_without_shards_can_be_taken_out_of_service(
    ports: ShardedPorts,
    movers: Mapping[str, AsyncEngine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    A router that knew a shard there, and hears nothing of it, asks the others.
    """
    await _fill(ports)
    await move_shard(movers, SHARD, TARGET)
    router_before = ports.router.primaries[SOURCE]
    # What it knew before the move.
    for name, state in ((SOURCE, _HERE), (TARGET, _ABSENT)):
        ports.router.primaries[name].claims = {SHARD: Claim(state)}
        ports.router.primaries[name].forget()

    async def ask(self: router.Primary, *keys: str) -> Any:
        if self is router_before:
            raise StorageUnavailableError("it is out of service")
        return await asking(self, *keys)

    asking = router.Primary.ask
    monkeypatch.setattr(router.Primary, "ask", ask)
    events = await ports.store.get_events("acme/1")
    assert len(events) == 3


async def test_engines_for_movers_are_for_movers_alone(
    movers: Mapping[str, AsyncEngine], urls: Mapping[str, str]
) -> None:
    """
    Through an SQLite engine for a mover the fences would refuse nobody.
    """
    if urls[SOURCE].startswith("postgresql"):
        ShardedPorts(movers)
        return
    with pytest.raises(ValidationError, match=r"'p0' was not made by shard_engine\("):
        ShardedPorts(movers)
    engines = {name: shard_engine(url) for name, url in urls.items()}
    with pytest.raises(ValidationError, match="'p0' was not made by .*is_mover=True"):
        await move_shard(engines, SHARD, TARGET)
    for engine in engines.values():
        await engine.dispose()
