"""
Calls are struck at their awaits and exchanges, on every backend.
"""

from __future__ import annotations

import gc
import inspect
import random
import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from asm_async.encryption import InMemoryKeyStore
from asm_async.ports.artifact_registry import ArtifactRegistry
from asm_async.ports.artifact_store import ArtifactStore
from asm_async.ports.event_feed import EventFeed
from asm_async.ports.maintenance import Maintenance
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.ports.text_search import TextSearch
from tests.torture.arena import Arena, Way, open_arena
from tests.torture.port_calls import CALLS

PORTS = [
    SessionStore,
    QueryAPI,
    Maintenance,
    ArtifactRegistry,
    ArtifactStore,
    EventFeed,
    TextSearch,
]

# Where a loop is ended, the driver's thread finds nobody to tell what it has done, and
# SQLAlchemy's coroutine that closes a connection cannot go on.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

_BLOWS = 6

_SWEPT = [
    "SessionStore.append_events",
    "SessionStore.get_events",
    "ArtifactStore.put",
]
"""
A write, a read, and one that has nothing to do with a database.
"""


@pytest.fixture
async def arena(database_url: str | None, tmp_path: Path) -> AsyncIterator[Arena]:
    """
    Yield an arena on each backend in turn.
    """
    async with open_arena(database_url, tmp_path / "contents") as arena:
        yield arena
    # Connections of loops that ended are collected here, and not in a later test.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
async def encrypting_arena(
    database_url: str | None, tmp_path: Path
) -> AsyncIterator[Arena]:
    """
    Yield an arena of ports that encrypt, on each backend in turn.
    """
    key_store = InMemoryKeyStore()
    async with open_arena(
        database_url, tmp_path / "contents", key_store=key_store
    ) as arena:
        yield arena
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.mark.parametrize("name", _SWEPT)
async def test_a_call_can_be_cancelled_at_each_of_its_awaits(
    arena: Arena, name: str
) -> None:
    """
    It is done or not, nothing is left of it, and it can be made again.
    """
    for blow in await arena.blows([name]):
        if blow.way is Way.CANCELLED:
            await arena.strike(blow)


async def test_any_call_can_be_struck_anywhere(arena: Arena) -> None:
    """
    Some methods of the ports are struck, each in some way, at some point.
    """
    await strike_some(arena)


async def test_any_call_of_encrypting_ports_can_be_struck_anywhere(
    encrypting_arena: Arena,
) -> None:
    """
    A call that asks for keys, and writes or reads in several steps, is no other.
    """
    await strike_some(encrypting_arena)


async def strike_some(arena: Arena) -> None:
    """
    Strike some calls that chance chooses, at points that chance chooses.
    """
    names = random.sample(sorted(CALLS), _BLOWS)
    for name in names:
        if blows := await arena.blows([name]):
            await arena.strike(random.choice(blows))


@pytest.mark.parametrize("port", PORTS)
def test_every_method_of_the_ports_is_among_the_calls(port: type[Any]) -> None:
    """
    Whoever adds a method adds a call of it.
    """
    methods = {
        f"{port.__name__}.{name}"
        for name, _ in inspect.getmembers(port, inspect.isfunction)
        if not name.startswith("_")
    }
    assert methods
    assert methods <= {name.partition(" ")[0] for name in CALLS}
