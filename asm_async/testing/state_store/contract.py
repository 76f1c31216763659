"""
What all parts of the suite stand on: state stores, and nothing left behind.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import TypeAlias

import pytest_asyncio

from asm_async.ports.state_store import StateStore
from asm_async.testing.backend import StateStoreBackend
from asm_async.testing.session_store.contract import OpenStore, SessionStoreContract
from asm_async.values.state_item import StateItem

__all__ = ["OpenStateStore", "StateStoreContract", "keys_of"]

OpenStateStore: TypeAlias = Callable[[], Awaitable[StateStore]]


def keys_of(items: Iterable[StateItem]) -> list[str]:
    """
    Return the keys of *items*, in their order.
    """
    return [item.key for item in items]


class StateStoreContract(SessionStoreContract):
    """
    One part of the suite; it needs the fixture ``backend`` and brings the others.
    """

    @pytest_asyncio.fixture
    async def open_state_store(
        self, backend: StateStoreBackend, open_store: OpenStore
    ) -> AsyncGenerator[OpenStateStore]:
        """
        Open as many state stores as the test wants, and close them.

        They are closed before *open_store* proves that nothing was left behind.
        """
        del open_store
        opened: list[StateStore] = []

        async def open_another() -> StateStore:
            state = await backend.open_state_store()
            opened.append(state)
            return state

        yield open_another
        for state in opened:
            await state.aclose()

    @pytest_asyncio.fixture
    async def state(self, open_state_store: OpenStateStore) -> StateStore:
        """
        Open the state store that is put to the test.
        """
        return await open_state_store()
