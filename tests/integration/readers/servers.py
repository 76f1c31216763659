"""
A primary and its standby, ports over both, and what tests of readers ask of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs

from asm_async import open_ports
from asm_async.sql import Readers, ReaderState, SQLPorts
from tests.standby_pair import Pair
from tests.standby_server import StandbyServer

LONG_SECONDS = 60


@attrs.frozen
class Servers:
    """
    A primary and its standby, with a database of which the URL is the primary's.
    """

    pair: Pair
    url: str

    @property
    def standby(self) -> StandbyServer:
        """
        The standby.
        """
        return self.pair.standby

    @property
    def standby_url(self) -> str:
        """
        Where it has the database.
        """
        return self.pair.on_standby(self.url)


def opened(servers: Servers, count: int = 1, **options: Any) -> Any:
    """
    Open ports on the primary, with the standby so many times among the readers.
    """
    return open_ports(servers.url, readers=[servers.standby_url] * count, **options)


def readers_of(ports: SQLPorts) -> Readers:
    """
    Return the readers, which are there.
    """
    assert ports.readers is not None
    return ports.readers


def state_of(ports: SQLPorts) -> ReaderState:
    """
    Return the state of the only standby.
    """
    (state,) = readers_of(ports).states
    return state


async def until(ports: SQLPorts, is_so: Callable[[ReaderState], bool]) -> ReaderState:
    """
    Wait until the only standby's state is so.
    """
    async with asyncio.timeout(LONG_SECONDS):
        while not is_so(state := state_of(ports)):  # noqa: ASYNC110 - none is set
            await asyncio.sleep(0.01)
    return state


async def until_read(ports: SQLPorts) -> None:
    """
    Wait until the standby is read from.
    """
    await until(ports, lambda state: state.reason is None)


@asynccontextmanager
async def held_back(servers: Servers) -> AsyncGenerator[None]:
    """
    Have the standby replay nothing while the block lasts.
    """
    await servers.standby.hold_back()
    try:
        yield
    finally:
        await servers.standby.go_on()


async def ids_of_events(ports: SQLPorts) -> list[str]:
    """
    Search for all events.
    """
    page = await ports.query.search_events(order_by="timestamp_asc")
    return [event.id for event in page.items]
