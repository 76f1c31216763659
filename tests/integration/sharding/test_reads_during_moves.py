"""
What is read while a shard leaves is whole, and waits for no primary in vain.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

import attrs
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import (
    StorageUnavailableError,
)
from asm_async.ports.query_api import QueryAPI
from asm_async.sharding import (
    Claim,
    ShardedPorts,
    ShardState,
    copying,
    move_shard,
    router,
)
from asm_async.sql.transactions.transaction import Transaction, Transactions
from asm_async.testing.factories import (
    make_item,
)
from tests.integration.sharding.broken_off import (
    SHARD,
    SOURCE,
    TARGET,
)
from tests.integration.sharding.filled import fill

T = TypeVar("T")

_HERE, _ABSENT = ShardState.HERE, ShardState.ABSENT


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
    await fill(ports, events=9)
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
    until_over: bool,  # noqa: FBT001 - of pytest
) -> None:
    """
    What was removed at the old place comes from the new one, before what comes later.
    """
    await fill(ports, events=30)
    # Two events are read first.
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
    await fill(ports)
    copy_all = copying.Copying.copy_all

    async def copy_and_search(self: copying.Copying) -> int:
        count = await copy_all(self)
        session = await ports.store.get_session("acme/1")
        later = session.updated_at + timedelta(days=1)
        session = attrs.evolve(session, updated_at=later)
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
    await fill(ports)
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
    await fill(ports)
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
