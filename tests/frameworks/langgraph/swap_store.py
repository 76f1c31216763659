"""
Puts our store in the place of those that LangGraph has, for their own tests.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, Self

import langgraph.store.memory
import langgraph.store.sqlite
import langgraph.store.sqlite.aio
import pytest

from asm_async import InMemoryPorts
from asm_async.integrations.langgraph import store as store_module
from asm_async.integrations.langgraph import store_items
from asm_async.integrations.langgraph.store import AsmStore
from asm_async.portal import Portal, open_portal

URL = os.environ.get("ASM_SUITE_URL")
PORTAL = open_portal(URL, migrate=True) if URL else Portal(InMemoryPorts)


class SwappedStore(AsmStore):
    """
    A store for each connection string, as SQLite has them, and new ones in memory.
    """

    def __init__(self, name: str = ":memory:", **options: Any) -> None:
        # There are no vectors: what is asked for them is the tests' affair.
        options.pop("index", None)
        unique = f"{name} {uuid.uuid4()}" if name == ":memory:" else name
        super().__init__(PORTAL.ports, name=unique, **options)

    def setup(self) -> None:
        """
        Do nothing: the tables are there.
        """


class InMemoryStore(SwappedStore):
    """
    In the place of the one in memory.
    """


class SqliteStore(SwappedStore):
    """
    In the place of the synchronous one on SQLite.
    """

    @classmethod
    @contextmanager
    def from_conn_string(cls, name: str, **options: Any) -> Generator[Self]:
        """
        Yield a store.
        """
        yield cls(name, **options)


async def set_up(_: AsmStore) -> None:
    """
    Do nothing: the tables are there.
    """


class AsyncSqliteStore(SwappedStore):
    """
    In the place of the asynchronous one on SQLite, by whose names all is awaited.
    """

    setup: Any = set_up
    sweep_ttl: Any = AsmStore.asweep_ttl

    @classmethod
    @asynccontextmanager
    async def from_conn_string(cls, name: str, **options: Any) -> AsyncGenerator[Self]:
        """
        Yield a store.
        """
        yield cls(name, **options)


class Clock:
    """
    The stores' clock in the tests of times to live, which goes on where they sleep.
    """

    def __init__(self) -> None:
        self.now = store_items.now_utc()

    def tell(self) -> datetime:
        """
        Return the time.
        """
        return self.now

    def sleep(self, seconds: float) -> None:
        """
        Go on, and wait for nothing: a busy machine then changes nothing.
        """
        self.now += timedelta(seconds=seconds)

    async def asleep(self, seconds: float) -> None:
        """
        Go on in the same way.
        """
        self.sleep(seconds)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Let the tests of times to live sleep by a clock of their own.
    """
    for module in {getattr(item, "module", None) for item in items}:
        if getattr(module, "__name__", "").endswith("test_ttl"):
            clock = Clock()
            vars(store_module).update(now_utc=clock.tell)
            sleeping = SimpleNamespace(sleep=clock.sleep)
            awaiting = SimpleNamespace(sleep=clock.asleep)
            vars(module).update(time=sleeping, asyncio=awaiting)


def pytest_configure() -> None:
    """
    Swap the classes before any test imports them.
    """
    places: dict[Any, list[type[SwappedStore]]] = {
        langgraph.store.memory: [InMemoryStore],
        langgraph.store.sqlite: [SqliteStore, AsyncSqliteStore],
        langgraph.store.sqlite.aio: [AsyncSqliteStore],
    }
    for place, classes in places.items():
        for each in classes:
            setattr(place, each.__name__, each)


def pytest_unconfigure() -> None:
    """
    Close the portal.
    """
    PORTAL.close()
