"""
What tests of erasures stand on: a database with sessions that have all there is.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest_asyncio

from asm_async.artifacts import ArtifactLibrary
from asm_async.memory import InMemoryArtifactStore
from asm_async.ports.artifact_registry import ArtifactRegistry
from asm_async.ports.maintenance import Maintenance
from asm_async.ports.session_store import SessionStore
from asm_async.ports.state_store import StateStore
from asm_async.testing.backend import MaintenanceBackend
from asm_async.testing.factories import (
    make_events,
    make_execution_result,
    make_item,
    make_run,
    make_session,
)
from asm_async.testing.maintenance.contract import MaintenanceContract
from asm_async.testing.session_store.contract import OpenStore
from asm_async.values.maintenance import ErasureReport

__all__ = [
    "AT_ONCE",
    "Contents",
    "ErasureContract",
    "World",
    "checksum_of",
    "failing_at",
    "report_of",
]

AT_ONCE = timedelta(0)
_EVENTS = 3


def checksum_of(content: bytes) -> str:
    """
    Return the name of a content.
    """
    return hashlib.sha256(content).hexdigest()


def report_of(sessions: int, **others: Any) -> ErasureReport:
    """
    Make the report of so many sessions that a world has filled.
    """
    counts: dict[str, Any] = {
        "session_count": sessions,
        "run_count": sessions,
        "event_count": sessions * _EVENTS,
        "item_count": sessions,
        "artifact_count": sessions,
        "is_complete": True,
    }
    return ErasureReport(**(counts | others))


def failing_at(call: int) -> Callable[[], Awaitable[object]]:
    """
    Make a function that fails when it is called for so many-th time, from 1 on.
    """
    calls = iter(range(1, call + 1))

    async def fail() -> None:
        if next(calls, None) == call:
            raise OSError("no such host")

    return fail


class Contents(InMemoryArtifactStore):
    """
    Contents of artifacts; before one is deleted, somebody else may do something.
    """

    def __init__(self) -> None:
        super().__init__()
        self.before_delete: Callable[[], Awaitable[object]] | None = None

    async def delete(
        self, checksum_sha256: str, *, last_put_before: datetime | None = None
    ) -> bool:
        """
        Let the other one come first.
        """
        if self.before_delete is not None:
            await self.before_delete()
        return await super().delete(checksum_sha256, last_put_before=last_put_before)


class World:
    """
    The ports of one database, and contents beside it.
    """

    def __init__(
        self,
        store: SessionStore,
        state: StateStore,
        registry: ArtifactRegistry,
        maintenance: Maintenance,
    ) -> None:
        self.store = store
        self.state = state
        self.registry = registry
        self.maintenance = maintenance
        self.contents: Contents = Contents()
        self.library: ArtifactLibrary = ArtifactLibrary(registry, self.contents)

    async def fill(
        self, session_id: str, *, content: bytes | None = None, **fields: Any
    ) -> None:
        """
        Store a session with a run, events, a tag, a state item and an artifact.

        Args:
            session_id: Its id.

            content: That of the artifact; one of its own if None.

            fields: What shall be otherwise in the session.
        """
        await self.store.flush(
            make_execution_result(
                session=make_session(id=session_id, tags=["a"], **fields),
                run=make_run(id=f"run_of_{session_id}", session_id=session_id),
                events=make_events(_EVENTS, session_id=session_id),
            )
        )
        await self.state.save_items(
            [make_item(key=session_id, session_id=session_id, data="private")]
        )
        await self.library.save(
            session_id.encode() if content is None else content,
            key=f"artifact of {session_id}",
            session_id=session_id,
        )

    async def session_ids(self) -> list[str]:
        """
        List the sessions there are, soft-deleted ones too.
        """
        sessions = await self.store.list_sessions(include_deleted=True)
        return sorted(session.id for session in sessions)

    async def erase(self, **chosen: Any) -> ErasureReport:
        """
        Erase, with the contents, however young they are.
        """
        options: dict[str, Any] = {
            "artifact_store": self.contents,
            "grace_period": AT_ONCE,
        }
        return await self.maintenance.erase(**(options | chosen))


class ErasureContract(MaintenanceContract):
    """
    One part of the suite, with a world to erase.
    """

    @pytest_asyncio.fixture
    async def world(
        self,
        store: SessionStore,
        maintenance: Maintenance,
        backend: MaintenanceBackend,
        open_store: OpenStore,
    ) -> AsyncIterator[World]:
        """
        Open the ports.
        """
        del open_store
        state = await backend.open_state_store()
        registry = await backend.open_artifact_registry()
        yield World(store, state, registry, maintenance)
        await state.aclose()
