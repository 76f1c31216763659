"""
Values, sealed by a key and opened again, wherever that comes from.
"""

from __future__ import annotations

import base64
from collections.abc import Generator
from typing import Any, NamedTuple, cast

import attrs
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from asm_async.coded import CodedValue
from asm_async.encryption.sealed_fields import (
    as_erased,
    is_text,
    members_of,
    place_of,
    sealed_object,
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
from asm_async.errors import TamperedError
from asm_async.values.artifact import Artifact
from asm_async.values.event import Event
from asm_async.values.json_outline import PIECE_LENGTH
from asm_async.values.json_pieces import members_in_pieces
from asm_async.values.json_values import (
    EncodedJSON,
    JSONObject,
    decode_json,
    encode_json,
)
from asm_async.values.run import Run
from asm_async.values.session import Session
from asm_async.values.state_item import StateItem

# What is bound to a place begins with a bracket, so that neither text passes for the
# other one.
_CONTEXT = b"context"
_CONTENT = b"content"


class Place(NamedTuple):
    """
    Where a value was written to: here, or in a session that this one is a copy of.
    """

    session_id: str | None
    scope: str


@attrs.frozen
class Sealer:
    """
    Seals values by one key.
    """

    key_id: KeyId
    """
    Which key it is.
    """

    cipher: AESSIV
    """
    The key, ready to be used.
    """

    pad_to: int
    """
    To a multiple of how many bytes each text is filled up.
    """

    def sealed(self, value: CodedValue, place: Place) -> CodedValue:
        """
        Return a value as it is stored at its place.
        """
        bound = place_of(value, *place)
        members = members_of(value)
        if isinstance(value, Session):
            sealed = ""
            if not _is_empty(value.context):
                sealed = self._text(encode_json(value.context), _CONTEXT + bound)
                value = attrs.evolve(value, context={SEALED: sealed})
            members.append(_siv_of(sealed))
        elif isinstance(value, StateItem):
            siv, content = _encrypted_content(value.content, self.cipher, bound)
            members.append(siv)
            value = attrs.evolve(value, content=content)
        # One by one, since any of them may be its text already.
        text = f"[{','.join(map(encode_json, members))}]"
        return with_text(value, self._text(text, bound))

    def _text(self, text: str, bound: bytes) -> str:
        # Blanks behind JSON mean nothing.
        filled = text + " " * (-len(text) % self.pad_to)
        return seal(self.cipher, self.key_id, filled.encode(), bound)


def here(value: CodedValue) -> Place:
    """
    Return the place where a value is.
    """
    match value:
        case Session():
            return Place(value.id, "")
        case StateItem():
            return Place(value.session_id, value.scope)
        case Event() | Run() | Artifact():
            return Place(value.session_id, "")


def opened(
    value: CodedValue, sealed: SealedText, cipher: AESSIV, place: Place
) -> Generator[None, None, CodedValue]:
    """
    Make what callers see of a stored value, if it was written to this place.

    A step takes some milliseconds where the value was read as text.

    Returns:
        The value, when the steps are over.

    Raises:
        TamperedError: If it was not, or anything of it was altered.
    """
    subject, bound = shown(value), place_of(value, *place)
    text = unseal(cipher, sealed, bound, subject).decode()
    yield
    if is_text(value) and len(text) > PIECE_LENGTH:
        members = yield from members_in_pieces(EncodedJSON(text))
    else:
        members = decode_json(text)
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
    context: Any = value.context
    if _is_empty(context):
        return {}
    subject = shown(value)
    held: JSONObject = sealed_object(context) or {}
    sealed = SealedText.of(held.get(SEALED), subject)
    if _siv_of(cast("str", held[SEALED])) != siv:
        raise TamperedError("its context is from another time", subject=subject)
    text = unseal(cipher, sealed, _CONTEXT + bound, subject).decode()
    if type(context) is EncodedJSON:
        # Without what it was filled up with.
        return EncodedJSON(text.rstrip(" "))
    return decode_json(text)


def _is_empty(context: Any) -> bool:
    return context in ({}, "{}")


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
        raise TamperedError("its content was exchanged", subject=shown(item))
    if not siv:
        return b""
    encrypted = base64.b64decode(siv) + item.content
    try:
        return cipher.decrypt(encrypted, [_CONTENT, bound])
    except InvalidTag:
        raise TamperedError(
            "its content was altered or exchanged", subject=shown(item)
        ) from None


def _siv_of(sealed: str) -> str:
    """
    Return the beginning of a sealed text's ciphertext, which no other text has.
    """
    return sealed.rpartition(".")[2][:24]


def erased(value: CodedValue) -> CodedValue:
    """
    Return what readers are shown of a value whose key was dropped.
    """
    if isinstance(value, Session):
        value = attrs.evolve(value, context={})
    elif isinstance(value, StateItem):
        value = attrs.evolve(value, content=None)
    return as_erased(value)


def shown(value: CodedValue) -> str:
    """
    Return what errors call a value.
    """
    match value:
        case Event():
            return f"event {value.id!r} of session {value.session_id!r}"
        case StateItem():
            return f"state item {value.key!r} of scope {value.scope!r}"
        case Session() | Run() | Artifact():
            return f"{type(value).__name__.lower()} {value.id!r}"
