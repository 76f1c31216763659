"""
What all parts of the suite stand on: stores on a backend, and nothing left behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import ClassVar, TypeAlias

import pytest
import pytest_asyncio

from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import SessionStoreBackend
from asm_async.testing.factories import make_session
from asm_async.values.event import Event
from asm_async.values.session import Session

__all__ = ["OpenStore", "SessionStoreContract", "numbers_of"]

OpenStore: TypeAlias = Callable[[], Awaitable[SessionStore]]


def numbers_of(events: Iterable[Event]) -> list[int]:
    """
    Return the sequence numbers of *events*, in their order.
    """
    return [event.sequence_number for event in events]


class SessionStoreContract:
    """
    One part of the suite; it needs the fixture ``backend`` and brings the others.
    """

    pytestmark: ClassVar[list[pytest.MarkDecorator]] = [pytest.mark.asyncio]

    @pytest_asyncio.fixture
    async def open_store(
        self, backend: SessionStoreBackend
    ) -> AsyncGenerator[OpenStore]:
        """
        Open as many stores as the test wants; afterwards prove that none left a trace.

        However the test treated them, every session's counter agrees with its events,
        and no task is left.
        """
        opened: list[SessionStore] = []

        async def open_another() -> SessionStore:
            store = await backend.open_store()
            opened.append(store)
            return store

        yield open_another
        for store in opened:
            await store.aclose()
        for session_id, gate in (await backend.gates()).items():
            assert gate.latest == gate.stored + gate.pruned, session_id
        assert asyncio.all_tasks() == {asyncio.current_task()}

    @pytest_asyncio.fixture
    async def store(self, open_store: OpenStore) -> SessionStore:
        """
        Open the store that is put to the test.
        """
        return await open_store()

    @pytest_asyncio.fixture
    async def session(self, store: SessionStore) -> Session:
        """
        Store the live session ``ses_1``, without runs and events.
        """
        return await store.save_session(make_session())
