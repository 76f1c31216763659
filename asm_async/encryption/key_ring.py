"""
The data keys: made, cached, rotated, and dropped.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import datetime
from typing import cast

import attrs
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from asm_async.encryption.held_keys import HeldKeys
from asm_async.encryption.key_providers import KeyProvider
from asm_async.encryption.key_records import KeyRecord, lent_to
from asm_async.encryption.key_stores import KeyStore
from asm_async.encryption.owners import KeyOwner
from asm_async.encryption.seals import KEY_BYTES, KeyId
from asm_async.errors import DecryptionError, KeyDroppedError, StorageBusyError
from asm_async.fronts.retention import utc_now
from asm_async.values import fields

_LOG = logging.getLogger(__name__)

CACHE_SECONDS = 10.0
"""
How long a key is used, unless said otherwise, before its record is looked at again.
"""

MAX_CACHED_OWNERS = 4_096
"""
How many owners' keys are kept in memory, unless said otherwise.
"""

_MAX_ATTEMPTS = 100


class KeyRing:
    """
    The data keys of one key store, wrapped by the master key of one provider.

    **One key.** Of any number of processes that make the first key of an owner at the
    same time one succeeds, and all use that one.

    **Dropping.** A key that was dropped is neither used nor made again. In this process
    that holds at once; in others at once if the key store can tell without waiting, as
    a directory can, and otherwise after *cache_seconds*.

    Args:
        store: Where the wrapped keys are kept: outside of the database and its backups.

        provider: The master key.

        per_user: Cover all sessions of a user by one key, instead of each by its own;
            sessions of no user have keys of their own.

        cache_seconds: How long a key may be used before its record is looked at again,
            where the key store cannot tell whether it changed. 0 looks at each use.

        max_cached_owners: How many owners' keys are kept in memory.

        clock: Returns the time with which sessions are noted as missing.

    Raises:
        ValidationError: If an argument is wrong.
    """

    def __init__(
        self,
        store: KeyStore,
        provider: KeyProvider,
        *,
        per_user: bool = False,
        cache_seconds: float = CACHE_SECONDS,
        max_cached_owners: int = MAX_CACHED_OWNERS,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        if not callable(getattr(store, "is_current", None)):
            raise fields.unexpected("store", "a KeyStore", store)
        if not callable(getattr(provider, "unwrap", None)):
            raise fields.unexpected("provider", "a KeyProvider", provider)
        self._store = store
        self._provider = provider
        self._held = HeldKeys(
            store,
            provider,
            cache_seconds=fields.amount(cache_seconds, "cache_seconds"),
            max_owners=fields.positive_count(max_cached_owners, "max_cached_owners"),
        )
        self.per_user: bool = fields.boolean(per_user, "per_user")
        """
        Whether one key covers all sessions of a user.
        """
        self.clock: Callable[[], datetime] = fields.function(clock, "clock")
        """
        Returns the time with which sessions are noted as missing.
        """

    async def find(self, owner: KeyOwner) -> KeyRecord | None:
        """
        Return what is known of an owner; None if it never had a key.
        """
        held = await self._held.get(owner.name)
        return None if held is None else held.record

    async def begin(self, record: KeyRecord, *, again: bool = False) -> KeyRecord:
        """
        Keep the *record* of an owner that has none, with its first key.

        A session that its user's key covers gets none of its own.

        Args:
            record: The record to begin with.

            again: Make a new key after all were dropped. Everything that those covered
                stays erased.

        Returns:
            The record that is kept: another process's, if that was faster.

        Raises:
            KeyDroppedError: If its keys were dropped, unless *again*.
        """
        needs_key = not record.is_under_user

        async def change(found: KeyRecord | None) -> KeyRecord:
            if found is None:
                return await self._with_new_key(record) if needs_key else record
            if not found.is_dropped:
                return found
            if not again:
                raise KeyDroppedError(str(found.owner))
            # It is missing no longer than from now on.
            return await self._with_new_key(attrs.evolve(found, unused_since=None))

        return cast("KeyRecord", await self._change(record.owner, change))

    async def to_encrypt(self, record: KeyRecord) -> tuple[KeyId, AESSIV]:
        """
        Return the key that encrypts what belongs to an owner now.

        Raises:
            KeyDroppedError: If it was dropped.

            DecryptionError: If the master key cannot unwrap it.
        """
        if not record.keys:
            raise KeyDroppedError(str(record.owner))
        key_id = KeyId(record.owner.name, record.keys[-1][0])
        cipher = await self._held.cipher(record.owner.name, key_id)
        if cipher is None:
            raise KeyDroppedError(str(record.owner))
        return key_id, cipher

    async def to_decrypt(
        self, key_id: KeyId, subject: str, *, lent_to: KeyOwner | None = None
    ) -> AESSIV | None:
        """
        Return the key of something that is stored; None if it was dropped.

        Args:
            key_id: Which key.

            subject: The value to be decrypted, for the error.

            lent_to: An owner that may have been lent the key.

        Raises:
            DecryptionError: If the key store has no such key, or the master key cannot
                unwrap it.
        """
        if lent_to is not None and lent_to.name != key_id.owner:
            cipher = await self._held.cipher(lent_to.name, key_id)
            if cipher is not None:
                return cipher
        cipher = await self._held.cipher(key_id.owner, key_id)
        if cipher is not None:
            return cipher
        held = await self._held.get(key_id.owner)
        if held is not None and key_id.number <= held.record.dropped_through:
            return None
        raise DecryptionError(
            f"the key store has no key {key_id}; it is not the one that this was"
            " written with, or an older state of it",
            subject=subject,
        )

    async def rotate(self, owner: KeyOwner) -> None:
        """
        Make a new key, which encrypts from now on; the old ones still decrypt.

        A call that saves by an operation id, and is repeated after this, is another
        call: its values would be encrypted differently.

        Raises:
            KeyDroppedError: If the keys of the owner were dropped.
        """

        async def change(found: KeyRecord | None) -> KeyRecord:
            record = KeyRecord(owner=owner) if found is None else found
            if record.is_dropped:
                raise KeyDroppedError(str(owner))
            return await self._with_new_key(record)

        await self._change(owner, change)

    async def drop(self, owner: KeyOwner, *, unused_since: int | None = None) -> bool:
        """
        Remove all keys of an owner, for good: what they cover is erased.

        It is durable when it returns. Dropping again, and the keys of an owner that
        never had one, changes nothing.

        Args:
            owner: What they cover.

            unused_since: Drop them only if its record says still that it is unused
                since then; None for whatever it says.

        Returns:
            Whether it has no keys now.
        """

        async def change(found: KeyRecord | None) -> KeyRecord | None:
            if found is None or unused_since not in {None, found.unused_since}:
                return found
            return found.dropped()

        record = await self._change(owner, change)
        is_dropped = record is None or not record.keys
        if is_dropped:
            _LOG.info("the keys of a %s were dropped", owner.kind)
        return is_dropped

    async def note_use(self, owner: KeyOwner, *, is_used: bool) -> KeyRecord | None:
        """
        Note whether a session is stored, or about to be; None if it never had a key.

        :func:`drop_unused_keys` drops the keys of sessions that stay unused.
        """
        now = int(self.clock().timestamp())

        async def change(found: KeyRecord | None) -> KeyRecord | None:
            if found is None or (found.unused_since is None) == is_used:
                return found
            return attrs.evolve(found, unused_since=None if is_used else now)

        return await self._change(owner, change)

    async def lend(self, source_id: str, target: KeyRecord) -> None:
        """
        Let a copy of a session read what it takes along.

        Args:
            source_id: The session that is copied.

            target: The copy's record, with its origin, to begin with if it has none.
        """
        held = await self._held.get(KeyOwner.session(source_id).name)
        if held is None:
            return
        source, lent = held.record, dict[str, str]()
        ids = [KeyId(source.owner.name, number) for number, _ in source.keys]
        ids += [_key_id(text) for text, _ in source.lent]
        for key_id in ids:
            key = await self._held.unwrapped(source, key_id)
            bound = lent_to(target.owner, key_id)
            lent[str(key_id)] = await self._provider.wrap(key, bound)

        async def change(found: KeyRecord | None) -> KeyRecord:
            record = target if found is None else found
            if not record.keys and not record.is_under_user:
                record = await self._with_new_key(record)
            return attrs.evolve(
                record,
                origin=target.origin,
                origin_scopes=target.origin_scopes,
                lent=tuple(lent.items()),
                unused_since=None,
            )

        await self._change(target.owner, change)

    async def rewrap(self) -> int:
        """
        Wrap all data keys by the present master key; nothing else is written.

        Once it has returned, and every process uses the present master key, the old one
        may be destroyed. Then wrapped keys in old copies of the key store are worth
        nothing.

        Returns:
            How many keys were wrapped by another master key before.
        """
        count = 0
        async with aclosing(self.records()) as records:
            async for record in records:
                count += await self._rewrap(record.owner)
        return count

    async def owners(
        self, *, tenant_id: str | None = None, user_id: str | None = None
    ) -> list[KeyOwner]:
        """
        Return the owners that belong to a tenant, a user, or both, and have keys.

        Sessions belong to whom they did when they got their first key.
        """
        async with aclosing(self.records()) as records:
            return [
                record.owner
                async for record in records
                if record.keys and _belongs(record, tenant_id, user_id)
            ]

    async def records(self) -> AsyncGenerator[KeyRecord]:
        """
        Yield all records, as they are now.
        """
        async with aclosing(self._store.names()) as names:
            async for name in names:
                stored = await self._store.read(name)
                if stored is not None:
                    yield KeyRecord.decoded(stored.content, name)

    async def _rewrap(self, owner: KeyOwner) -> int:
        count = 0

        async def change(found: KeyRecord | None) -> KeyRecord | None:
            nonlocal count
            count = 0
            if found is None:
                return None
            keys, lent = list(found.keys), list(found.lent)
            for place, (number, wrapped) in enumerate(keys):
                if not self._provider.is_current(wrapped):
                    key_id, count = KeyId(owner.name, number), count + 1
                    key = await self._held.unwrapped(found, key_id)
                    again = await self._provider.wrap(key, str(key_id))
                    keys[place] = number, again
            for place, (text, wrapped) in enumerate(lent):
                if not self._provider.is_current(wrapped):
                    key_id, count = _key_id(text), count + 1
                    key = await self._held.unwrapped(found, key_id)
                    again = await self._provider.wrap(key, lent_to(owner, key_id))
                    lent[place] = text, again
            return attrs.evolve(found, keys=tuple(keys), lent=tuple(lent))

        await self._change(owner, change)
        return count

    async def _with_new_key(self, record: KeyRecord) -> KeyRecord:
        key_id = KeyId(record.owner.name, record.latest + 1)
        key = os.urandom(KEY_BYTES)
        return record.with_key(await self._provider.wrap(key, str(key_id)))

    async def _change(
        self,
        owner: KeyOwner,
        change: Callable[[KeyRecord | None], Awaitable[KeyRecord | None]],
    ) -> KeyRecord | None:
        """
        Change a record, and begin again whenever another process was faster.
        """
        name = owner.name
        for _ in range(_MAX_ATTEMPTS):
            stored = await self._store.read(name)
            found = None if stored is None else KeyRecord.decoded(stored.content, name)
            changed = await change(found)
            if changed is None or changed == found:
                return found
            version = None if stored is None else stored.version
            self._held.forget(name)
            if await self._store.write(
                name, changed.encoded(), expected_version=version
            ):
                return changed
        raise StorageBusyError(f"the key record {name} was changed at each attempt")


def _belongs(record: KeyRecord, tenant_id: str | None, user_id: str | None) -> bool:
    owner = record.owner
    if owner.kind == "user":
        return tenant_id in {None, owner.tenant_id} and user_id in {None, owner.id}
    if owner.kind != "session":
        return False
    return tenant_id in {None, record.tenant_id} and user_id in {None, record.user_id}


def _key_id(text: str) -> KeyId:
    owner, _, number = text.partition(".")
    return KeyId(owner, int(number))
