"""
A primary and a hot standby of it, as the contract suites want them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator

import pytest

from tests.standby_pair import Copies, Pair, copies_of_template, running_pair
from tests.standbys.backend import StandbyBackend


@pytest.fixture(scope="session")
def pair() -> Generator[Pair]:
    """
    Yield servers of which the standby has replayed whatever the primary acknowledged.
    """
    with (
        running_pair() as pair,
        asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner,
    ):
        runner.run(pair.wait_for_standby())
        yield pair


@pytest.fixture(scope="session")
def copies(pair: Pair) -> Generator[Copies]:
    """
    Yield what makes databases with our tables on both.
    """
    with copies_of_template(pair.primary) as copies:
        yield copies


@pytest.fixture
def primary_url(copies: Copies) -> Generator[str]:
    """
    Yield a database of the test's own, on the primary.
    """
    with copies() as url:
        yield url


@pytest.fixture
def standby_url(pair: Pair, primary_url: str) -> str:
    """
    Return the same on the standby.
    """
    return pair.on_standby(primary_url)


@pytest.fixture
async def backend(primary_url: str, standby_url: str) -> AsyncGenerator[StandbyBackend]:
    """
    Yield the backend that the contract suites run over.
    """
    async with StandbyBackend(primary_url, standby_url) as backend:
        yield backend
        backend.expect_no_failures()
