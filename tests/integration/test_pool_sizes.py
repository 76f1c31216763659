"""
How many connections one process may have to a server.
"""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from asm_async import Ports, open_ports
from asm_async.testing.event_feed.contract import Collecting
from asm_async.testing.factories import make_event, make_session

POOL, AGENTS, TURNS = 3, 20, 10

COUNT = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


async def work(ports: Ports, name: str) -> None:
    """
    Write and read by turns, as an agent does.
    """
    await ports.store.save_session(make_session(id=name))
    for number in range(TURNS):
        event = make_event(id=f"{name}_{number}", session_id=name)
        await ports.store.append_event(event)
        await ports.store.get_events(name)


@pytest.mark.postgres
async def test_a_process_has_its_pool_and_one_connection_more(
    migrated_postgres_url: str, other: asyncpg.Connection[Any]
) -> None:
    """
    Whatever the number of agents and followers: that one listens.
    """
    counts = set[int]()
    async with open_ports(
        migrated_postgres_url, pool_size=POOL, max_overflow=0
    ) as ports:
        following = Collecting(ports.feed.follow_all())
        names = [f"ses_{number}" for number in range(AGENTS)]
        agents = asyncio.gather(*(work(ports, name) for name in names))
        while not agents.done():
            counts.add(await other.fetchval(COUNT))
        await agents
        await following.until(AGENTS * TURNS)
        counts.add(await other.fetchval(COUNT))
        await following.stop()

    assert max(counts) == POOL + 1
