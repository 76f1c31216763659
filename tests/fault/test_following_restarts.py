"""
A PostgreSQL server goes down and comes back under those who follow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from asm_async.sql import SQLEventFeed, SQLSessionStore, create_engine, migrations
from asm_async.testing.event_feed.contract import Collecting, acknowledged
from asm_async.testing.factories import make_event, make_session
from tests.postgres_server import PostgresServer

pytestmark = pytest.mark.postgres


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """
    Yield a server of the test's own, whose data outlives it.
    """
    server = PostgresServer(is_durable=True)
    server.start()
    yield server
    server.close()


@pytest.mark.parametrize(
    "go_down", [PostgresServer.stop, PostgresServer.kill], ids=["stopped", "killed"]
)
async def test_followers_survive_a_restart(
    server: PostgresServer, go_down: Callable[[PostgresServer], None]
) -> None:
    """
    They go on when the server is back, and are given everything once.
    """
    engine, other = create_engine(server.url), create_engine(server.url)
    await migrations.upgrade(engine)
    store, feed = SQLSessionStore(engine), SQLEventFeed(other)
    await store.save_session(make_session())
    followers: list[Collecting[Any]] = [
        Collecting(feed.follow_session("ses_1")),
        Collecting(feed.follow_all()),
        Collecting(acknowledged(feed.consumer("one"))),
    ]

    async def append(first: int, last: int) -> None:
        for number in range(first, last + 1):
            await store.append_event(make_event(id=f"evt_{number}"))

    await append(1, 10)
    for follower in followers:
        await follower.until(1)
    writing = asyncio.create_task(append(11, 60))
    await asyncio.to_thread(go_down, server)
    await asyncio.to_thread(server.start)
    await writing
    session_follower, feed_follower, consumer = followers
    events = await session_follower.until(60)
    assert [event.sequence_number for event in events] == list(range(1, 61))
    found = await feed_follower.until(60)
    assert [event for event, _ in found] == events
    await append(61, 61)
    await session_follower.until(61)
    await consumer.until(1)
    while sum(len(batch.events) for batch in consumer.items) < 61:
        await consumer.until(len(consumer.items) + 1)
    consumed = [event for batch in consumer.items for event in batch.events]
    for follower in followers:
        await follower.stop()
    assert consumed == session_follower.items
    await feed.aclose()
    await store.aclose()
    await engine.dispose()
    await other.dispose()
