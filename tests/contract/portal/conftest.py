"""
Stores that are reached through portals.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from asm_async import Ports
from asm_async.conventions.texts import EventTexts
from asm_async.fronts.text_search import text_search_of
from asm_async.portal import Portal, open_portal
from asm_async.ports.session_store import SessionStore
from asm_async.ports.state_store import StateStore
from asm_async.ports.text_search import TextSearch
from asm_async.sql import SQLPorts, SQLTextIndex, create_engine
from tests.backends import SQLBackend

NOT_PROMISED = {
    # A portal is what serves several loops.
    "test_a_store_belongs_to_the_loop_that_first_used_it",
    # Functions are called in the portal's thread, and this one sets an event of ours.
    "test_what_the_function_raises_ends_the_update",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Leave out what ports promise that have one loop and one thread.
    """
    here = Path(__file__).parent
    items[:] = [
        item
        for item in items
        if item.name not in NOT_PROMISED or not item.path.is_relative_to(here)
    ]


@asynccontextmanager
async def ports_with(url: str, texts: EventTexts) -> AsyncGenerator[Ports]:
    """
    Open ports whose index has a function of its own that finds the texts of an event.
    """
    engine = create_engine(url)
    own = SQLPorts(engine)
    ports = Ports(
        store=own.store,
        state=own.state,
        query=own.query,
        maintenance=own.maintenance,
        feed=own.feed,
        artifacts=own.artifacts,
        text_search=SQLTextIndex(engine, texts=texts),
    )
    try:
        async with own, ports:
            yield ports
    finally:
        await engine.dispose()


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

    async def open_text_search(self, *, texts: EventTexts) -> TextSearch:
        """
        Open another index of texts behind a portal of its own.
        """
        portal = Portal(partial(ports_with, self._file, texts))
        self._portals.append(portal)
        return text_search_of((await portal.__aenter__()).ports)

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
