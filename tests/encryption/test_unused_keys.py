"""
Keys of sessions that are not stored any more.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from asm_async import InMemoryPorts, Session
from asm_async.coded import CodedSessionStore, Coder
from asm_async.encryption import (
    InMemoryKeyStore,
    KeyOwner,
    KeyRing,
    LocalKeyProvider,
    drop_unused_keys,
    encrypted_ports,
)
from asm_async.encryption.key_records import KeyRecord
from asm_async.testing.factories import make_session
from tests.encrypted_ports import MASTER_KEY

OWNER = KeyOwner.session("ses_1")


async def test_keys_of_deleted_sessions_are_dropped_once_they_were_missing_long() -> (
    None
):
    """
    Others stay, and so does that of a session whose id comes back meanwhile.
    """
    now = datetime(2026, 1, 2, 12, tzinfo=UTC)
    ring = KeyRing(
        InMemoryKeyStore(), LocalKeyProvider({"m": MASTER_KEY}), clock=lambda: now
    )
    ports = encrypted_ports(InMemoryPorts(), keys=ring)
    for number in range(3):
        await ports.store.save_session(make_session(id=f"ses_{number}"))
    await ports.store.delete_session("ses_1")
    await ports.store.delete_session("ses_2")
    await ports.store.save_session(make_session(id="ses_2"))
    dropped = list[int]()
    for seconds in (0, 3600, 1):
        now += timedelta(seconds=seconds)
        hour = timedelta(hours=1)
        dropped.append(await drop_unused_keys(ring, ports.store, unused_for=hour))
    assert dropped == [0, 0, 1]
    found = [await ring.find(KeyOwner.session(f"ses_{number}")) for number in range(3)]
    assert [record is not None and record.is_dropped for record in found] == [
        False,
        True,
        False,
    ]
    await ports.store.save_session(make_session(id="ses_1"))
    assert (await ports.store.get_session("ses_1")).metadata == {}


async def test_the_key_of_a_session_that_comes_back_meanwhile_is_kept() -> None:
    """
    Between the look for it and the drop, also where its keys were dropped before.
    """
    now = datetime(2026, 1, 2, 12, tzinfo=UTC)
    ring = KeyRing(
        InMemoryKeyStore(), LocalKeyProvider({"m": MASTER_KEY}), clock=lambda: now
    )
    ports = encrypted_ports(InMemoryPorts(), keys=ring)

    class Returning(CodedSessionStore):
        async def _get_session(
            self, session_id: str, expected_tenant: str | None
        ) -> Session:
            try:
                return await super()._get_session(session_id, expected_tenant)
            finally:
                await ports.store.save_session(make_session())

    returning = Returning(ports.store, Coder())
    for _ in range(2):
        await ports.store.save_session(make_session())
        await ports.store.delete_session("ses_1")
        now += timedelta(hours=2)
        assert await drop_unused_keys(ring, returning) == 0
        assert (await ports.store.get_session("ses_1")).metadata == {}
        await ports.store.delete_session("ses_1")
        now += timedelta(hours=2)
        assert await drop_unused_keys(ring, ports.store) == 1
    begun = await ring.begin(KeyRecord(owner=OWNER), again=True)
    assert begun.keys
    assert await drop_unused_keys(ring, ports.store) == 0


async def test_what_was_never_noted_as_missing_is_kept_for_a_while_too() -> None:
    """
    Such as the key of a session that never came to be: it is noted first.
    """
    now = datetime(2026, 1, 2, 12, tzinfo=UTC)
    ring = KeyRing(
        InMemoryKeyStore(), LocalKeyProvider({"m": MASTER_KEY}), clock=lambda: now
    )
    store = InMemoryPorts().store
    await ring.begin(KeyRecord(owner=OWNER))
    dropped = list[int]()
    for seconds in (10_000, 3600, 1):
        now += timedelta(seconds=seconds)
        dropped.append(await drop_unused_keys(ring, store))
    assert dropped == [0, 0, 1]
