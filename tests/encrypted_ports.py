"""
Ports that encrypt what goes into those of another backend.
"""

from __future__ import annotations

from typing import Any

from asm_async.encryption import (
    EncryptingSessionStore,
    InMemoryKeyStore,
    KeyRing,
    LocalKeyProvider,
)
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import QueryAPIBackend

__all__ = ["MASTER_KEY", "EncryptedBackend", "key_ring"]

MASTER_KEY = bytes(range(64))


def key_ring(store: InMemoryKeyStore, *, per_user: bool = False) -> KeyRing:
    """
    Return a ring of its own over a key store, as another process would have.
    """
    return KeyRing(store, LocalKeyProvider({"test": MASTER_KEY}), per_user=per_user)


class EncryptedBackend:
    """
    A backend whose ports encrypt; the ways beside them are those of the inner one.

    Args:
        inner: The backend.

        per_user: Whether one key covers all sessions of a user.
    """

    def __init__(self, inner: QueryAPIBackend, *, per_user: bool = False) -> None:
        self._inner = inner
        self._per_user = per_user
        self.key_store = InMemoryKeyStore()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def ring(self) -> KeyRing:
        """
        Return a ring of its own, as another process would have.
        """
        return key_ring(self.key_store, per_user=self._per_user)

    async def open_store(self) -> SessionStore:
        """
        Open another store behind an encrypting one.
        """
        return EncryptingSessionStore(await self._inner.open_store(), keys=self.ring())
