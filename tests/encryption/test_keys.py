"""
Key stores, providers and rings.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from asm_async import InMemoryPorts, Ports
from asm_async.encryption import (
    DirectoryKeyStore,
    InMemoryKeyStore,
    KeyOwner,
    KeyRing,
    KeyStore,
    LocalKeyProvider,
    StateKeyStore,
    encrypted_ports,
    new_master_key,
)
from asm_async.encryption.held_keys import HeldKeys
from asm_async.encryption.key_records import KeyRecord
from asm_async.errors import (
    DecryptionError,
    KeyDroppedError,
    SessionNotFoundError,
    ValidationError,
)
from asm_async.testing.concurrency import run_together
from asm_async.testing.factories import make_event, make_item, make_session
from tests.encrypted_ports import MASTER_KEY, key_ring

OWNER = KeyOwner.session("ses_1")
NAME = OWNER.name


@pytest.fixture(params=["memory", "directory", "state"])
def open_key_store(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Callable[[], KeyStore]:
    """
    Return what opens each key store, again and again as other processes do.
    """
    if request.param == "directory":
        return lambda: DirectoryKeyStore(tmp_path / "keys")
    memory, state = InMemoryKeyStore(), InMemoryPorts().state
    return lambda: memory if request.param == "memory" else StateKeyStore(state)


async def test_of_writes_that_expect_the_same_version_one_succeeds(
    open_key_store: Callable[[], KeyStore],
) -> None:
    """
    Whether none is there yet or one is replaced, from however many stores.
    """
    version: str | None = None
    for turn in range(3):
        outcomes = await run_together(
            open_key_store().write(NAME, b"%d.%d" % (turn, n), expected_version=version)
            for n in range(8)
        )
        assert outcomes.count(True) == 1
        stored = await open_key_store().read(NAME)
        assert stored is not None
        assert stored.content == b"%d.%d" % (turn, outcomes.index(True))
        assert open_key_store().is_current(NAME, stored.version) in {True, None}
        if version is not None:
            assert open_key_store().is_current(NAME, version) in {False, None}
        version = stored.version
    assert [name async for name in open_key_store().names()] == [NAME]


async def test_of_rings_that_make_a_key_at_once_all_use_the_same(
    open_key_store: Callable[[], KeyStore],
) -> None:
    """
    One of them makes it.
    """
    rings = [key_ring(open_key_store()) for _ in range(8)]
    begun = await run_together(ring.begin(KeyRecord(owner=OWNER)) for ring in rings)
    assert len({record.keys for record in begun}) == 1
    (record,) = set(begun)
    encrypted = set[bytes]()
    for ring in rings:
        _, cipher = await ring.to_encrypt(record)
        encrypted.add(cipher.encrypt(b"text", None))
    assert len(encrypted) == 1


async def test_a_dropped_key_is_gone_for_every_ring_and_comes_never_back(
    open_key_store: Callable[[], KeyStore],
) -> None:
    """
    A ring that holds it asks its store at each use, or after its cache's time.
    """
    one, other = (
        KeyRing(open_key_store(), LocalKeyProvider({"m": MASTER_KEY}), cache_seconds=0)
        for _ in range(2)
    )
    record = await one.begin(KeyRecord(owner=OWNER))
    key_id, _ = await one.to_encrypt(record)
    assert await other.to_decrypt(key_id, "it") is not None

    await one.drop(OWNER)
    await one.drop(OWNER)

    for ring in (one, other):
        assert await ring.to_decrypt(key_id, "it") is None
        found = await ring.find(OWNER)
        assert found is not None
        for call in (ring.to_encrypt(record), ring.to_encrypt(found)):
            with pytest.raises(KeyDroppedError, match="session 'ses_1'"):
                await call
        for refused in (ring.rotate(OWNER), ring.begin(KeyRecord(owner=OWNER))):
            with pytest.raises(KeyDroppedError):
                await refused
    again = await one.begin(KeyRecord(owner=OWNER), again=True)
    assert [number for number, _ in again.keys] == [2]
    assert await other.to_decrypt(key_id, "it") is None


async def test_what_is_cached_is_used_for_so_long_and_no_longer() -> None:
    """
    Where a store can be asked by a query alone, a drop is seen within the time.
    """
    now = 1000.0
    store = StateKeyStore(InMemoryPorts().state)
    one = key_ring(store)
    held = HeldKeys(
        store,
        LocalKeyProvider({"test": MASTER_KEY}),
        cache_seconds=10.0,
        max_owners=1,
        clock=lambda: now,
    )
    key_id, _ = await one.to_encrypt(await one.begin(KeyRecord(owner=OWNER)))
    assert await held.cipher(NAME, key_id) is not None
    await one.drop(OWNER)
    now += 9.9
    assert await one.to_decrypt(key_id, "it") is None
    assert await held.cipher(NAME, key_id) is not None
    now += 0.2
    assert await held.cipher(NAME, key_id) is None


async def test_so_many_owners_are_cached_and_no_more() -> None:
    """
    The one that was not used for the longest time is forgotten first.
    """
    ring = KeyRing(
        InMemoryKeyStore(), LocalKeyProvider({"m": MASTER_KEY}), max_cached_owners=3
    )
    for number in range(10):
        owner = KeyOwner.session(f"ses_{number}")
        await ring.to_encrypt(await ring.begin(KeyRecord(owner=owner)))
    assert len(ring._held._held) == 3


async def test_a_new_master_key_wraps_all_keys_again_and_the_old_one_may_go() -> None:
    """
    Nothing in the database changes; who has the old one alone reads nothing new.
    """
    key_store, raw = InMemoryKeyStore(), InMemoryPorts()
    old, new = {"old": MASTER_KEY}, {"new": MASTER_KEY[::-1]}

    def ports_with(keys: dict[str, bytes]) -> tuple[KeyRing, Ports]:
        ring = KeyRing(key_store, LocalKeyProvider(keys))
        return ring, encrypted_ports(raw, keys=ring)

    _, ports = ports_with(old)
    await ports.store.save_session(make_session())
    event = await ports.store.append_event_with_sequence(make_event())
    stored = await raw.store.get_events("ses_1")

    ring, _ = ports_with(new | old)
    assert await ring.rewrap() == 1
    assert await ring.rewrap() == 0

    assert await raw.store.get_events("ses_1") == stored
    _, ports = ports_with(new)
    assert await ports.store.get_events("ses_1") == [event]
    _, ports = ports_with(old)
    with pytest.raises(DecryptionError, match="master key 'new', which is not among"):
        await ports.store.get_events("ses_1")


async def test_a_wrong_master_key_is_an_error_and_not_an_erasure() -> None:
    """
    The error says what it is; nothing is shown as gone.
    """
    key_store, raw = InMemoryKeyStore(), InMemoryPorts()
    ports = encrypted_ports(raw, keys=key_ring(key_store))
    await ports.store.save_session(make_session())
    wrong = KeyRing(key_store, LocalKeyProvider({"test": MASTER_KEY[::-1]}))
    ports = encrypted_ports(raw, keys=wrong)
    for call in (
        ports.store.get_session("ses_1"),
        ports.store.append_event(make_event()),
    ):
        with pytest.raises(DecryptionError, match="is another one than it was wrapped"):
            await call


async def test_after_a_rotation_old_events_are_read_and_known_again() -> None:
    """
    New ones are encrypted by the new key, and a repeated append is a repetition.
    """
    key_store, raw = InMemoryKeyStore(), InMemoryPorts()
    ring = key_ring(key_store)
    ports = encrypted_ports(raw, keys=ring)
    await ports.store.save_session(make_session())
    first = await ports.store.append_event_with_sequence(make_event())
    await ring.rotate(OWNER)
    second = make_event(id="evt_2")
    assert await ports.store.append_events([make_event(), second]) == [
        first,
        (await ports.store.get_events("ses_1"))[1],
    ]
    numbers = [
        event.data["asm.encrypted"].split(".")[2]
        for event in await raw.store.get_events("ses_1")
    ]
    assert numbers == ["1", "2"]


async def test_an_append_to_no_session_makes_no_key() -> None:
    """
    Wrong ids leave nothing in the key store.
    """
    key_store = InMemoryKeyStore()
    ports = encrypted_ports(InMemoryPorts(), keys=key_ring(key_store))
    with pytest.raises(SessionNotFoundError):
        await ports.store.append_event(make_event())
    assert [name async for name in key_store.names()] == []


async def test_items_of_no_session_have_a_key_for_each_scope() -> None:
    """
    To drop it erases the items of that scope alone.
    """
    key_store, raw = InMemoryKeyStore(), InMemoryPorts()
    ring = key_ring(key_store)
    ports = encrypted_ports(raw, keys=ring)
    await ports.state.save_items(
        [make_item(scope=scope, data=scope, content=b"x") for scope in ("a", "b")]
    )
    await ring.drop(KeyOwner.scope("a"))
    (gone,) = await ports.state.list_items("a")
    (item,) = await ports.state.list_items("b")
    assert (gone.data, gone.content) == ({"asm.erased": True}, None)
    assert (item.data, item.content) == ("b", b"x")
    with pytest.raises(KeyDroppedError, match="scope 'a'"):
        await ports.state.save_items([make_item(scope="a")])


def test_master_keys_are_read_from_text() -> None:
    """
    By lines or commas, with comments; the first wraps.
    """
    first, second = new_master_key("a"), new_master_key("b")
    provider = LocalKeyProvider.from_text(f"# keys\n{first}\n\n{second},\n")
    wrapped = asyncio.run(provider.wrap(b"k" * 64, "it"))
    assert wrapped.startswith("a.")
    assert provider.is_current(wrapped)
    assert asyncio.run(provider.unwrap(wrapped, "it")) == b"k" * 64
    reversed_ = LocalKeyProvider.from_text(f"{second}\n{first}")
    assert not reversed_.is_current(wrapped)
    assert asyncio.run(reversed_.unwrap(wrapped, "it")) == b"k" * 64
    with pytest.raises(DecryptionError):
        asyncio.run(provider.unwrap(wrapped, "another"))


@pytest.mark.parametrize(
    "text", ["", "# nothing", "a:AAAA", "no colon", "a b:" + "A" * 88, "a:" + "?" * 88]
)
def test_what_is_no_master_key_is_refused_and_not_shown(text: str) -> None:
    """
    The error says where it is, and shows nothing of it.
    """
    with pytest.raises(ValidationError, match=r"^ASM_KEYS: expected") as caught:
        LocalKeyProvider.from_text(text, "ASM_KEYS")
    assert not text or text not in str(caught.value)


def test_a_file_of_master_keys_is_for_its_owner_alone(tmp_path: Path) -> None:
    """
    One that others may read or write is refused, and so is one that is not there.
    """
    path = tmp_path / "master.keys"
    with pytest.raises(ValidationError, match="cannot be read: No such file"):
        LocalKeyProvider.from_file(path)
    path.write_text(new_master_key("a"), encoding="ascii")
    for mode in (0o640, 0o604, 0o620, 0o644):
        path.chmod(mode)
        with pytest.raises(ValidationError, match="chmod 600"):
            LocalKeyProvider.from_file(path)
    for mode in (0o600, 0o400):
        path.chmod(mode)
        LocalKeyProvider.from_file(path)


def test_an_environment_without_keys_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    By the variable's name.
    """
    monkeypatch.delenv("ASM_MASTER_KEYS", raising=False)
    with pytest.raises(ValidationError, match=r"^ASM_MASTER_KEYS: expected at least"):
        LocalKeyProvider.from_environment()
    monkeypatch.setenv("ASM_MASTER_KEYS", new_master_key("a"))
    LocalKeyProvider.from_environment()


async def test_a_key_directory_is_for_its_owner_alone(tmp_path: Path) -> None:
    """
    And no temporary file stays.
    """
    before = os.umask(0)
    try:
        store = DirectoryKeyStore(tmp_path / "a" / "keys")
        await store.write(NAME, b"record", expected_version=None)
    finally:
        os.umask(before)
    directory = tmp_path / "a" / "keys"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert [path.name for path in directory.iterdir()] == [NAME]
    assert stat.S_IMODE((directory / NAME).stat().st_mode) == 0o600


async def test_a_damaged_key_record_is_named() -> None:
    """
    As is one that lies under another owner's name.
    """
    for content in (
        b"",
        b"{",
        b"[]",
        b'{"version":2}',
        KeyRecord(owner=OWNER).encoded(),
    ):
        store = InMemoryKeyStore()
        name = KeyOwner.session("ses_2").name
        await store.write(name, content, expected_version=None)
        with pytest.raises(DecryptionError, match=f"key record {name} cannot be read"):
            await key_ring(store).find(KeyOwner.session("ses_2"))
