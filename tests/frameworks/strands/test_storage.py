from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from strands.storage import InMemoryStorage, Storage
from strands.types.exceptions import StorageError

from asm_async import InMemoryPorts, Ports
from asm_async.errors import SessionDeletedError, ValidationError
from asm_async.integrations.strands import AsmStorage
from asm_async.portal import Portal
from tests.frameworks.strands.agents import LATEST, message, snapshot


async def test_a_storage_is_one(ports: Ports) -> None:
    """
    Strands takes it for a storage.
    """
    assert isinstance(AsmStorage(ports), Storage)


async def test_bytes_come_back_as_they_were_given(ports: Ports) -> None:
    """
    Any bytes are read back, those of the last write, and None where there are none.
    """
    storage = AsmStorage(ports)
    every = bytes(range(256)) * 100
    for data in (b"", b"\0\xff", every):
        await storage.write("a/b", data)
        assert await storage.read("a/b") == data
    assert await storage.read("a") is None
    await storage.delete("a/b")
    await storage.delete("a/b")
    assert await storage.read("a/b") is None


async def test_keys_are_those_of_other_storages(ports: Ports) -> None:
    """
    Keys are normalised and listed as by the storage in memory.
    """
    ours, theirs = AsmStorage(ports), InMemoryStorage()
    keys = ["/a//b/", "a/b%", "a/bc", "a_b", "é/ü", "z\U0010ffff", "A"]
    for storage in (ours, theirs):
        for key in keys:
            await storage.write(key, b"")
    for prefix in ("", "a", "a/", "//a//b", "a/b%", "x", "é"):
        assert await ours.list(prefix) == await theirs.list(prefix)


@pytest.mark.parametrize("key", ["", "/", "a\\b", "a/../b", "n\0l", "k" * 1_025, None])
async def test_a_wrong_key_is_named(ports: Ports, key: Any) -> None:
    """
    A key that no storage takes, or ours does not, is refused by their own error.
    """
    storage = AsmStorage(ports)
    with pytest.raises(StorageError, match=r"key|write"):
        await storage.write(key, b"")
    assert await storage.list("") == []


async def test_what_is_no_bytes_is_refused(ports: Ports) -> None:
    """
    Text in the place of bytes is refused before anything is written.
    """
    storage = AsmStorage(ports)
    wrong: Any = "text"
    with pytest.raises(StorageError, match="data: expected bytes") as caught:
        await storage.write("a", wrong)
    assert isinstance(caught.value.__cause__, ValidationError)
    assert await storage.read("a") is None


@pytest.mark.parametrize(
    "options",
    [{"name": ""}, {"tenant_id": ""}, {"user_id": 1}, {"with_messages": "no"}],
)
async def test_a_wrong_option_is_named(options: dict[str, Any]) -> None:
    """
    The constructor names the argument that is wrong.
    """
    async with InMemoryPorts() as ports:
        with pytest.raises(ValidationError, match=next(iter(options))):
            AsmStorage(ports, **options)


async def test_names_and_tenants_are_storages_of_their_own(ports: Ports) -> None:
    """
    What one storage has, another name's or tenant's does not see.
    """
    first = AsmStorage(ports)
    others = [AsmStorage(ports, name="x"), AsmStorage(ports, tenant_id="x")]
    await first.write(LATEST.format("s"), snapshot([message("hello")]))
    for other in others:
        assert await other.list("") == []
        await other.delete(LATEST.format("s"))
    assert len(await first.list("")) == 1
    assert len(await ports.store.list_sessions()) == 1


async def test_a_namespace_is_a_part_of_the_storage(ports: Ports) -> None:
    """
    A namespace reads and writes below its prefix, and searches there alone.
    """
    storage = AsmStorage(ports)
    part = storage.namespace("team/one").namespace("")
    await part.write("note", b"dark mode")
    await storage.write("note", b"dark ages")
    assert await storage.read("team/one/note") == b"dark mode"
    assert await part.list("") == ["note"]
    assert [found.key for found in await part.search("dark")] == ["note"]
    assert len(await storage.search("dark")) == 2


async def test_a_search_strategy_is_told_and_asked(ports: Ports) -> None:
    """
    A strategy hears of each write, and its failure says that the data are stored.
    """
    told: list[str] = []

    class Strategy:
        async def index(self, _: AsmStorage, key: str, data: bytes) -> None:
            told.append(key)
            if data == b"bad":
                raise RuntimeError("no")

        async def search(self, _: AsmStorage, query: str) -> list[object]:
            return [query]

    strategy: Any = Strategy()
    storage = AsmStorage(ports, search_strategy=strategy)
    await storage.namespace("n").write("a", b"good")
    with pytest.raises(StorageError, match="was written, but not indexed"):
        await storage.write("b", b"bad")
    assert told == ["a", "b"]
    assert await storage.read("b") == b"bad"
    found: list[Any] = await storage.search("x")
    assert found == ["x"]


async def test_a_failing_database_is_their_error(ports: Ports) -> None:
    """
    What the database does not do is a StorageError of theirs, caused by one of ours.
    """
    storage = AsmStorage(ports)
    key = LATEST.format("s")
    await storage.write(key, snapshot([message("hello")]))
    await ports.maintenance.soft_delete_session(storage.asm_session_id("s"))
    with pytest.raises(StorageError, match="could not write") as caught:
        await storage.write(key, snapshot([message("again")]))
    assert isinstance(caught.value.__cause__, SessionDeletedError)
    assert await storage.read(key) is not None


def test_any_loop_and_thread_can_use_it(portal: Portal) -> None:
    """
    Over a portal, loops of many threads write side by side, and all is there.
    """
    storage = AsmStorage(portal.ports)
    start = threading.Barrier(8)

    async def write(number: int) -> None:
        for turn in range(5):
            await storage.write(f"{number}/{turn}", str(turn).encode())

    def work(number: int) -> None:
        start.wait()
        asyncio.run(write(number))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
    assert len(asyncio.run(storage.list())) == 40


async def test_a_cancelled_write_is_whole_or_not_at_all(portal: Portal) -> None:
    """
    After a cancellation either what was there, or what was written, is read.
    """
    storage = AsmStorage(portal.ports)
    key = LATEST.format("s")
    said = [message(f"turn {number}") for number in range(20)]
    for number in range(1, 20):
        data = snapshot(said[:number])
        before = await storage.read(key)
        writing = asyncio.create_task(storage.write(key, data))
        await asyncio.sleep(0.0005 * (number % 4))
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        now = await storage.read(key)
        assert now in {before, data}
    await storage.write(key, snapshot(said))
    session_id = storage.asm_session_id("s")
    events = await portal.ports.store.get_events(session_id)
    assert [event.data["content"] for event in events] == [
        f"turn {number}" for number in range(20)
    ]


async def test_from_url_opens_what_close_closes(tmp_path: Path) -> None:
    """
    A storage from a URL makes its tables, and refuses calls once it is closed.
    """
    storage = AsmStorage.from_url(f"sqlite+aiosqlite:///{tmp_path}/own.sqlite3")
    await storage.write("a", b"1")
    storage.namespace("x").close()
    with pytest.raises(StorageError, match="could not read"):
        await storage.read("a")
    with pytest.raises(ValidationError, match="name"):
        AsmStorage.from_url(f"sqlite+aiosqlite:///{tmp_path}/own.sqlite3", name="")


async def test_ports_of_one_loop_serve_that_loop(ports: Ports) -> None:
    """
    Without a portal the storage works in its loop, closes nothing, and has no thread.
    """
    before = threading.active_count()
    storage = AsmStorage(ports)
    await storage.write("a", b"1")
    storage.close()
    assert await storage.read("a") == b"1"
    assert threading.active_count() <= before + 1
