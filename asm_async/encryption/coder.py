"""
The coder by which ports store what is encrypted, and show what was decrypted.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from copy import copy
from typing import ClassVar

from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from asm_async.coded import CodedValue, Coder, Removal
from asm_async.encryption.key_records import KeyRecord
from asm_async.encryption.key_ring import KeyRing
from asm_async.encryption.owners import KeyOwner
from asm_async.encryption.sealed_fields import is_long_text, sealed_text_of
from asm_async.encryption.sealing import Place, Sealer, erased, here, opened, shown
from asm_async.encryption.seals import KeyId, SealedText
from asm_async.encryption.unused_keys import is_stored
from asm_async.errors import (
    KeyDroppedError,
    SessionDeletedError,
    SessionNotFoundError,
    TamperedError,
)
from asm_async.fronts.loop_share import LoopLock, LoopShare, in_steps
from asm_async.ports.session_store import SessionStore
from asm_async.values import fields
from asm_async.values.session import Session


class EncryptingCoder(Coder):
    """
    Encrypts the JSON of values, and the contents of state items.

    Args:
        keys: The data keys.

        sessions: The store behind, to look up a session that has no key yet.

        pad_to: Fill each text with blanks to a multiple of so many bytes, which hides
            its exact length; 1 for none. A call that is repeated with another number
            is a call with other content.

        allow_plaintext: Read what is stored unencrypted as it is, as in a database
            that was begun so. Then anybody who can write to it can add to it.
    """

    passes_text: ClassVar[bool] = True

    def __init__(
        self,
        keys: KeyRing,
        sessions: SessionStore,
        *,
        pad_to: int = 1,
        allow_plaintext: bool = False,
    ) -> None:
        self.keys: KeyRing = fields.instance(keys, "keys", KeyRing)
        """
        The data keys.
        """
        self._sessions = sessions
        self._pad_to = fields.positive_count(pad_to, "pad_to")
        self._allow_plaintext = fields.boolean(allow_plaintext, "allow_plaintext")
        self._must_exist = True
        self._long_work = LoopLock()

    def for_imports(self) -> EncryptingCoder:
        """
        Return the same coder for what is looked at once more behind it.

        It makes keys for sessions that there are none of, so that who reads an export
        says what is wrong with it; :func:`drop_unused_keys` drops these.
        """
        coder = copy(self)
        coder._must_exist = False  # noqa: SLF001 - of its own class
        return coder

    async def encode(self, values: Sequence[CodedValue]) -> Sequence[CodedValue]:
        """
        Encrypt values, each by the present key of its owner.
        """
        sessions = {value.id: value for value in values if isinstance(value, Session)}
        sealers: dict[Place, Sealer] = {}
        encoded: list[CodedValue] = []
        share = LoopShare()
        for value in values:
            place = here(value)
            sealer = sealers.get(place)
            if sealer is None:
                record = await self._record(_owner(place), sessions)
                key = await self.keys.to_encrypt(record)
                sealer = sealers[place] = Sealer(*key, self._pad_to)
            encoded.append(sealer.sealed(value, place))
            await share.rest()
        return encoded

    async def decode(self, values: Sequence[CodedValue]) -> Sequence[CodedValue]:
        """
        Decrypt values; of those whose key was dropped, say that they are erased.
        """
        reading = _Reading(self.keys)
        return [await self._decoded_rested(value, reading) for value in values]

    async def removed(self, removal: Removal) -> None:
        """
        Note that sessions are gone; :func:`drop_unused_keys` drops what stays unused.

        To drop their keys here would lose what others store at the same time under an
        id that comes back.
        """
        owners = {KeyOwner.session(each) for each in removal.session_ids}
        if removal.tenant_id is not None or removal.user_id is not None:
            owners.update(
                await self.keys.owners(
                    tenant_id=removal.tenant_id, user_id=removal.user_id
                )
            )
        for owner in owners:
            if owner.kind == "session" and not await is_stored(owner, self._sessions):
                await self.keys.note_use(owner, is_used=False)

    def record_for(self, session: Session) -> KeyRecord:
        """
        Return the record that a session without keys begins with.
        """
        return KeyRecord(
            owner=KeyOwner.session(session.id),
            tenant_id=session.tenant_id,
            user_id=session.user_id,
            is_under_user=self.keys.per_user and session.user_id is not None,
        )

    async def _record(
        self, owner: KeyOwner, brought: Mapping[str, Session]
    ) -> KeyRecord:
        """
        Return the record whose key covers what belongs to an owner.
        """
        record = await self.keys.find(owner)
        if record is None or record.is_dropped:
            if owner.kind == "session":
                record = await self._begun(owner, record, brought)
            else:
                record = await self.keys.begin(KeyRecord(owner=owner))
        elif record.unused_since is not None:
            record = await self.keys.note_use(owner, is_used=True) or record
        covering = record.covering
        if covering != owner:
            record = await self.keys.find(covering) or await self.keys.begin(
                KeyRecord(owner=covering)
            )
        return record

    async def _begun(
        self, owner: KeyOwner, known: KeyRecord | None, brought: Mapping[str, Session]
    ) -> KeyRecord:
        """
        Make the first key of a session that is stored, or is about to be.

        After its keys were dropped it gets none while it is stored. Its id may come
        back after it was removed, and then begins with nothing.
        """
        try:
            stored = await self._sessions.get_session(owner.id)
        except SessionNotFoundError:
            if owner.id not in brought and self._must_exist:
                raise
            session = brought.get(owner.id)
        else:
            if known is not None and stored.deleted_at is not None:
                # One that is being erased is closed before its key is dropped.
                raise SessionDeletedError(owner.id)
            if known is not None:
                raise KeyDroppedError(str(owner))
            session = stored
        record = KeyRecord(owner=owner) if session is None else self.record_for(session)
        return await self.keys.begin(record, again=known is not None)

    async def _decoded_rested(self, value: CodedValue, reading: _Reading) -> CodedValue:
        if not is_long_text(value):
            return await self._decoded(value, reading)
        # All streams of a session decrypt an event as soon as it is stored.
        async with self._long_work.of_this_loop():
            return await self._decoded(value, reading)

    async def _decoded(self, value: CodedValue, reading: _Reading) -> CodedValue:
        found = sealed_text_of(value)
        if found is None:
            if self._allow_plaintext:
                return value
            raise TamperedError("it is not encrypted", subject=shown(value))
        sealed = SealedText.of(found, shown(value))
        place = here(value)
        cipher = await reading.cipher(sealed.key_id, place.session_id, value)
        if cipher is None:
            return erased(value)
        if await reading.is_own(sealed.key_id, place.session_id):
            return await in_steps(opened(value, sealed, cipher, place), reading.share)
        async with aclosing(reading.places(place)) as places:
            async for origin in places:
                try:
                    return await in_steps(
                        opened(value, sealed, cipher, origin), reading.share
                    )
                except TamperedError:
                    continue
        raise TamperedError(
            "it was altered, cut, or belongs to another place", subject=shown(value)
        )


class _Reading:
    """
    What is found out once for the values of one call.
    """

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys
        self.share = LoopShare()
        self._ciphers: dict[tuple[KeyId, str | None], AESSIV | None] = {}
        self._own: dict[tuple[str, str | None], bool] = {}

    async def cipher(
        self, key_id: KeyId, session_id: str | None, value: CodedValue
    ) -> AESSIV | None:
        """
        Return a key; None if it was dropped.
        """
        asked = key_id, session_id
        if asked not in self._ciphers:
            lent_to = None if session_id is None else KeyOwner.session(session_id)
            self._ciphers[asked] = await self._keys.to_decrypt(
                key_id, shown(value), lent_to=lent_to
            )
        return self._ciphers[asked]

    async def is_own(self, key_id: KeyId, session_id: str | None) -> bool:
        """
        Return whether a value can be from nowhere else than where it is stored.
        """
        asked = key_id.owner, session_id
        if asked not in self._own:
            self._own[asked] = await self._is_own(*asked)
        return self._own[asked]

    async def _is_own(self, owner: str, session_id: str | None) -> bool:
        if session_id is None or owner == KeyOwner.session(session_id).name:
            return True
        record = await self._keys.find(KeyOwner.session(session_id))
        return record is None or record.origin is None

    async def places(self, place: Place) -> AsyncGenerator[Place]:
        """
        Yield where a value may have been written to, from here to what was copied.
        """
        seen = set[str | None]()
        while place.session_id is not None and place.session_id not in seen:
            yield place
            seen.add(place.session_id)
            record = await self._keys.find(KeyOwner.session(place.session_id))
            if record is None or record.origin is None:
                return
            place = Place(record.origin, record.scope_of_origin(place.scope))


def _owner(place: Place) -> KeyOwner:
    if place.session_id is not None:
        return KeyOwner.session(place.session_id)
    return KeyOwner.scope(place.scope) if place.scope else KeyOwner.contents()
