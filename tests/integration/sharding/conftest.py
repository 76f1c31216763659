"""
Three primaries, and a mover whose steps take less time.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.sharding import (
    ShardedPorts,
    moving,
    open_sharded_ports,
    router,
    shard_engine,
)

_LEASE = 0.2


@pytest.fixture(autouse=True)
def short_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Let a router believe its primaries for less long, so that a move takes less time.
    """
    for module in (router, moving):
        monkeypatch.setattr(module, "LEASE_SECONDS", _LEASE)


@pytest.fixture
def urls(shard_urls: list[str]) -> Mapping[str, str]:
    """
    Return three primaries, the second of which has the shard.
    """
    return {f"p{index}": url for index, url in enumerate(shard_urls)}


@pytest.fixture
async def movers(urls: Mapping[str, str]) -> AsyncGenerator[Mapping[str, AsyncEngine]]:
    """
    Yield the engines of a mover.
    """
    engines = {name: shard_engine(url, is_mover=True) for name, url in urls.items()}
    yield engines
    for engine in engines.values():
        await engine.dispose()


@pytest.fixture
async def ports(urls: Mapping[str, str]) -> AsyncGenerator[ShardedPorts]:
    """
    Yield ports over the primaries.
    """
    async with open_sharded_ports(urls) as ports:
        yield ports
