from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from langgraph.store.base import (
    BaseStore,
    GetOp,
    InvalidNamespaceError,
    ListNamespacesOp,
    PutOp,
    SearchOp,
)

from asm_async import InMemoryPorts, Ports
from asm_async.errors import (
    StorageUnavailableError,
    StoreClosedError,
    UnsupportedOperationError,
    ValidationError,
)
from asm_async.integrations.langgraph import store_items
from asm_async.integrations.langgraph.store import AsmStore
from asm_async.portal import Portal


class Clock:
    """
    The store's clock, which a test moves on.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = store_items.now_utc()
        name = "asm_async.integrations.langgraph.store.now_utc"
        monkeypatch.setattr(name, lambda: self.now)

    def wait(self, minutes: float) -> None:
        """
        Let time go by.
        """
        self.now += timedelta(minutes=minutes)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """
    Return the clock of every store.
    """
    return Clock(monkeypatch)


async def test_items_are_put_read_and_deleted(ports: Ports) -> None:
    """
    What is put comes back with its times; a second put keeps the first one's beginning.
    """
    store: BaseStore = AsmStore(ports)
    value = {"text": "ü\0", "deep": [{"n": 1.5}], "big": 10**30}
    await store.aput(("a", "b"), "k", {"old": True})
    first = await store.aget(("a", "b"), "k")
    await store.aput(("a", "b"), "k", value)
    second = await store.aget(("a", "b"), "k")
    assert first
    assert second
    assert (second.namespace, second.key, second.value) == (("a", "b"), "k", value)
    assert second.created_at == first.created_at
    assert second.updated_at > first.updated_at
    await store.adelete(("a", "b"), "k")
    await store.adelete(("a", "b"), "k")
    assert await store.aget(("a", "b"), "k") is None
    assert await store.alist_namespaces() == []


async def test_reads_of_a_batch_see_nothing_of_its_writes(ports: Ports) -> None:
    """
    Reads come first, and of two writes to one key the last counts.
    """
    store = AsmStore(ports)
    found = await store.abatch(
        [
            PutOp(("n",), "k", {"v": 1}),
            GetOp(("n",), "k"),
            PutOp(("n",), "k", {"v": 2}),
            SearchOp(("n",)),
            ListNamespacesOp(),
        ]
    )
    assert found == [None, None, None, [], []]
    item = await store.aget(("n",), "k")
    assert item
    assert item.value == {"v": 2}


async def test_a_batch_is_written_whole_or_not_at_all(ports: Ports) -> None:
    """
    A value that is no JSON, named with its place, keeps all of its batch from storing.
    """
    store = AsmStore(ports)
    wrong = [
        PutOp(("n",), "good", {"v": 1}),
        PutOp(("n",), "bad", {"v": object()}),
    ]
    with pytest.raises(ValidationError, match=r"'bad'.*\['v'\]"):
        await store.abatch(wrong)
    with pytest.raises(ValidationError, match="key: expected up to"):
        await store.abatch([*wrong[:1], PutOp(("n",), "k" * 1_025, {})])
    with pytest.raises(InvalidNamespaceError):
        await store.abatch([*wrong[:1], PutOp(("a.b",), "k", {})])
    with pytest.raises(ValueError, match=r"\$near"):
        await store.abatch([*wrong[:1], SearchOp((), filter={"v": {"$near": 1}})])
    for ttl in (-1.0, float("nan"), 1e12):
        with pytest.raises(ValidationError, match="'k': ttl"):
            await store.abatch([*wrong[:1], PutOp(("n",), "k", {}, ttl=ttl)])
    other: Any = "get"
    with pytest.raises(ValidationError, match="unknown operation: str"):
        await store.abatch([*wrong[:1], other])
    assert await store.asearch(()) == []


async def test_places_are_told_apart(ports: Ports) -> None:
    """
    Keys with periods, and namespaces that begin with others' text, do not mix.
    """
    store = AsmStore(ports)
    places = [
        (("a",), "b..c"),
        (("a",), ".c"),
        (("a",), "."),
        (("a", "b"), "c"),
        (("ab",), "c"),
        (("a", "b-"), "c"),
        (("a", "*"), "%_"),
        (("a", "/"), "c"),
        (("a", "b", "é"), ""),
    ]
    await store.abatch([PutOp(*place, {"at": list(place[0])}) for place in places])
    for place in places:
        item = await store.aget(*place)
        assert item
        assert ((item.namespace), item.key) == place
    found = await store.asearch(("a", "b"), limit=100)
    assert {item.namespace for item in found} == {("a", "b"), ("a", "b", "é")}
    assert len(await store.asearch((), limit=100)) == len(places)


async def test_what_was_put_last_is_found_first(ports: Ports, clock: Clock) -> None:
    """
    Pages of a search go from the latest item to the oldest, each item once.
    """
    store = AsmStore(ports)
    for number in range(7):
        await store.aput(("n",), str(number), {"even": number % 2 == 0})
        clock.wait(1)
    await store.aput(("n",), "0", {"even": True})
    pages = [await store.asearch(("n",), limit=3, offset=at) for at in (0, 3, 6)]
    assert [item.key for page in pages for item in page] == list("0654321")
    found = await store.asearch(("n",), filter={"even": True})
    assert [item.key for item in found] == list("0642")
    assert found[0].score is None


@pytest.mark.parametrize(
    ("wanted", "keys"),
    [
        ({"n": 2}, "2"),
        ({"n": {"$gt": 1}}, "24"),
        ({"n": {"$gte": 1, "$lt": 3}}, "124"),
        ({"n": {"$ne": 1}}, "2345"),
        ({"s": {"$lte": "m"}}, "1"),
        ({"n": {"$gt": "x"}}, ""),
        ({"in": {"x": {"$eq": 1}}}, "5"),
        ({"in": {"x": 1, "y": 2}}, ""),
        ({"list": [1, {"$gt": 1}]}, "5"),
        ({"list": [1]}, ""),
        ({"missing": None}, "12345"),
        ({}, "12345"),
    ],
)
async def test_filters_compare_as_in_memory(
    ports: Ports, wanted: dict[str, Any], keys: str
) -> None:
    """
    Equality, operators, nesting and lists are as documented; what has no order fails.
    """
    store = AsmStore(ports)
    values: dict[str, dict[str, Any]] = {
        "1": {"n": 1, "s": "k"},
        "2": {"n": 2, "s": "z"},
        "3": {"n": "text"},
        "4": {"n": "2.5"},
        "5": {"in": {"x": 1}, "list": [1, 2]},
    }
    await store.abatch([PutOp(("n",), key, value) for key, value in values.items()])
    found = await store.asearch(("n",), filter=wanted)
    assert "".join(sorted(item.key for item in found)) == keys


async def test_an_item_lives_as_long_as_it_was_given(
    ports: Ports, clock: Clock
) -> None:
    """
    It is swept when its time is over, by a call or by a later write, and not before.
    """
    store = AsmStore(ports, ttl={"default_ttl": 5, "sweep_interval_minutes": 10})
    await store.aput(("n",), "default", {})
    await store.aput(("n",), "short", {}, ttl=1)
    await store.aput(("n",), "ever", {}, ttl=None)
    clock.wait(2)
    assert await store.aget(("n",), "short")
    assert await store.asweep_ttl() == 1
    assert await store.asweep_ttl() == 0
    assert await store.aget(("n",), "short") is None
    clock.wait(9)
    await store.aput(("n",), "more", {})
    assert await store.aget(("n",), "default")
    clock.wait(2)
    await store.aput(("n",), "more", {})
    assert await store.aget(("n",), "default") is None
    assert await store.aget(("n",), "ever")


async def test_reads_refresh_where_that_is_wanted(ports: Ports, clock: Clock) -> None:
    """
    A read begins an item's time anew if the store was told so and the read wants it.
    """
    refreshing = AsmStore(ports, ttl={"refresh_on_read": True})
    plain = AsmStore(ports)
    for key in ("get", "search", "none", "plain"):
        await plain.aput(("n", key), key, {}, ttl=10)
    clock.wait(8)
    item = await refreshing.aget(("n", "get"), "get")
    await refreshing.asearch(("n", "search"))
    await refreshing.aget(("n", "none"), "none", refresh_ttl=False)
    await plain.aget(("n", "plain"), "plain")
    clock.wait(8)
    assert await plain.asweep_ttl() == 2
    assert await plain.alist_namespaces() == [("n", "get"), ("n", "search")]
    again = await plain.aget(("n", "get"), "get")
    assert item == again


async def test_what_is_over_can_be_left_out(ports: Ports, clock: Clock) -> None:
    """
    With omit_expired no read finds an item whose time is over, and none revives it.
    """
    options: Any = {"omit_expired": True, "refresh_on_read": True}
    store = AsmStore(ports, ttl=options)
    await store.aput(("n",), "k", {}, ttl=1)
    clock.wait(1)
    found = await store.abatch([GetOp(("n",), "k"), SearchOp(()), ListNamespacesOp()])
    assert found == [None, [], []]
    assert await store.asweep_ttl() == 1


async def test_a_refresh_does_not_undo_a_put(
    ports: Ports, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Between a read and its refresh others may put, delete and sweep; that stays.
    """
    store = AsmStore(ports, ttl={"refresh_on_read": True})
    other = AsmStore(ports)
    for key in "abc":
        await other.aput(("n",), key, {"v": 1}, ttl=10)
    clock.wait(5)
    refresh = store._refresh

    async def race(*given: Any) -> None:
        await other.aput(("n",), "a", {"v": 2}, ttl=1)
        await other.adelete(("n",), "b")
        await refresh(*given)

    monkeypatch.setattr(store, "_refresh", race)
    assert len(await store.asearch(("n",))) == 3
    clock.wait(7)
    assert await other.asweep_ttl() == 1
    left = await other.asearch(("n",))
    assert [(item.key, item.value) for item in left] == [("c", {"v": 1})]


async def test_a_failing_sweep_does_not_fail_the_put(
    ports: Ports, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    What was put is acknowledged, though what is over could not be deleted.
    """
    store = AsmStore(ports, ttl={"sweep_interval_minutes": 1})
    clock.wait(2)

    async def fail() -> int:
        raise StorageUnavailableError("gone")

    monkeypatch.setattr(store, "_do_sweep", fail)
    await store.aput(("n",), "k", {})
    assert await store.aget(("n",), "k")


async def test_values_are_readable_state(ports: Ports) -> None:
    """
    A memory is JSON of a state item: it is exported, redacted and shown like others.
    """
    store = AsmStore(ports, name="mine")
    await store.aput(("users", "ann"), "likes", {"food": "soup"})
    [item] = await ports.state.list_items("langgraph-store/mine")
    assert item.key == "users.ann..likes"
    assert item.content is None
    assert json.loads(json.dumps(item.data))["value"] == {"food": "soup"}
    assert await AsmStore(ports).asearch(()) == []


def test_threads_and_loops_use_it_side_by_side(portal: Portal) -> None:
    """
    Synchronous and asynchronous writers of many threads lose nothing of each other.
    """
    store = AsmStore(portal.ports)
    start = threading.Barrier(6)

    async def awrite(number: int) -> None:
        for turn in range(5):
            await store.aput(("n", str(number)), str(turn), {})

    def work(number: int) -> None:
        start.wait()
        if number % 2:
            asyncio.run(awrite(number))
        else:
            for turn in range(5):
                store.put(("n", str(number)), str(turn), {})

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(work, range(6)))
    assert len(store.search(("n",), limit=100)) == 30
    assert len(store.list_namespaces()) == 6
    assert store.sweep_ttl() == 0


async def test_a_synchronous_call_in_a_loop_does_not_deadlock(portal: Portal) -> None:
    """
    A synchronous call blocks its own loop only; in the portal's thread it is refused.
    """
    store = AsmStore(portal.ports)
    store.put(("n",), "k", {"v": 1})
    assert store.get(("n",), "k")

    async def call() -> None:
        store.get(("n",), "k")

    with pytest.raises(UnsupportedOperationError, match="own thread"):
        await portal.run(call)


async def test_a_cancelled_put_is_whole_or_not_at_all(portal: Portal) -> None:
    """
    Of a batch that is cancelled all items are stored, or none.
    """
    store = AsmStore(portal.ports)
    for number in range(12):
        puts = [PutOp(("n", str(number)), str(each), {}) for each in range(5)]
        writing = asyncio.create_task(store.abatch(puts))
        await asyncio.sleep(0.0005 * (number % 5))
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        assert len(await store.asearch(("n", str(number)))) in {0, 5}


async def test_ports_without_a_thread_have_no_synchronous_half() -> None:
    """
    Then a synchronous call says what to pass.
    """
    async with InMemoryPorts() as ports:
        with pytest.raises(UnsupportedOperationError, match="from_url"):
            AsmStore(ports).get(("n",), "k")
        with pytest.raises(ValidationError, match="name"):
            AsmStore(ports, name="")


async def test_from_url_opens_what_aclose_closes(tmp_path: Path) -> None:
    """
    A store from a URL makes its tables, and refuses calls once it is closed.
    """
    url = f"sqlite+aiosqlite:///{tmp_path}/own.sqlite3"
    store = AsmStore.from_url(url, ttl={"default_ttl": 1})
    store.put(("n",), "k", {})
    again = AsmStore.from_url(url)
    assert await again.aget(("n",), "k")
    await again.aclose()
    store.close()
    with pytest.raises(StoreClosedError):
        await store.aget(("n",), "k")
    with pytest.raises(ValidationError, match="name"):
        AsmStore.from_url(url, name="")
