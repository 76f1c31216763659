"""
What a key store holds of one owner: its wrapped keys, and which were dropped.
"""

from __future__ import annotations

import json
from typing import Any, Self, cast

import attrs

from asm_async.encryption.owners import KeyOwner
from asm_async.encryption.seals import KeyId
from asm_async.errors import DecryptionError, ValidationError

_VERSION = 1


@attrs.frozen(kw_only=True)
class KeyRecord:
    """
    The data keys of one owner, wrapped.
    """

    owner: KeyOwner
    """
    What they cover.
    """

    tenant_id: str | None = None
    """
    The tenant of the session, when it got its first key.
    """

    user_id: str | None = None
    """
    The user of the session, when it got its first key.
    """

    is_under_user: bool = False
    """
    Whether the session has no key of its own, and its user's covers it.
    """

    keys: tuple[tuple[int, str], ...] = ()
    """
    The numbers of the keys, ascending, each with the wrapped key. The last encrypts.
    """

    dropped_through: int = 0
    """
    The number of the last key that was dropped: neither it nor one before comes back.
    """

    origin: str | None = None
    """
    The session that this one was copied from, whose events and items it may hold.
    """

    origin_scopes: tuple[tuple[str, str], ...] = ()
    """
    Scopes that the copy gave other names, by their names here and there.
    """

    lent: tuple[tuple[str, str], ...] = ()
    """
    Ids of that session's keys, each with the key wrapped for this owner.
    """

    unused_since: int | None = None
    """
    When the session was first found missing, in seconds since 1970; None if it was not.
    """

    @property
    def latest(self) -> int:
        """
        The number of the last key there ever was, 0 for none.
        """
        return self.keys[-1][0] if self.keys else self.dropped_through

    @property
    def is_dropped(self) -> bool:
        """
        Whether it had a key, and has none now.
        """
        return not self.keys and self.dropped_through > 0

    @property
    def covering(self) -> KeyOwner:
        """
        The owner whose key encrypts what belongs to this one.
        """
        if not self.is_under_user or self.user_id is None:
            return self.owner
        return KeyOwner.user(self.user_id, tenant_id=self.tenant_id)

    def wrapped(self, key_id: KeyId) -> tuple[str, str] | None:
        """
        Return a wrapped key, and what it is bound to; None if it is not here.
        """
        if key_id.owner == self.owner.name:
            own = dict(self.keys).get(key_id.number)
            return None if own is None else (own, str(key_id))
        lent = dict(self.lent).get(str(key_id))
        return None if lent is None else (lent, lent_to(self.owner, key_id))

    def scope_of_origin(self, scope: str) -> str:
        """
        Return what a scope was called in the session that this one was copied from.
        """
        renamed = dict(self.origin_scopes).get(scope)
        if renamed is not None or self.origin is None:
            return scope if renamed is None else renamed
        own = self.owner.id
        if scope == own or scope.startswith(f"{own}/"):
            return self.origin + scope[len(own) :]
        return scope

    def with_key(self, wrapped: str) -> KeyRecord:
        """
        Return the record with one key more, which encrypts from now on.
        """
        return attrs.evolve(self, keys=(*self.keys, (self.latest + 1, wrapped)))

    def dropped(self) -> KeyRecord:
        """
        Return the record without any key, for good.
        """
        return attrs.evolve(self, keys=(), dropped_through=self.latest, lent=())

    def encoded(self) -> bytes:
        """
        Return the record as a key store keeps it: a line of JSON.
        """
        plain = {"version": _VERSION, **attrs.asdict(self)}
        return json.dumps(plain, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def decoded(cls, content: bytes, name: str) -> Self:
        """
        Return the record that :meth:`encoded` made.

        Raises:
            DecryptionError: If it is damaged, or of another owner than *name* says.
        """
        try:
            plain = cast("dict[str, Any]", json.loads(content))
            is_known = plain.pop("version") == _VERSION
            owner = KeyOwner(**plain.pop("owner"))
            pairs: dict[str, Any] = {
                field: tuple([(first, second) for first, second in plain.pop(field)])
                for field in ("keys", "lent", "origin_scopes")
            }
            record = cls(owner=owner, **pairs, **plain)
        except (ValueError, TypeError, KeyError, AttributeError, ValidationError):
            record, is_known = None, False
        if record is None or not is_known or record.owner.name != name:
            raise DecryptionError(
                "it is damaged, or of a version that this code does not know",
                subject=f"key record {name}",
            )
        return record


def lent_to(owner: KeyOwner, key_id: KeyId) -> str:
    """
    Return what a key is bound to that one owner has lent to another.
    """
    return f"{key_id}>{owner.name}"
