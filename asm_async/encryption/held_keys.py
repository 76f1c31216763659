"""
Records and keys in memory: for so many owners, and for so long.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

import attrs
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from asm_async.encryption.key_providers import KeyProvider
from asm_async.encryption.key_records import KeyRecord
from asm_async.encryption.key_stores import KeyStore
from asm_async.encryption.seals import KEY_BYTES, KeyId
from asm_async.errors import DecryptionError, KeyDroppedError


@attrs.define
class Held:
    """
    A record that was read, with those of its keys that were used.
    """

    record: KeyRecord
    """
    The record.
    """

    version: str
    """
    Its version in the key store.
    """

    read_at: float
    """
    When it was read, by the clock.
    """

    ciphers: dict[KeyId, tuple[str, AESSIV]] = attrs.field(
        factory=dict[KeyId, tuple[str, AESSIV]]
    )
    """
    The keys, each with the wrapped form that it had.
    """


class HeldKeys:
    """
    Reads key records, has their keys unwrapped, and keeps both for a while.

    Args:
        store: Where the records are.

        provider: The master key.

        cache_seconds: How long a record is used where its store cannot tell, without
            waiting, whether it changed.

        max_owners: How many records are kept.

        clock: Returns seconds that never go backwards.
    """

    def __init__(
        self,
        store: KeyStore,
        provider: KeyProvider,
        *,
        cache_seconds: float,
        max_owners: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._provider = provider
        self._cache_seconds = cache_seconds
        self._max_owners = max_owners
        self._clock = clock
        self._held: OrderedDict[str, Held] = OrderedDict()

    async def get(self, name: str) -> Held | None:
        """
        Return a record, read again where it may have changed.
        """
        held = self._held.get(name)
        now = self._clock()
        if held is not None:
            is_current = self._store.is_current(name, held.version)
            if is_current is None:
                is_current = now - held.read_at < self._cache_seconds
            if is_current:
                self._held.move_to_end(name)
                return held
        stored = await self._store.read(name)
        if stored is None:
            self._held.pop(name, None)
            return None
        record = KeyRecord.decoded(stored.content, name)
        known = {} if held is None else held.ciphers
        # What was wrapped again is the same key, and one that is gone is none any more.
        still = {
            key_id: value
            for key_id, value in known.items()
            if record.wrapped(key_id) is not None
        }
        fresh = Held(record, stored.version, now, still)
        self._held[name] = fresh
        self._held.move_to_end(name)
        while len(self._held) > self._max_owners:
            self._held.popitem(last=False)
        return fresh

    def forget(self, name: str) -> None:
        """
        Read a record again when it is needed next.
        """
        self._held.pop(name, None)

    async def cipher(self, name: str, key_id: KeyId) -> AESSIV | None:
        """
        Return a key that the record of this name has; None if it has it not.
        """
        held = await self.get(name)
        if held is None:
            return None
        wrapped = held.record.wrapped(key_id)
        if wrapped is None:
            return None
        known = held.ciphers.get(key_id)
        if known is None:
            key = await self.unwrapped(held.record, key_id)
            known = held.ciphers[key_id] = wrapped[0], AESSIV(key)
        return known[1]

    async def unwrapped(self, record: KeyRecord, key_id: KeyId) -> bytes:
        """
        Have the master key unwrap a key of a record.
        """
        found = record.wrapped(key_id)
        if found is None:
            raise KeyDroppedError(str(record.owner))
        wrapped, bound = found
        key = await self._provider.unwrap(wrapped, bound)
        if len(key) != KEY_BYTES:
            raise DecryptionError(
                f"it has {len(key)} bytes, not {KEY_BYTES}",
                subject=f"data key {bound}",
            )
        return key
