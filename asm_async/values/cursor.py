"""
The cursors of a search: opaque text that says behind which item a page begins.

A cursor is base64url (RFC 4648, section 5, unpadded) of a checksum and a JSON array:
version, resource, order, digest of the filters, key of the item. Nothing in it is
secret or executable: all that a forged one can do is begin at another place.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias, cast

import attrs

from asm_async.errors import InvalidCursorError
from asm_async.values import fields

MAX_CURSOR_LENGTH = 4_096
"""
No cursor is longer, whatever the item's id, unless its search says otherwise.
"""

KeyPart: TypeAlias = datetime | str | int
Key: TypeAlias = tuple[KeyPart, ...]
KeyType: TypeAlias = type[KeyPart] | fields.FieldRule
"""
What a part of a key is: a type, where text is as ids are; or the rule of other text.
"""

_VERSION = 1
_NAMES = ("version", "resource", "order", "choice of filters")
_CHECKSUM_SIZE = 16
_MAX_NUMBER = 2**63 - 1


@attrs.frozen(kw_only=True)
class CursorCodec:
    """
    Writes and reads the cursors of one search.
    """

    resource: str
    """
    What is searched for.
    """

    order: str
    """
    The name of its order.
    """

    filters: Mapping[str, Any]
    """
    What is asked of the items, as JSON in normal form.
    """

    key_types: tuple[KeyType, ...]
    """
    What an item's key is made of.
    """

    max_length: int = MAX_CURSOR_LENGTH
    """
    No cursor is longer, whatever the item's key.
    """

    def encode(self, key: Key) -> str:
        """
        Return the cursor of the page after the item of this *key*.
        """
        parts = [*self._search, *map(_plain, key)]
        return _sealed(json.dumps(parts, ensure_ascii=False).encode())

    def decode(self, cursor: object) -> Key:
        """
        Return the key that *cursor* was made of.

        Raises:
            InvalidCursorError: If no search has made it, or another one.
        """
        try:
            parts = _unsealed(cursor, self.max_length)
        except (ValueError, RecursionError):
            kind = "another text" if isinstance(cursor, str) else type(cursor).__name__
            raise InvalidCursorError(
                f"cursor: expected the cursor of a page, unchanged, got {kind}"
            ) from None
        for name, its, own in zip(_NAMES, parts, self._search, strict=False):
            if its != own:
                raise InvalidCursorError(f"cursor: it belongs to another {name}")
        try:
            key = zip(parts[len(_NAMES) :], self.key_types, strict=True)
            return tuple(_key_part(part, kind) for part, kind in key)
        except ValueError:
            raise InvalidCursorError(
                "cursor: it names no place in this search"
            ) from None

    @property
    def _search(self) -> tuple[KeyPart, ...]:
        text = json.dumps(self.filters, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()
        return _VERSION, self.resource, self.order, digest[: 2 * _CHECKSUM_SIZE]


def _sealed(body: bytes) -> str:
    checksum = hashlib.sha256(body).digest()[:_CHECKSUM_SIZE]
    return base64.urlsafe_b64encode(checksum + body).rstrip(b"=").decode()


def _unsealed(cursor: object, max_length: int) -> list[object]:
    """
    Return what was sealed.

    Sealed again it must give the same text, since many texts decode to the same bytes.
    """
    if not isinstance(cursor, str) or len(cursor) > max_length:
        raise ValueError
    padding = "=" * (-len(cursor) % 4)
    body = base64.urlsafe_b64decode(cursor + padding)[_CHECKSUM_SIZE:]
    if _sealed(body) != cursor:
        raise ValueError
    parts: object = json.loads(body.decode())
    if not isinstance(parts, list):
        raise ValueError  # noqa: TRY004 - what is wrong is the text
    return cast("list[object]", parts)


def _plain(part: KeyPart) -> str | int:
    return part.isoformat() if isinstance(part, datetime) else part


def _key_part(part: object, kind: KeyType) -> KeyPart:
    if kind is int:
        if type(part) is not int or not 0 <= part <= _MAX_NUMBER:
            raise ValueError
        return part
    if not isinstance(kind, type):
        own: str = kind(part, "key")
        return own
    text = fields.text(part, "key")
    if kind is datetime:
        return fields.utc_time(datetime.fromisoformat(text), "key")
    return text
