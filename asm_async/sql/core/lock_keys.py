"""
The names under which transactions lock each other out on PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

_PERSON = b"asm_async"


def _key(namespace: bytes, name: str) -> int:
    """
    Hash *name* to a signed 64-bit integer.

    Every process that writes to one database must compute the same key, so neither the
    algorithm nor the namespace may ever change. A collision costs waiting, no more: the
    counter row is what numbers rest on.
    """
    digest = blake2b(name.encode(), digest_size=8, person=_PERSON, salt=namespace)
    return int.from_bytes(digest.digest(), "big", signed=True)


MIGRATIONS_KEY = _key(b"migrations", "")
"""
What a migration locks.
"""


def session_lock_keys(session_ids: Iterable[str]) -> list[int]:
    """
    Return the keys of some sessions, each once, in the order in which all must lock.

    It is the order of the keys, not that of the ids: two sessions may share a key, and
    by id two transactions could then wait for each other.
    """
    return sorted({_key(b"session", session_id) for session_id in session_ids})
