"""
Followers over failovers: who saw what was lost is told, and nobody else.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import HistoryLostError
from asm_async.sql import SQLEventFeed, SQLSessionStore, migrations
from asm_async.testing.event_feed.contract import LONG_SECONDS, Collecting, take
from asm_async.testing.factories import make_event, make_events, make_session
from asm_async.testing.session_store.contract import numbers_of
from asm_async.values.event import Event
from tests.postgres_server import PostgresServer
from tests.standby_server import Address, StandbyServer

pytestmark = pytest.mark.postgres


class Failover:
    """
    Two servers, and followers that were given ten events by the first.

    Args:
        address: Of the primary.

        standby: The other one.
    """

    def __init__(self, address: Address, standby: StandbyServer) -> None:
        self.address = address
        self.standby = standby
        self.engine: AsyncEngine = address.engine()
        self.store = SQLSessionStore(self.engine)
        self.feed = SQLEventFeed(self.engine, poll_interval=0.2)
        self.followers: list[Collecting[Any]] = []
        self.checkpoint = ""
        self.last: Event | None = None

    async def begin(self, session_id: str, *, loses: int) -> None:
        """
        Append, with the last events on the first server alone, and follow.
        """
        await self.store.save_session(make_session(id=session_id))
        events = make_events(10, session_id=session_id)
        if loses < 10:
            await self.store.append_events(events[: 10 - loses])
        await self.standby.catch_up()
        if loses:
            await self.standby.stop_following()
            await self.store.append_events(events[10 - loses :])
        latest = await self.feed.get_latest_checkpoint()
        self.followers = [
            Collecting(self.feed.follow_session(session_id)),
            Collecting(self.feed.follow_all()),
        ]
        for follower in self.followers:
            await follower.until(10)
        self.checkpoint, self.last = latest, self.followers[0].items[-1]

    async def fail_over(self) -> None:
        """
        Let the first server be gone, and the other one take its place.
        """
        await asyncio.to_thread(self.address.server.kill)
        await self.standby.promote()
        self.address.server = self.standby

    async def end(self) -> None:
        """
        Leave nothing behind.
        """
        for follower in self.followers:
            await follower.stop()
        await self.feed.aclose()
        await self.store.aclose()
        await self.engine.dispose()


@pytest.fixture
def servers() -> Iterator[list[PostgresServer]]:
    """
    Yield a primary with our tables and a standby of it.
    """
    primary = PostgresServer()
    servers = [primary]
    try:
        primary.start()
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            runner.run(upgrade(primary))
        standby = StandbyServer(primary)
        servers.append(standby)
        standby.start()
        yield servers
    finally:
        for server in servers:
            server.close()


async def upgrade(server: PostgresServer) -> None:
    """
    Make our tables.
    """
    engine = Address(server).engine()
    await migrations.upgrade(engine)
    await engine.dispose()


@pytest.fixture
async def failover(servers: list[PostgresServer]) -> AsyncIterator[Failover]:
    """
    Yield what fails over from the one to the other.
    """
    primary, standby = servers
    assert isinstance(standby, StandbyServer)
    failover = Failover(Address(primary), standby)
    yield failover
    await failover.end()


async def expect_alarms(failover: Failover, session_id: str) -> None:
    """
    Prove that followers under way and those who resume are told.
    """
    for follower in failover.followers:
        with pytest.raises(HistoryLostError):
            await follower.end()
    feed, last = failover.feed, failover.last
    assert last is not None
    with pytest.raises(HistoryLostError):
        await take(feed.follow_all(checkpoint=failover.checkpoint), 1)
    with pytest.raises(HistoryLostError):
        await take(feed.follow_session(session_id, after=last), 1)


async def expect_no_alarm(failover: Failover, session_id: str) -> None:
    """
    Prove that all of them are given what is appended next.
    """
    feed, last = failover.feed, failover.last
    assert last is not None
    await failover.store.append_events(make_events(1, first=11, session_id=session_id))
    for follower in failover.followers:
        await follower.until(11)
    ((event, _),) = await take(feed.follow_all(checkpoint=failover.checkpoint), 1)
    assert event.sequence_number == 11
    (event,) = await take(feed.follow_session(session_id, after=last), 1)
    assert event.sequence_number == 11


async def test_a_failover_that_loses_events_is_noticed(failover: Failover) -> None:
    """
    Writers append others in their stead, and some again.
    """
    await failover.begin("ses_1", loses=3)
    await failover.fail_over()
    await failover.store.append_event(make_event(id="other_1"))
    await failover.store.append_events(make_events(3, first=8))
    await expect_alarms(failover, "ses_1")


async def test_a_failover_that_loses_nothing_alarms_nobody(failover: Failover) -> None:
    """
    Followers go on behind what they were given last.
    """
    await failover.begin("ses_1", loses=0)
    await failover.fail_over()
    await expect_no_alarm(failover, "ses_1")


async def test_a_standby_is_followed_without_being_listened_to(
    servers: list[PostgresServer], caplog: pytest.LogCaptureFixture
) -> None:
    """
    It is said once, the server is asked for no LISTEN, and a lag is no loss.
    """
    primary, standby = servers
    assert isinstance(standby, StandbyServer)
    caplog.set_level(logging.WARNING)
    engines = Address(primary).engine(), Address(standby).engine()
    store = SQLSessionStore(engines[0])
    await store.save_session(make_session())
    await store.append_events(make_events(3))
    found = await take(SQLEventFeed(engines[0]).follow_all(), 3)
    await standby.catch_up()
    feed = SQLEventFeed(engines[1], poll_interval=0.1)
    followers: list[Collecting[Any]] = [
        Collecting(feed.follow_session("ses_1")),
        Collecting(feed.follow_all()),
    ]
    for follower in followers:
        await follower.until(3)

    await standby.hold_back()
    event, checkpoint = (await append_and_follow(store, engines[0], found[-1][1]))[-1]
    followers += [
        Collecting(feed.follow_session("ses_1", after=event)),
        Collecting(feed.follow_all(checkpoint=checkpoint)),
    ]
    await asyncio.sleep(0.5)
    assert [len(follower.items) for follower in followers] == [3, 3, 0, 0]
    await standby.go_on()
    await store.append_events(make_events(1, first=7))
    for follower, count in zip(followers, (7, 7, 1, 1), strict=True):
        await follower.until(count)

    for follower in followers:
        await follower.stop()
    await feed.aclose()
    await store.aclose()
    for engine in engines:
        await engine.dispose()
    said = [r for r in caplog.records if r.name.endswith("postgresql.feed")]
    assert len([r for r in said if "standby" in r.message]) == 1
    assert "LISTEN" not in standby.log_text()


async def append_and_follow(
    store: SQLSessionStore, engine: AsyncEngine, checkpoint: str
) -> list[tuple[Event, str]]:
    """
    Append three more events, and take them with their checkpoints.
    """
    stored = await store.append_events(make_events(3, first=4))
    feed = SQLEventFeed(engine)
    async with asyncio.timeout(LONG_SECONDS):
        found = await take(feed.follow_all(checkpoint=checkpoint), 3)
    await feed.aclose()
    assert numbers_of([event for event, _ in found]) == numbers_of(stored)
    return found
