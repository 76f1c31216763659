"""
The coder by which ports store what is encrypted, and show what was decrypted.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from copy import copy
from typing import Any, NamedTuple, TypeAlias, cast

import attrs
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from asm_async.coded import CodedValue, Coder, Removal
from asm_async.encryption.key_records import KeyRecord
from asm_async.encryption.key_ring import KeyRing
from asm_async.encryption.owners import KeyOwner
from asm_async.encryption.sealed_fields import (
    as_erased,
    members_of,
    place_of,
    sealed_text_of,
    with_members,
    with_text,
)
from asm_async.encryption.seals import (
    SEALED,
    SIV_BYTES,
    KeyId,
    SealedText,
    seal,
    unseal,
)
from asm_async.errors import (
    KeyDroppedError,
    SessionDeletedError,
    SessionNotFoundError,
    TamperedError,
)
from asm_async.ports.session_store import SessionStore
from asm_async.values import fields
from asm_async.values.artifact import Artifact
from asm_async.values.event import Event
from asm_async.values.json_values import decode_json, encode_json
from asm_async.values.run import Run
from asm_async.values.session import Session
from asm_async.values.state_item import StateItem

Key: TypeAlias = tuple[KeyId, AESSIV]


# What is bound to a place begins with a bracket, so that neither text passes for the
# other one.
_CONTEXT = b"context"
_CONTENT = b"content"


class _Place(NamedTuple):
    """
    Where a value was written to: here, or in a session that this one is a copy of.
    """

    session_id: str | None
    scope: str


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
        keys: dict[tuple[str | None, str], Key] = {}
        encoded: list[CodedValue] = []
        for value in values:
            session_id, scope = place = _place(value)
            owned_by = place if session_id is None else (session_id, "")
            key = keys.get(owned_by)
            if key is None:
                owner = _owner(session_id, scope)
                key = keys[owned_by] = await self._to_encrypt(owner, sessions)
            encoded.append(self._encrypted(value, place, *key))
        return encoded

    async def decode(self, values: Sequence[CodedValue]) -> Sequence[CodedValue]:
        """
        Decrypt values; of those whose key was dropped, say that they are erased.
        """
        reading = _Reading(self.keys)
        return [await self._decoded(value, reading) for value in values]

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
            if owner.kind == "session" and not await self._is_stored(owner):
                await self.keys.note_use(owner, is_used=False)

    async def _is_stored(self, owner: KeyOwner) -> bool:
        try:
            await self._sessions.get_session(owner.id)
        except SessionNotFoundError:
            return False
        return True

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

    async def _to_encrypt(self, owner: KeyOwner, brought: dict[str, Session]) -> Key:
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
        return await self.keys.to_encrypt(record)

    async def _begun(
        self, owner: KeyOwner, known: KeyRecord | None, brought: dict[str, Session]
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

    def _encrypted(
        self, value: CodedValue, place: _Place, key_id: KeyId, cipher: AESSIV
    ) -> CodedValue:
        bound = place_of(value, *place)
        members = members_of(value)
        if isinstance(value, Session):
            context = encode_json(value.context) if value.context else ""
            sealed = (
                self._sealed(context, key_id, cipher, _CONTEXT + bound)
                if context
                else ""
            )
            members.append(_siv_of(sealed))
            stored = {SEALED: sealed} if sealed else {}
            value = attrs.evolve(value, context=stored)
        elif isinstance(value, StateItem):
            siv, content = _encrypted_content(value.content, cipher, bound)
            members.append(siv)
            value = attrs.evolve(value, content=content)
        text = encode_json(members)
        return with_text(value, self._sealed(text, key_id, cipher, bound))

    def _sealed(self, text: str, key_id: KeyId, cipher: AESSIV, bound: bytes) -> str:
        # Blanks behind JSON mean nothing.
        filled = text + " " * (-len(text) % self._pad_to)
        return seal(cipher, key_id, filled.encode(), bound)

    async def _decoded(self, value: CodedValue, reading: _Reading) -> CodedValue:
        found = sealed_text_of(value)
        if found is None:
            if self._allow_plaintext:
                return value
            raise TamperedError("it is not encrypted", subject=_shown(value))
        sealed = SealedText.of(found, _shown(value))
        here = _place(value)
        cipher = await reading.cipher(sealed.key_id, here.session_id, value)
        if cipher is None:
            return _erased(value)
        if await reading.is_own(sealed.key_id, here.session_id):
            return _opened(value, sealed, cipher, here)
        async with aclosing(reading.places(here)) as places:
            async for place in places:
                try:
                    return _opened(value, sealed, cipher, place)
                except TamperedError:
                    continue
        raise TamperedError(
            "it was altered, cut, or belongs to another place", subject=_shown(value)
        )


class _Reading:
    """
    What is found out once for the values of one call.
    """

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys
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
                key_id, _shown(value), lent_to=lent_to
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

    async def places(self, here: _Place) -> AsyncGenerator[_Place]:
        """
        Yield where a value may have been written to, from here to what was copied.
        """
        place, seen = here, set[str | None]()
        while place.session_id is not None and place.session_id not in seen:
            yield place
            seen.add(place.session_id)
            record = await self._keys.find(KeyOwner.session(place.session_id))
            if record is None or record.origin is None:
                return
            place = _Place(record.origin, record.scope_of_origin(place.scope))


def _place(value: CodedValue) -> _Place:
    match value:
        case Session():
            return _Place(value.id, "")
        case StateItem():
            return _Place(value.session_id, value.scope)
        case Event() | Run() | Artifact():
            return _Place(value.session_id, "")


def _owner(session_id: str | None, scope: str) -> KeyOwner:
    if session_id is not None:
        return KeyOwner.session(session_id)
    return KeyOwner.scope(scope) if scope else KeyOwner.contents()


def _opened(
    value: CodedValue, sealed: SealedText, cipher: AESSIV, place: _Place
) -> CodedValue:
    subject, bound = _shown(value), place_of(value, *place)
    members: list[Any] = decode_json(unseal(cipher, sealed, bound, subject).decode())
    if isinstance(value, Session):
        *members, siv = members
        value = attrs.evolve(value, context=_context(value, siv, cipher, bound))
    elif isinstance(value, StateItem):
        *members, siv = members
        content = _decrypted_content(value, siv, cipher, bound)
        value = attrs.evolve(value, content=content)
    return with_members(value, members)


def _context(value: Session, siv: object, cipher: AESSIV, bound: bytes) -> Any:
    # A search leaves the context out.
    if not value.context:
        return {}
    subject = _shown(value)
    sealed = SealedText.of(value.context.get(SEALED), subject)
    if _siv_of(cast("str", value.context[SEALED])) != siv:
        raise TamperedError("its context is from another time", subject=subject)
    text = unseal(cipher, sealed, _CONTEXT + bound, subject)
    return decode_json(text.decode())


def _encrypted_content(
    content: bytes | None, cipher: AESSIV, bound: bytes
) -> tuple[str | None, bytes | None]:
    """
    Encrypt an item's content, so that it keeps its length, and stays within the bound.

    Returns:
        Its synthetic initialization vector, which is kept with the item's data, and
        what is stored.
    """
    if not content:
        return (None if content is None else ""), content
    encrypted = cipher.encrypt(content, [_CONTENT, bound])
    siv = base64.b64encode(encrypted[:SIV_BYTES]).decode()
    return siv, encrypted[SIV_BYTES:]


def _decrypted_content(
    item: StateItem, siv: str | None, cipher: AESSIV, bound: bytes
) -> bytes | None:
    # A list without contents leaves them out.
    if item.content is None:
        return None
    if siv is None or bool(siv) != bool(item.content):
        raise TamperedError("its content was exchanged", subject=_shown(item))
    if not siv:
        return b""
    encrypted = base64.b64decode(siv) + item.content
    try:
        return cipher.decrypt(encrypted, [_CONTENT, bound])
    except InvalidTag:
        raise TamperedError(
            "its content was altered or exchanged", subject=_shown(item)
        ) from None


def _siv_of(sealed: str) -> str:
    """
    Return the beginning of a sealed text's ciphertext, which no other text has.
    """
    return sealed.rpartition(".")[2][:24]


def _erased(value: CodedValue) -> CodedValue:
    if isinstance(value, Session):
        value = attrs.evolve(value, context={})
    elif isinstance(value, StateItem):
        value = attrs.evolve(value, content=None)
    return as_erased(value)


def _shown(value: CodedValue) -> str:
    match value:
        case Event():
            return f"event {value.id!r} of session {value.session_id!r}"
        case StateItem():
            return f"state item {value.key!r} of scope {value.scope!r}"
        case Session() | Run() | Artifact():
            return f"{type(value).__name__.lower()} {value.id!r}"
