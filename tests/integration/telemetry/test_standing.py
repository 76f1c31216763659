"""
What is told whenever metrics are collected: the pool, the feed and its consumers.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from sqlalchemy.pool import NullPool

from asm_async import InMemoryPorts, Ports, open_ports
from asm_async.integrations.opentelemetry import instrument
from asm_async.sql import SQLPorts, create_engine
from asm_async.testing.event_feed.contract import take
from asm_async.testing.factories import make_events, make_session
from tests.integration.telemetry.conftest import Telemetry

LAG = "asm_async.consumer.pending_events"


async def test_the_pool_is_told_of(url: str, telemetry: Telemetry) -> None:
    """
    How many connections are used, are idle, may be, and are waited for.
    """
    engine = create_engine(url, pool_size=2, max_overflow=0)
    async with SQLPorts(engine) as ports, AsyncExitStack() as taken:
        # To ask for the lag would take a connection, too.
        with instrument(ports, with_lag=False, **telemetry.providers):
            for _ in range(2):
                await taken.enter_async_context(engine.connect())
            waiting = asyncio.create_task(ports.store.list_sessions())
            async with asyncio.timeout(10):
                while not telemetry.value("db.client.connection.pending_requests"):  # noqa: ASYNC110 - nobody else tells
                    await asyncio.sleep(0)
            name = "db.client.connection.count"
            assert telemetry.value(name, db_client_connection_state="used") == 2
            assert telemetry.value(name, db_client_connection_state="idle") == 0
            assert telemetry.value("db.client.connection.max") == 2
            await taken.aclose()
            assert await waiting == []
            assert telemetry.value(name, db_client_connection_state="used") == 0
            assert telemetry.value(name, db_client_connection_state="idle") == 2
            assert telemetry.value("db.client.connection.pending_requests") == 0
    await engine.dispose()


@pytest.mark.postgres
async def test_a_pool_that_keeps_no_connections_has_no_figures(
    migrated_postgres_url: str, telemetry: Telemetry
) -> None:
    """
    There is nothing that could run out.
    """
    engine = create_engine(migrated_postgres_url, poolclass=NullPool)
    async with SQLPorts(engine) as ports:
        with instrument(ports, **telemetry.providers):
            await ports.store.list_sessions()
            assert not telemetry.points("db.client.connection.count")


async def test_each_consumer_is_told_how_far_it_is_behind(
    observed: Ports, telemetry: Telemetry
) -> None:
    """
    As of the collection before; none of it has a span, nor is it measured.
    """
    await observed.store.append_events(make_events(5))
    consumer = observed.feed.consumer("indexer")
    (batch,) = await take(consumer.batches(max_size=2), 1)
    await batch.acknowledge()
    await asyncio.gather(*(take(observed.feed.consumer("other").batches(), 1),))
    telemetry.clear()

    await telemetry.collect_lag()

    assert telemetry.value(LAG, asm_async_consumer_name="indexer") == 3
    assert telemetry.value(LAG, asm_async_consumer_name="other") == 5
    assert telemetry.value("asm_async.feed.held_events") == 0
    assert telemetry.value("asm_async.feed.held.duration") == 0
    assert not telemetry.spans()
    names = {"feed_lag", "list_consumers", "get_latest_checkpoint"}
    for point in telemetry.points("db.client.operation.duration"):
        assert point.attributes["db.operation.name"] not in names


@pytest.mark.postgres
async def test_what_holds_the_feed_up_is_told(
    migrated_postgres_url: str, telemetry: Telemetry
) -> None:
    """
    How many events wait for an older transaction, and how old that is.
    """
    async with open_ports(migrated_postgres_url) as ports:
        await ports.store.save_session(make_session())
        with instrument(ports, **telemetry.providers):
            async with ports.engine.connect() as conn:
                # It has written, and does not end.
                await conn.exec_driver_sql("CREATE TABLE held (id int)")
                await ports.store.append_events(make_events(2))
                await telemetry.collect_lag()
                assert telemetry.value("asm_async.feed.held_events") == 2
                assert telemetry.value("asm_async.feed.held.duration") > 0
                await conn.rollback()


async def test_the_lag_can_be_left_out(ports: Ports, telemetry: Telemetry) -> None:
    """
    Then the database is asked nothing when metrics are collected.
    """
    with instrument(ports, with_lag=False, **telemetry.providers):
        await ports.store.save_session(make_session())
        for _ in range(5):
            telemetry.metrics()
            await asyncio.sleep(0)
            tasks = {task.get_name() for task in asyncio.all_tasks()}
            assert "asm_async feed lag" not in tasks
        assert not telemetry.points("asm_async.feed.held_events")


async def test_closed_ports_are_told_of_no_more(telemetry: Telemetry) -> None:
    """
    An old figure would hide that nobody knows.
    """
    async with InMemoryPorts() as ports:
        instrument(ports, **telemetry.providers)
        await ports.store.save_session(make_session())
        await telemetry.collect_lag()
    async with asyncio.timeout(10):
        while telemetry.value("asm_async.feed.held_events") is not None:  # noqa: ASYNC110 - nobody else tells
            await asyncio.sleep(0)

    assert not telemetry.points(LAG)


def test_collecting_after_the_loop_has_ended_asks_nobody(telemetry: Telemetry) -> None:
    """
    A reader in a thread of its own may outlive it.
    """

    async def use() -> InMemoryPorts:
        ports = InMemoryPorts()
        instrument(ports, **telemetry.providers)
        await ports.store.save_session(make_session())
        return ports

    with asyncio.Runner() as runner:
        ports = runner.run(use())
    for _ in range(2):
        assert telemetry.metrics()
    assert ports.feed is not None
