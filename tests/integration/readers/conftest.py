"""
A primary with a standby, and a database of each test's on both.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator

import pytest

from tests.integration.readers.servers import Servers
from tests.standby_pair import Copies, Pair, copies_of_template, running_pair
from tests.standby_server import StandbyServer


@pytest.fixture(scope="package")
def pair() -> Generator[Pair]:
    """
    Yield a primary and its standby, which each test leaves as it found them.
    """
    with running_pair() as pair:
        yield pair


@pytest.fixture(scope="package")
def copies(pair: Pair) -> Generator[Copies]:
    """
    Yield what makes databases with our tables on both.
    """
    with copies_of_template(pair.primary) as copies:
        yield copies


@pytest.fixture
def url(copies: Copies) -> Generator[str]:
    """
    Yield a database of the test's own, on the primary.
    """
    with copies() as url:
        yield url


@pytest.fixture
async def servers(pair: Pair, url: str) -> Servers:
    """
    Return the primary and the standby, which is as far, with a database of the test's.
    """
    await pair.standby.catch_up()
    return Servers(pair, url)


@pytest.fixture
async def second(servers: Servers) -> AsyncGenerator[StandbyServer]:
    """
    Yield another standby of the same primary.
    """
    standby = await asyncio.to_thread(StandbyServer, servers.pair.primary)
    try:
        await asyncio.to_thread(standby.start)
        await standby.catch_up()
        yield standby
    finally:
        await asyncio.to_thread(standby.close)
