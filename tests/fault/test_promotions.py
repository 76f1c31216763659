"""
A server killed under everybody, and its synchronous standby promoted: in little.

``nox -s failover`` does it again and again, with all that belongs to a cluster.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
import sqlalchemy as sa

from asm_async import open_ports
from asm_async.errors import StorageUnavailableError
from asm_async.sql import create_engine
from asm_async.sql.transactions.connections import driver_of
from asm_async.testing.history import read_history
from tests.failover.durations import MAX_OVERRUN_SECONDS, longest_overrun
from tests.failover.load import RECORDED, under_load
from tests.failover.preparation import make_tables
from tests.fault.recorded_runs import check_runs
from tests.postgres_server import PostgresServer
from tests.standby_server import StandbyServer, ask
from tests.torture.writers import check_answers

pytestmark = pytest.mark.postgres


@pytest.fixture
def servers() -> Iterator[tuple[PostgresServer, StandbyServer]]:
    """
    Yield a primary with our tables, and a standby that its commits wait for.
    """
    primary = PostgresServer(is_durable=True)
    servers = [primary]
    try:
        primary.start()
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            runner.run(make_tables(primary.url))
            standby = StandbyServer(primary)
            servers.append(standby)
            standby.start()
            runner.run(wait_for_standby(primary))
        yield primary, standby
    finally:
        for server in servers:
            server.close()


async def wait_for_standby(primary: PostgresServer) -> None:
    """
    Have each commit wait for the standby, from now on.
    """
    await ask(primary.url, "ALTER SYSTEM SET synchronous_standby_names = '*'")
    await ask(primary.url, "SELECT pg_reload_conf()")
    is_awaited = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
    async with asyncio.timeout(30):
        while not await ask(primary.url, is_awaited):  # noqa: ASYNC110 - none is set
            await asyncio.sleep(0.01)


def multi_host_url(*servers: PostgresServer) -> str:
    """
    Return the URL that names both, and finds the one that takes writes.
    """
    first, *others = [sa.make_url(server.url) for server in servers]
    hosts = ",".join(f"{url.host}:{url.port}" for url in (first, *others))
    return (
        f"postgresql://{first.username}:{first.password}@{hosts}/{first.database}"
        "?target_session_attrs=read-write"
    )


async def test_a_promotion_loses_nothing_for_anybody(
    servers: tuple[PostgresServer, StandbyServer], tmp_path: Path
) -> None:
    """
    Writers, followers, consumers, recorders and counters go on as if nothing had been.
    """
    primary, standby = servers
    url = multi_host_url(primary, standby)
    async with under_load(url, url, tmp_path, Random(1)) as load:
        await load.writers.wait_for_each()
        await asyncio.to_thread(primary.kill)
        await standby.promote()
        await load.writers.wait_for_each()
        load.ways.cut()
        load.ways.heal()
        await load.writers.wait_for_each()

    for path, timeout in load.timeouts.items():
        overrun = longest_overrun(path, timeout, load.pulse)
        assert overrun < MAX_OVERRUN_SECONDS, path
    for path in load.patient:
        check_answers(read_history(path))
    async with open_ports(standby.url) as ports:
        assert await check_runs(ports.store, ports.state, [RECORDED])
    tally = await load.ledger.judged(standby.url, faults=1)
    assert tally.acknowledged


async def test_a_primary_that_was_frozen_is_left_for_its_successor(
    servers: tuple[PostgresServer, StandbyServer],
) -> None:
    """
    Connections to it end when the successor is found, and no new ones are made.
    """
    former, successor = servers
    engine = create_engine(multi_host_url(former, successor))
    async with engine.connect() as conn, engine.connect() as other:
        old = driver_of(conn)
        former.freeze()
        await successor.promote()
        async with engine.connect() as third:
            new = driver_of(third)
            is_left = [each.is_closed() for each in (old, driver_of(other), new)]
        former.thaw()
        assert is_left == [True, True, False]
    await asyncio.to_thread(successor.kill)
    await engine.dispose()
    with pytest.raises(StorageUnavailableError, match="was the primary before"):
        async with engine.connect():
            pass
    await engine.dispose()
    other_engine = create_engine(multi_host_url(former, successor))
    async with other_engine.connect():
        pass
    await other_engine.dispose()
