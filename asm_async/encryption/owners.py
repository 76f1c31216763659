"""
What a data key covers: a session, a user, a scope of state items, contents.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cached_property
from typing import Self

import attrs

from asm_async.values.fields import Text
from asm_async.values.json_values import encode_json
from asm_async.values.value import Value

_NAME_BYTES = 16


@attrs.frozen(kw_only=True)
class KeyOwner(Value):
    """
    What one data key covers: what is erased when it is dropped.

    Raises:
        ValidationError: Naming the field that is wrong.
    """

    kind: Text
    """
    What it is: ``session``, ``user``, ``scope`` or ``contents``.
    """

    id: Text
    """
    Which of its kind.
    """

    tenant_id: Text | None = None
    """
    The tenant of a user: two tenants may have users of one id.
    """

    @classmethod
    def session(cls, session_id: str) -> Self:
        """
        Return the owner of what belongs to a session.
        """
        return cls(kind="session", id=session_id)

    @classmethod
    def user(cls, user_id: str, *, tenant_id: str | None = None) -> Self:
        """
        Return the owner of what belongs to a user's sessions.
        """
        return cls(kind="user", id=user_id, tenant_id=tenant_id)

    @classmethod
    def scope(cls, scope: str) -> Self:
        """
        Return the owner of the state items of a scope that go with no session.
        """
        return cls(kind="scope", id=scope)

    @classmethod
    def contents(cls, name: str = "all") -> Self:
        """
        Return the owner of contents of artifacts that belong to no session.
        """
        return cls(kind="contents", id=name)

    @cached_property
    def name(self) -> str:
        """
        The name of its record in a key store, and in what is encrypted: 26 characters.

        128 bits of SHA-256 over the fields, in the Base32 of RFC 4648 in small letters,
        so that it is a file's name on every system.
        """
        fields = encode_json(["asm.key-owner", self.kind, self.tenant_id, self.id])
        digest = hashlib.sha256(fields.encode()).digest()[:_NAME_BYTES]
        return base64.b32encode(digest).decode().rstrip("=").lower()

    def __str__(self) -> str:
        return f"{self.kind} {self.id!r}"
