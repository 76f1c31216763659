"""
Stores that are reached through portals.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from asm_async.portal import Portal, open_portal
from asm_async.ports.session_store import SessionStore
from asm_async.ports.state_store import StateStore
from tests.backends import SQLBackend

# A portal is what serves several loops.
NOT_PROMISED = "test_a_store_belongs_to_the_loop_that_first_used_it"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Leave out what stores promise that have one loop.
    """
    here = Path(__file__).parent
    items[:] = [
        item
        for item in items
        if item.name != NOT_PROMISED or not item.path.is_relative_to(here)
    ]


class PortalBackend(SQLBackend):
    """
    Stores on one database file, each behind a portal that shares the one thread.

    Args:
        url: As for what it is made of.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._file = url
        self._portals: list[Portal] = []

    async def open_store(self) -> SessionStore:
        """
        Open another store behind a portal.
        """
        return (await self._another_portal()).ports.store

    async def open_state_store(self) -> StateStore:
        """
        Open another state store behind a portal.
        """
        return (await self._another_portal()).ports.state

    async def close_portals(self) -> None:
        """
        Close them, and with the last one their thread.
        """
        for portal in self._portals:
            await portal.aclose()

    async def _another_portal(self) -> Portal:
        portal = open_portal(self._file)
        self._portals.append(portal)
        return await portal.__aenter__()


@pytest.fixture
async def backend(migrated_sqlite_url: str) -> AsyncGenerator[PortalBackend]:
    """
    Yield a backend of the test's own.
    """
    async with PortalBackend(migrated_sqlite_url) as backend:
        try:
            yield backend
        finally:
            await backend.close_portals()
