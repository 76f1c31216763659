"""
All ports over one database, opened and closed together.
"""

from __future__ import annotations

from typing import Any, cast

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from asm_async import InMemoryPorts, Ports, open_ports
from asm_async.errors import (
    MigrationRequiredError,
    StoreClosedError,
    ValidationError,
)
from asm_async.memory import InMemoryDatabase
from asm_async.ports.event_feed import EventFeed
from asm_async.sql import SQLPorts
from asm_async.testing.factories import (
    make_artifact,
    make_events,
    make_item,
    make_session,
)
from asm_async.values.retention import RetentionPolicy


async def use(ports: Ports) -> None:
    """
    Do something through each of the ports, and find it through another.
    """
    await ports.store.save_session(make_session())
    await ports.store.append_events(make_events(3))
    (item,) = await ports.state.save_items([make_item(session_id="ses_1")])
    assert await ports.state.list_items("app/user") == [item]
    await ports.artifacts.register(make_artifact(session_id="ses_1"))
    assert await ports.query.count_events() == 3
    assert (await ports.feed.feed_lag()).pending_events == 3
    stats = await ports.artifacts.session_stats("ses_1")
    assert stats.artifact_count == 1
    report = await ports.maintenance.execute(RetentionPolicy(max_events_per_session=1))
    assert report.events_pruned == 2
    assert len(await ports.store.get_events("ses_1")) == 1


async def assert_closed(ports: Ports) -> None:
    """
    Assert that neither the stores nor the feed can be used any more.
    """
    with pytest.raises(StoreClosedError):
        await ports.store.list_sessions()
    with pytest.raises(StoreClosedError):
        await ports.state.list_items("app/user")
    with pytest.raises(StoreClosedError):
        await ports.feed.feed_lag()


async def test_ports_are_opened_with_an_engine_of_their_own(url: str) -> None:
    """
    They share it, and in the end nothing of it is left.
    """
    async with open_ports(url) as ports:
        await use(ports)
        engine = ports.engine
        pool = cast("QueuePool", engine.pool)
        assert pool.checkedin() >= 1
    await assert_closed(ports)
    assert pool.checkedin() == 0
    assert engine.pool is not pool


async def test_ports_are_opened_on_a_new_database(postgres_url: str) -> None:
    """
    If they are to migrate it; and else it is said what is missing.
    """
    for url in ("sqlite://", postgres_url):
        with pytest.raises(MigrationRequiredError):
            async with open_ports(url):
                pass
        async with open_ports(url, migrate=True) as ports:
            await use(ports)


async def test_ports_leave_an_engine_that_is_not_theirs(engine: AsyncEngine) -> None:
    """
    Others use it while they are open, and afterwards.
    """
    async with SQLPorts(engine, timeout=5) as ports:
        await use(ports)
        async with SQLPorts(engine) as others:
            assert len(await others.store.get_events("ses_1")) == 1
        assert len(await ports.store.get_events("ses_1")) == 1
    await assert_closed(ports)
    async with SQLPorts(engine) as others:
        assert len(await others.store.get_events("ses_1")) == 1


async def test_ports_in_memory_share_a_database() -> None:
    """
    One of their own, unless they are given one.
    """
    database = InMemoryDatabase()
    async with InMemoryPorts(database) as ports:
        await use(ports)
    await assert_closed(ports)
    async with InMemoryPorts(database) as others:
        assert len(await others.store.get_events("ses_1")) == 1
    async with InMemoryPorts() as others:
        assert await others.store.list_sessions() == []


async def test_the_store_is_closed_where_the_feed_fails_to_close() -> None:
    """
    The failure is raised all the same.
    """
    own, feed = InMemoryPorts(), cast("EventFeed", FailingFeed())
    ports = Ports(
        store=own.store,
        state=own.state,
        query=own.query,
        maintenance=own.maintenance,
        feed=feed,
        artifacts=own.artifacts,
    )
    with pytest.raises(OSError, match="closing"):
        await ports.aclose()
    with pytest.raises(StoreClosedError):
        await own.store.list_sessions()
    with pytest.raises(StoreClosedError):
        await own.state.list_items("app/user")


class FailingFeed:
    """
    What cannot be closed.
    """

    async def aclose(self) -> None:
        """
        Fail.
        """
        raise OSError("closing")


def test_ports_say_which_engine_they_do_not_take() -> None:
    """
    What is no engine is refused before anything is opened.
    """
    no_engine: Any = object()
    with pytest.raises(ValidationError, match=r"^engine: expected an AsyncEngine"):
        SQLPorts(no_engine)
