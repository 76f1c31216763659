"""
Ports that encrypt what goes into those of another backend.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from asm_async.coded import CodedArtifactRegistry, CodedEventFeed, CodedQueryAPI
from asm_async.encryption import (
    EncryptingArtifactStore,
    EncryptingSessionStore,
    EncryptingStateStore,
    InMemoryKeyStore,
    KeyRing,
    KeyStore,
    LocalKeyProvider,
)
from asm_async.encryption.coder import EncryptingCoder
from asm_async.encryption.maintenance import EncryptingMaintenance
from asm_async.memory import InMemoryArtifactStore
from asm_async.ports.artifact_registry import ArtifactRegistry
from asm_async.ports.artifact_store import ArtifactStore
from asm_async.ports.event_feed import EventFeed
from asm_async.ports.maintenance import Maintenance
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.ports.state_store import StateStore
from asm_async.testing.backend import ArtifactStoreBackend, RecordingBackend

__all__ = ["MASTER_KEY", "EncryptedArtifactPlace", "EncryptedBackend", "key_ring"]

MASTER_KEY = bytes(range(64))


def key_ring(store: KeyStore, *, per_user: bool = False) -> KeyRing:
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

    def __init__(self, inner: RecordingBackend, *, per_user: bool = False) -> None:
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

    async def coder(self) -> EncryptingCoder:
        """
        Return a coder of its own, as another process would have.
        """
        return EncryptingCoder(self.ring(), await self._inner.open_store())

    async def open_store(self) -> SessionStore:
        """
        Open another store behind an encrypting one.
        """
        return EncryptingSessionStore(await self._inner.open_store(), keys=self.ring())

    async def open_state_store(self) -> StateStore:
        """
        Open another state store behind an encrypting one.
        """
        return EncryptingStateStore(
            await self._inner.open_state_store(),
            await self._inner.open_store(),
            keys=self.ring(),
        )

    async def open_artifact_registry(self) -> ArtifactRegistry:
        """
        Open another artifact registry behind an encrypting one.
        """
        registry = await self._inner.open_artifact_registry()
        return CodedArtifactRegistry(registry, await self.coder())

    async def open_event_feed(self) -> EventFeed:
        """
        Open another event feed behind an encrypting one.
        """
        return CodedEventFeed(await self._inner.open_event_feed(), await self.coder())

    async def open_query_api(self) -> QueryAPI:
        """
        Open another query API behind an encrypting one.
        """
        query = await self._inner.open_query_api()
        return CodedQueryAPI(query, (await self.coder()).for_imports())

    async def open_maintenance(self, *, now: datetime | None = None) -> Maintenance:
        """
        Open another maintenance behind an encrypting one.
        """
        maintenance = await self._inner.open_maintenance(now=now)
        return EncryptingMaintenance(maintenance, await self.coder())


class EncryptedArtifactPlace:
    """
    A place for contents, behind stores that encrypt them.

    Args:
        inner: The place.
    """

    def __init__(self, inner: ArtifactStoreBackend) -> None:
        self._inner = inner
        self._key_store = InMemoryKeyStore()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def open_artifact_store(self) -> ArtifactStore:
        """
        Open another store behind an encrypting one.
        """
        store = await self._inner.open_artifact_store()
        return EncryptingArtifactStore(store, keys=key_ring(self._key_store))

    async def checksum_of(self, content: bytes) -> str:
        """
        Return the digest of what is kept.
        """
        store = EncryptingArtifactStore(
            InMemoryArtifactStore(), keys=key_ring(self._key_store)
        )
        return (await store.put(content)).checksum_sha256
