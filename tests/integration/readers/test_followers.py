"""
Followers that read from a standby.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from asm_async import Session, open_ports
from asm_async.testing.event_feed.contract import Collecting
from asm_async.testing.factories import make_events, make_session
from asm_async.values.session import SessionStatus
from tests.integration.readers.servers import (
    LONG_SECONDS,
    Servers,
    held_back,
    opened,
    readers_of,
    state_of,
    until_read,
)
from tests.standby_server import StandbyServer, ask

pytestmark = pytest.mark.postgres

LISTENERS = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND query LIKE 'LISTEN%'"
)


async def test_followers_of_a_standby_miss_nothing_when_it_goes(
    servers: Servers,
) -> None:
    """
    They look there, listen nowhere, and look at the primary once it is gone.
    """
    async with opened(servers) as ports, open_ports(servers.url) as other:
        await until_read(ports)
        await other.store.save_session(make_session())
        followers: list[Collecting[Any]] = [
            Collecting(ports.feed.follow_session("ses_1")),
            Collecting(ports.feed.follow_all()),
        ]
        await other.store.append_events(make_events(5))
        for follower in followers:
            await follower.until(5)
        assert state_of(ports).reads > 0
        assert await ask(servers.url, LISTENERS) == 0
        await asyncio.to_thread(servers.standby.stop)
        await other.store.append_events(make_events(5, first=6))
        for follower in followers:
            await follower.until(10)
        await asyncio.to_thread(servers.standby.start)
        await until_read(ports)
        await other.store.append_events(make_events(5, first=11))
        for follower in followers:
            await follower.until(15)
            await follower.stop()
        events = [followers[0].items, [event for event, _ in followers[1].items]]
        for followed in events:
            numbers = [event.sequence_number for event in followed]
            assert numbers == [*range(1, 16)]
    assert "LISTEN" not in servers.standby.log_text()


async def test_consumers_stay_with_the_primary(servers: Servers) -> None:
    """
    One is given what the standby does not have yet.
    """
    async with opened(servers, max_lag=10 * LONG_SECONDS) as ports:
        await until_read(ports)
        await ports.store.save_session(make_session())
        async with held_back(servers):
            await ports.store.append_events(make_events(3))
            seen = 0
            batches = ports.feed.consumer("counting").batches()
            async with asyncio.timeout(LONG_SECONDS), aclosing(batches):
                async for batch in batches:
                    seen += len(batch.events)
                    await batch.acknowledge()
                    if seen == 3:
                        break


async def test_followers_stay_with_a_standby(servers: Servers) -> None:
    """
    What one of them has need not be on another yet, which would be read in vain.
    """
    async with opened(servers, 2) as ports:
        await ports.store.save_session(make_session())
        follower: Collecting[Any] = Collecting(ports.feed.follow_all())
        async with open_ports(servers.url) as other:
            for count in (1, 2):
                await other.store.append_events(make_events(5, first=5 * count - 4))
                await follower.until(5 * count)
        await follower.stop()
        first, second = sorted(state.reads for state in readers_of(ports).states)
        assert first == 0
        assert second > 2


async def test_followers_leave_the_standby_that_lags_behind_another(
    servers: Servers, second: StandbyServer
) -> None:
    """
    Whichever is behind: each event comes once, in order, and then the session's end.
    """
    urls = [servers.standby_url, second.url_of(servers.url)]
    async with (
        open_ports(servers.url, readers=urls, max_lag=10 * LONG_SECONDS) as ports,
        open_ports(servers.url) as other,
    ):
        await other.store.save_session(make_session(status=SessionStatus.ACTIVE))
        followers: list[Collecting[Any]] = [
            Collecting(ports.feed.follow_session("ses_1", until_over=True)),
            Collecting(ports.feed.follow_all()),
        ]
        for count, lagging in enumerate([second, servers.standby]):
            await lagging.hold_back()
            try:
                await other.store.append_events(make_events(5, first=1 + 5 * count))
                for follower in followers:
                    await follower.until(5 * (count + 1))
                if lagging is servers.standby:
                    await other.store.update_session("ses_1", ended)
                    await followers[0].end()
            finally:
                await lagging.go_on()
        events = [event for event, _ in await followers[1].stop()]
        for followed in (followers[0].items, events):
            numbers = [event.sequence_number for event in followed]
            assert numbers == [*range(1, 11)]
        assert min(state.reads for state in readers_of(ports).states) > 0


def ended(session: Session) -> Session:
    """
    Let it be over.
    """
    return session.update_status(SessionStatus.COMPLETED)
