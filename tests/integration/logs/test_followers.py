"""
What is logged of followers and consumers that hear nothing, lose a lease or a history.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing, closing
from pathlib import Path

import pytest

from asm_async import InMemoryPorts
from asm_async.errors import HistoryLostError, LeaseLostError
from asm_async.sql import SQLEventFeed, SQLPorts, SQLSessionStore, create_engine
from asm_async.sql.dialects.sqlite import feed
from asm_async.testing.event_feed.contract import Collecting, take
from asm_async.testing.faults import ProxyAct, failing
from asm_async.testing.faults.engines import watched_engine
from tests.integration.logs.planted import Listener, plant, planted_event, planted_ports
from tests.integration.test_lost_history import lose
from tests.integration.test_stuck_writers import locked
from tests.proxies import by_way, way_to

LONG_SECONDS = 20

ENDLESS = """
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
    SELECT count(*) FROM n
"""


@pytest.fixture
async def ports(url: str) -> AsyncIterator[SQLPorts]:
    """
    Yield ports over a database with a planted session.
    """
    async with planted_ports(url, LONG_SECONDS) as ports:
        yield ports


@pytest.mark.postgres
async def test_a_listener_that_is_cut_off_is_warned_of_and_comes_back(
    log: Listener, migrated_postgres_url: str
) -> None:
    """
    Once, however often it fails to connect, and events come all the same.
    """
    module = "sql.dialects.postgresql.feed"
    async with way_to(migrated_postgres_url) as way:
        engine = create_engine(by_way(way, migrated_postgres_url))
        ports = SQLPorts(engine, timeout=LONG_SECONDS)
        await plant(ports)
        follower = Collecting(ports.feed.follow_session("ses_1"))
        await follower.until(1)
        # Until it listens, too.
        while way.round_trips < 12:  # noqa: ASYNC110 - the proxy tells nobody
            await asyncio.sleep(0.01)
        way.is_blocked = True
        way.cut_connections()
        await log.until("cannot be listened to")
        way.is_blocked = False
        await log.until("other processes are listened to again")
        await ports.store.append_event(planted_event())
        await follower.until(2)
        await follower.stop()
        await ports.aclose()
        await engine.dispose()

    log.said_once("other processes cannot be listened to", "WARNING", module)
    log.said_once("other processes are listened to again (after", "INFO", module)


@pytest.mark.postgres
async def test_an_announcement_that_is_cut_off_is_warned_of(
    log: Listener, migrated_postgres_url: str
) -> None:
    """
    And that others are told again is said.
    """
    module = "sql.runtime.announcer"
    async with way_to(migrated_postgres_url) as way:
        engine = create_engine(by_way(way, migrated_postgres_url))
        ports = SQLPorts(engine, timeout=LONG_SECONDS)
        await plant(ports)
        await ports.store.append_event(planted_event(1))
        fault = way.arm(ProxyAct.CUT, b"NOTIFY asm_events")
        await ports.store.append_event(planted_event(2))
        await log.until("could not be told of what was written")
        await ports.store.append_event(planted_event(3))
        await log.until("are told of what is written again")
        assert fault.happened.is_set()
        await ports.aclose()
        await engine.dispose()

    log.said_once("other processes could not be told", "WARNING", module)
    log.said_once("other processes are told of what is", "INFO", module)


@pytest.mark.parametrize("is_begun", [True, False])
async def test_a_watcher_that_is_interrupted_to_stop_is_not_warned_of(
    caplog: pytest.LogCaptureFixture,
    migrated_sqlite_url: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_begun: bool,
) -> None:
    """
    The last follower leaves while the watcher is in a statement, or about to begin one.
    """
    is_looking, is_told = threading.Event(), threading.Event()
    stop = feed._Watcher.stop

    def look_without_end(connection: sqlite3.Connection) -> int:
        is_looking.set()
        if not is_begun:
            is_told.wait(LONG_SECONDS)
        return int(connection.execute(ENDLESS).fetchone()[0])

    def stop_and_tell(watcher: feed._Watcher) -> None:
        stop(watcher)
        is_told.set()

    monkeypatch.setattr(feed, "_latest", look_without_end)
    monkeypatch.setattr(feed._Watcher, "stop", stop_and_tell)
    caplog.set_level(logging.INFO, "asm_async")
    engine = create_engine(migrated_sqlite_url)
    ports = SQLPorts(engine, timeout=LONG_SECONDS)
    await plant(ports)
    follower = Collecting(ports.feed.follow_session("ses_1"))
    assert await asyncio.to_thread(is_looking.wait, 10)
    await follower.stop()
    await ports.aclose()
    await engine.dispose()

    assert caplog.messages == []
    assert "asm_async-watcher" not in {each.name for each in threading.enumerate()}


async def test_a_file_that_is_gone_for_a_while_is_warned_of(
    log: Listener, migrated_sqlite_url: str
) -> None:
    """
    Once, however often the watcher looks for it; and that it is watched again is said.
    """
    engine = create_engine(migrated_sqlite_url)
    ports, another = SQLPorts(engine, timeout=LONG_SECONDS), create_engine(engine.url)
    await plant(ports)
    path = Path(str(engine.url.database))
    feed = SQLEventFeed(engine, poll_interval=3_600)
    follower = Collecting(feed.follow_session("ses_1"))
    await follower.until(1)
    # A watcher that is not there yet would wait for the file like any other call.
    store = SQLSessionStore(another)
    await store.append_event(planted_event())
    await follower.until(2)
    await store.aclose()
    await another.dispose()
    away = path.rename(path.with_name("away"))  # noqa: ASYNC240 - it takes no time
    await log.until("the file cannot be watched")
    away.rename(path)
    await log.until("the file is watched again")
    await follower.stop()
    await feed.aclose()
    await ports.aclose()
    await engine.dispose()

    module = "sql.dialects.sqlite.feed"
    log.said_once("the file cannot be watched", "WARNING", module)
    log.said_once("the file is watched again (after", "INFO", module)


async def test_another_file_in_its_place_is_warned_of(
    log: Listener, migrated_sqlite_url: str
) -> None:
    """
    With the path: whoever restores a backup has to stop all processes first.
    """
    engine = create_engine(migrated_sqlite_url)
    ports, another = SQLPorts(engine, timeout=0.5), create_engine(engine.url)
    await plant(ports)
    path = Path(str(engine.url.database))
    feed = SQLEventFeed(engine, poll_interval=3_600)
    follower = Collecting(feed.follow_session("ses_1"))
    await follower.until(1)
    store = SQLSessionStore(another)
    await store.append_event(planted_event())
    # The watcher has told of it.
    await follower.until(2)
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    backup = Path(shutil.copy(path, path.with_name("backup")))
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink()
    backup.replace(path)  # noqa: ASYNC240 - it takes no time
    await log.until("another file has taken its place")
    await follower.stop()
    for port in (store, feed, ports):
        await port.aclose()
    for each in (engine, another):
        await each.dispose()

    log.said_once(f"{path}: another file", "WARNING", "sql.dialects.sqlite.feed")


async def test_leases_that_are_taken_and_lost_are_told(
    log: Listener, ports: SQLPorts
) -> None:
    """
    Who takes a lease says so at INFO; who finds it lost warns.
    """
    await ports.store.append_event(planted_event())
    async with aclosing(ports.feed.consumer("c", lease_seconds=0.1).batches()) as first:
        batch = await anext(first)
        await take(ports.feed.consumer("c").batches(), 1)
        with pytest.raises(LeaseLostError):
            await batch.acknowledge()
        with pytest.raises(LeaseLostError):
            await batch.renew_lease()

    said = log.said("consumer 'c'")
    assert {each.logger for each in said} == {"asm_async.fronts.event_consumer"}
    assert [(each.level, each.message) for each in said] == [
        ("INFO", "consumer 'c' has the lease now"),
        ("INFO", "consumer 'c' has the lease now"),
        ("WARNING", "consumer 'c' has lost its lease"),
        ("WARNING", "consumer 'c' has lost its lease"),
    ]


async def test_leases_in_memory_are_told_in_the_same_way(log: Listener) -> None:
    """
    Taken at INFO, lost as a warning.
    """
    ports = InMemoryPorts()
    await plant(ports)
    async with aclosing(ports.feed.consumer("c", lease_seconds=0.1).batches()) as first:
        batch = await anext(first)
        await take(ports.feed.consumer("c").batches(), 1)
        with pytest.raises(LeaseLostError):
            await batch.acknowledge()

    levels = [each.level for each in log.said("consumer 'c'")]
    assert levels == ["INFO", "INFO", "WARNING"]


async def test_a_lease_that_cannot_be_given_up_is_warned_of(
    log: Listener, migrated_sqlite_url: str
) -> None:
    """
    Where another process keeps the file locked while the consumer ends.
    """
    engine = create_engine(migrated_sqlite_url)
    ports = SQLPorts(engine)
    await plant(ports)
    batches = ports.feed.consumer("c").batches()
    await anext(batches)
    async with locked(migrated_sqlite_url):
        await batches.aclose()
    await ports.aclose()
    await engine.dispose()

    text = "consumer 'c' has not given up its lease"
    log.said_once(text, "WARNING", "sql.feed.leases")


async def test_a_history_that_went_backwards_is_warned_of_once(
    log: Listener, ports: SQLPorts
) -> None:
    """
    However many followers come with a checkpoint that is lost.
    """
    await ports.store.append_events([planted_event(number) for number in range(1, 10)])
    checkpoint = await ports.feed.get_latest_checkpoint()
    await lose(ports.engine, 3)
    for _ in range(3):
        with pytest.raises(HistoryLostError):
            await take(ports.feed.follow_all(checkpoint=checkpoint), 1)

    log.said_once("a follower was refused: ", "WARNING", "fronts.lost_history")


async def test_a_look_that_fails_is_told_at_debug(
    log: Listener, migrated_sqlite_url: str
) -> None:
    """
    The next one is to come, and the follower goes on.
    """
    engine = create_engine(migrated_sqlite_url)
    with watched_engine(engine) as points:
        ports = SQLPorts(engine, timeout=0.5)
        await plant(ports)
        feed = SQLEventFeed(engine, timeout=0.5, poll_interval=0.05)
        follower = Collecting(feed.follow_session("ses_1"))
        await follower.until(1)
        failure = sqlite3.OperationalError("disk I/O error")
        points.arm(failing(failure), ".*AS last_id", times=20)
        await log.until("a look for lost notifications failed", logging.DEBUG)
        await ports.store.append_event(planted_event())
        await follower.until(2)
        await follower.stop()
        await feed.aclose()
        await ports.aclose()
    await engine.dispose()

    assert not log.said("a look for lost notifications failed")
