"""
The backend of the contract suites whose sessions are on several primaries.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path

import pytest

from asm_async.ports.artifact_registry import ArtifactRegistry
from asm_async.ports.event_feed import EventFeed
from asm_async.ports.maintenance import Maintenance
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.ports.state_store import StateStore
from asm_async.sharding import (
    SHARD_COUNT,
    ShardedPorts,
    create_shards,
    shard_engine,
    shard_of,
)
from asm_async.sharding.maintenance import ShardedMaintenance
from asm_async.sql import SQLMaintenance
from asm_async.testing.backend import Gate
from asm_async.testing.capabilities import Capability, expect_refusals
from asm_async.values.maintenance import HealthIssueKind
from tests.backends import SQLBackend, clock_at

__all__ = [
    "ShardedBackend",
    "expect_sharded_refusals",
    "make_shards",
    "sharded_backend",
]


async def make_shards(urls: Sequence[str]) -> None:
    """
    Divide the shards among databases that have our tables.
    """
    engines = {f"p{index}": shard_engine(url) for index, url in enumerate(urls)}
    await create_shards(engines)
    for engine in engines.values():
        await engine.dispose()


@asynccontextmanager
async def sharded_backend(urls: Sequence[str]) -> AsyncGenerator[ShardedBackend]:
    """
    Yield a backend over databases that are divided already.
    """
    async with AsyncExitStack() as stack:
        inner = [SQLBackend(url, shard_engine) for url in urls]
        for each in inner:
            await stack.enter_async_context(each)
        yield ShardedBackend(inner)


class ShardedBackend:
    """
    Ports over several databases, all of which have shards.

    Args:
        inner: The databases.
    """

    def __init__(self, inner: Sequence[SQLBackend]) -> None:
        self._inner = inner

    def _ports(self) -> ShardedPorts:
        return ShardedPorts(
            {
                f"p{index}": each.another_engine()
                for index, each in enumerate(self._inner)
            }
        )

    def _home(self, session_id: str) -> SQLBackend:
        return self._inner[shard_of(session_id) * len(self._inner) // SHARD_COUNT]

    async def open_store(self) -> SessionStore:
        """
        Open another store.
        """
        return self._ports().store

    async def open_state_store(self) -> StateStore:
        """
        Open another state store.
        """
        return self._ports().state

    async def open_artifact_registry(self) -> ArtifactRegistry:
        """
        Open another artifact registry.
        """
        return self._ports().artifacts

    async def open_event_feed(self) -> EventFeed:
        """
        Open another event feed.
        """
        return self._ports().feed

    async def open_query_api(self) -> QueryAPI:
        """
        Open another query API.
        """
        return self._ports().query

    async def open_maintenance(self, *, now: datetime | None = None) -> Maintenance:
        """
        Open another maintenance.
        """
        ports = self._ports()
        return ShardedMaintenance(
            ports.router,
            {
                name: SQLMaintenance(each.engine, clock=clock_at(now))
                for name, each in ports.primaries.items()
            },
            {name: each.artifacts for name, each in ports.primaries.items()},
        )

    async def set_last_activity(self, session_id: str, at: datetime) -> None:
        """
        Have a stored session have been last written to then.
        """
        await self._home(session_id).set_last_activity(session_id, at)

    async def damage(self, kind: HealthIssueKind, session_id: str) -> str | None:
        """
        Write past the store.
        """
        return await self._home(session_id).damage(kind, session_id)

    async def soft_delete(self, session_id: str) -> None:
        """
        Mark a live session as deleted and close its gate.
        """
        await self._home(session_id).soft_delete(session_id)

    async def restore(self, session_id: str) -> None:
        """
        Undo :meth:`soft_delete`.
        """
        await self._home(session_id).restore(session_id)

    async def prune(self, session_id: str, sequence_numbers: Collection[int]) -> None:
        """
        Remove events and count them in the gate.
        """
        await self._home(session_id).prune(session_id, sequence_numbers)

    async def gates(self) -> Mapping[str, Gate]:
        """
        Read the counters of all databases.
        """
        gates = await asyncio.gather(*[each.gates() for each in self._inner])
        return {name: gate for each in gates for name, gate in each.items()}


def expect_sharded_refusals(items: Sequence[pytest.Item], place: Path) -> None:
    """
    Expect of the tests of a place what ports over several primaries cannot do.
    """
    items = [item for item in items if place in item.path.parents]
    expect_refusals(items, set(Capability))
    for item in items:
        # A test that is refused may have made coroutines that it then does not await;
        # when they are collected, another test may be running.
        never_awaited = "ignore:coroutine .* was never awaited:RuntimeWarning"
        item.add_marker(pytest.mark.filterwarnings(never_awaited))
