"""
Portals to each kind of database.
"""

from __future__ import annotations

import threading
from collections.abc import Generator

import pytest

from asm_async import InMemoryPorts
from asm_async.portal import Portal, open_portal


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Generator[None]:
    before = set(threading.enumerate())
    yield
    left = [each for each in set(threading.enumerate()) - before if each.is_alive()]
    assert [each for each in left if each.name == "asm_async-portal"] == []


@pytest.fixture(
    params=[
        "memory",
        "sqlite_file",
        pytest.param("postgresql", marks=pytest.mark.postgres),
    ]
)
def portal(request: pytest.FixtureRequest) -> Generator[Portal]:
    """
    Yield a portal to each database in turn.
    """
    match request.param:
        case "memory":
            opened = Portal(InMemoryPorts)
        case "sqlite_file":
            opened = open_portal(request.getfixturevalue("migrated_sqlite_url"))
        case _:
            opened = open_portal(request.getfixturevalue("undisputed_postgres_url"))
    with opened:
        yield opened
