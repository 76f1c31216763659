"""
A record that can be changed, under a scope and a key.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Self, TypeAlias, cast

import attrs

from asm_async.errors import ValidationError
from asm_async.values import fields
from asm_async.values.fields import Count, Text, UTCTime
from asm_async.values.json_values import JSONValue, encode_json, normalise_json
from asm_async.values.plain_value import plain_fields
from asm_async.values.stored_value import StoredValue
from asm_async.values.value import schema_of

MAX_KEY_LENGTH = 1_024
"""
The longest key, in characters (Unicode code points).
"""

MAX_KEY_BYTES = 1_536
"""
The longest key in UTF-8: with a scope of 255 characters it still fits into an entry of
a PostgreSQL B-tree, which holds 2,704 bytes.
"""

MAX_CONTENT_BYTES = 64 * 2**20
"""
The longest content of an item: 64 MiB.
"""

OWN_SCOPES = "asm."
"""
What the scopes begin with in which the library keeps state of its own: that is neither
exported nor copied, and an import refuses it.
"""


def item_key(value: object, name: str) -> str:
    """
    Accept 1 to 1,024 characters without NUL or lone surrogate, 1,536 bytes in UTF-8.
    """
    key = key_prefix(value, name)
    if not key:
        raise ValidationError(
            f"{name}: expected 1 to {MAX_KEY_LENGTH} characters, got 0"
        )
    return key


def key_prefix(value: object, name: str) -> str:
    """
    Accept what a key may begin with: what :func:`item_key` accepts, or nothing.
    """
    if not isinstance(value, str):
        raise fields.unexpected(name, "text", value)
    if len(value) > MAX_KEY_LENGTH:
        raise ValidationError(
            f"{name}: expected up to {MAX_KEY_LENGTH} characters, got {len(value)}"
        )
    length = fields.MAX_TEXT_LENGTH
    # So few have fewer bytes than a key may have, too.
    if 0 < len(value) <= length:
        return fields.text(value, name)
    parts = (value[start : start + length] for start in range(0, len(value), length))
    plain = "".join(fields.text(part, name) for part in parts)
    if len(plain.encode()) > MAX_KEY_BYTES:
        raise ValidationError(
            f"{name}: expected up to {MAX_KEY_BYTES} bytes in UTF-8,"
            f" got {len(plain.encode())}"
        )
    return plain


def opaque_bytes(value: object, name: str) -> bytes:
    """
    Accept up to 64 MiB of bytes, and return what nobody else can change.
    """
    if not isinstance(value, bytes | bytearray | memoryview):
        raise fields.unexpected(name, "bytes", value)
    given = cast("Any", value)
    content = given if type(given) is bytes else bytes(given)
    if len(content) > MAX_CONTENT_BYTES:
        raise ValidationError(
            f"{name}: expected up to {MAX_CONTENT_BYTES} bytes, got {len(content)};"
            " keep it as an artifact"
        )
    return content


def item_name(value: object, name: str) -> tuple[str, str]:
    """
    Accept an item's scope and key, as a tuple.
    """
    pair = cast("tuple[object, ...]", fields.instance(value, name, tuple))
    try:
        scope, key = pair
    except ValueError:
        raise fields.unexpected(name, "a pair of scope and key", value) from None
    return fields.text(scope, f"{name}[0]"), item_key(key, f"{name}[1]")


def item_shown(name: tuple[str, str]) -> str:
    """
    Return what a message calls the item of this scope and key.
    """
    scope, key = name
    return f"state item {key!r} of scope {scope!r}"


def check_users_scope(scope: str, name: str) -> None:
    """
    Refuse a scope of the library's own; *name* is where it stands.

    Raises:
        ValidationError: If it begins with :data:`OWN_SCOPES`.
    """
    if scope.startswith(OWN_SCOPES):
        raise ValidationError(
            f"{name}: {scope!r} has the reserved prefix {OWN_SCOPES!r}"
        )


ItemKey: TypeAlias = Annotated[str, item_key]
KeyPrefix: TypeAlias = Annotated[str, key_prefix]
ItemName: TypeAlias = Annotated[tuple[str, str], item_name]
OpaqueBytes: TypeAlias = Annotated[bytes, opaque_bytes]


def _size_shown(content: bytes | None) -> str:
    return "None" if content is None else f"<{len(content)} bytes>"


@attrs.frozen(kw_only=True, weakref_slot=False)
class StateItem(StoredValue):
    """
    A record that can be changed, named by its scope and its key.

    It is for what an agent or a framework keeps beside the log: checkpoints, memories,
    a conversation's own state. *data* is any JSON value, copied when the value is made;
    *content* is bytes, which are not interpreted.
    """

    scope: Text
    """
    The owner of the state, such as ``langgraph/thread-1``: 1 to 255 characters.
    """

    key: ItemKey
    """
    Its name in the scope: 1 to 1,024 characters, at most 1,536 bytes in UTF-8.
    """

    data: JSONValue = attrs.field(default=None, hash=False)
    """
    The data: any JSON value.
    """

    content: OpaqueBytes | None = attrs.field(default=None, repr=_size_shown)
    """
    Further bytes, up to 64 MiB.
    """

    session_id: Text | None = None
    """
    The session that it goes with when that is deleted for good; None if with none.
    """

    revision: Count = 0
    """
    Which of its contents this is; given by the store, 0 before it was saved.
    """

    updated_at: UTCTime | None = None
    """
    When it was saved, by the clock of the store's process; given by the store.
    """

    _GIVEN_BY_STORE: ClassVar = ("revision",)

    def snapshot(self) -> tuple[StateItem, str | None]:
        """
        Return an equal item whose JSON is its own, and its JSON as it is stored.

        Raises:
            ValidationError: If *data* was spoilt since it was checked.
        """
        data = normalise_json(self.data, "data")
        item = self._opened()
        item.data = data
        item.__class__ = StateItem
        return cast("StateItem", item), None if data is None else encode_json(data)

    def as_saved(self, revision: int, updated_at: datetime) -> StateItem:
        """
        Return the item with what the store alone gives; the JSON is the same object.
        """
        item = self._opened()
        item.revision, item.updated_at = revision, updated_at
        item.__class__ = StateItem
        return cast("StateItem", item)

    def has_same_content(self, other: StoredValue) -> bool:
        """
        Return whether both are the same but for what the store gives, as stored.
        """
        if not isinstance(other, StateItem) or self.content != other.content:
            return False
        return self._content() == other._content()  # noqa: SLF001 - of the same class

    def _content(self) -> tuple[str, ...]:
        parts = self.scope, self.key, self.data, self.session_id
        return tuple(map(encode_json, parts))

    def to_dict(self) -> dict[str, Any]:
        """
        Return the fields as plain JSON; *content* as Base64 (RFC 4648, section 4).
        """
        content = self.content
        names = [name for name in schema_of(StateItem).rules if name != "content"]
        plain = plain_fields(self, names)
        encoded = None if content is None else base64.b64encode(content).decode()
        return {name: plain.get(name, encoded) for name in schema_of(StateItem).rules}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """
        Make an item of what :meth:`to_dict` returned.

        Raises:
            ValidationError: Naming the field that is wrong, missing or unknown.
        """
        # What is no object is refused by whom it is handed to.
        given = cast("object", data)
        if isinstance(given, Mapping) and data.get("content") is not None:
            data = {**data, "content": _decoded(data["content"], "content")}
        return super().from_dict(data)


def _decoded(value: object, name: str) -> bytes:
    if not isinstance(value, str):
        raise fields.unexpected(name, "Base64 text", value)
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise ValidationError(f"{name}: this is not Base64") from None
