"""
What followers share goes on without who has begun it, and ends without a trace.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sqlite3
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.sql import SQLEventFeed, SQLSessionStore, create_engine
from asm_async.sql.dialects.sqlite import feed as sqlite_feed
from asm_async.sql.writes import writer
from asm_async.testing.event_feed.contract import LONG_SECONDS, Collecting
from asm_async.testing.factories import make_events, make_session
from asm_async.testing.session_store.contract import numbers_of

NEVER_SECONDS = 3_600.0
"""
Nobody looks: what comes is heard of.
"""


@pytest.fixture
async def another(url: str) -> AsyncIterator[AsyncEngine]:
    """
    Yield a second engine on the same database, as another process has.
    """
    engine = create_engine(url)
    yield engine
    await engine.dispose()


@pytest.fixture
async def store(another: AsyncEngine) -> AsyncIterator[SQLSessionStore]:
    """
    Yield a store of another process, with session ``ses_1``.
    """
    store = SQLSessionStore(another)
    await store.save_session(make_session())
    yield store
    await store.aclose()


async def test_listening_goes_on_when_the_feed_that_began_it_is_closed(
    engine: AsyncEngine, store: SQLSessionStore
) -> None:
    """
    Also where it is closed in the very step in which it began.
    """
    one, other = (SQLEventFeed(engine, poll_interval=NEVER_SECONDS) for _ in range(2))
    first = asyncio.ensure_future(anext(one.follow_session("ses_1")))
    follower = Collecting(other.follow_session("ses_1"))
    closing = asyncio.create_task(one.aclose())
    await asyncio.wait({first, closing})
    for number in range(1, 4):
        await store.append_events(make_events(1, first=number))
        await follower.until(number)
    await follower.stop()
    await other.aclose()
    assert first.exception() is not None


async def test_a_commit_is_a_success_whatever_becomes_of_telling_followers(
    engine: AsyncEngine,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """
    A fault there is logged, and followers read what they were not told.
    """

    def publish(*_: object) -> None:
        raise ValueError("a fault of ours")

    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    feed = SQLEventFeed(engine, poll_interval=NEVER_SECONDS, listens=False)
    follower = Collecting(feed.follow_session("ses_1"))
    everything = Collecting(feed.follow_all())
    await store.append_events(make_events(1))
    await follower.until(1)
    await everything.until(1)
    monkeypatch.setattr(writer, "publish_commit", publish)
    stored = await store.append_events(make_events(2, first=2))
    assert numbers_of(stored) == [2, 3]
    assert numbers_of(await follower.until(3)) == [1, 2, 3]
    await everything.until(3)
    said = [each for each in caplog.records if each.name == writer.__name__]
    assert [(each.levelname, each.getMessage()) for each in said] == [
        ("ERROR", "followers have to read what was committed")
    ]
    await follower.stop()
    await everything.stop()
    await feed.aclose()
    await store.aclose()


async def test_a_follower_that_cannot_be_woken_is_nobody_elses_fault(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The append succeeds, and so does what else is told of.
    """

    def offer(*_: object) -> None:
        raise ValueError("a fault of ours")

    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    feed = SQLEventFeed(engine, poll_interval=NEVER_SECONDS, listens=False)
    follower = Collecting(feed.follow_session("ses_1"))
    await store.append_events(make_events(1))
    await follower.until(1)
    monkeypatch.setattr("asm_async.sql.notifications.hub.WakeUp.offer", offer)
    await store.append_events(make_events(2, first=2))
    assert numbers_of(await follower.until(3)) == [1, 2, 3]
    await store.delete_session("ses_1")
    await follower.stop()
    await feed.aclose()
    await store.aclose()


async def test_followers_that_leave_at_once_leave_no_word(
    engine: AsyncEngine, store: SQLSessionStore
) -> None:
    """
    As a page does that is reloaded, while nobody else follows.
    """
    _ = store
    complaints: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    feed = SQLEventFeed(engine)
    for steps in range(40):
        following = asyncio.ensure_future(anext(feed.follow_session("ses_1")))
        for _ in range(steps):
            await asyncio.sleep(0.0005 * (steps % 4))
        following.cancel()
        await asyncio.wait({following})
    await feed.aclose()
    await engine.dispose()
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []


async def test_who_leaves_waits_for_no_look_at_the_file(
    migrated_sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A long statement of the watcher's is broken off, and the loop goes on meanwhile.
    """
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def count(connection: sqlite3.Connection, *_: object) -> dict[str, int]:
        loop.call_soon_threadsafe(begun.set)
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
            " SELECT count(*) FROM n"
        ).fetchone()
        raise AssertionError

    monkeypatch.setattr(sqlite_feed, "_numbers", count)
    engine = create_engine(migrated_sqlite_url)
    feed = SQLEventFeed(engine, poll_interval=NEVER_SECONDS)
    follower = Collecting(feed.follow_session("ses_1"))
    other = SQLSessionStore(create_engine(migrated_sqlite_url))
    await other.save_session(make_session())
    async with asyncio.timeout(LONG_SECONDS):
        number = 0
        while not begun.is_set():
            number += 1
            await other.append_events(make_events(1, first=number))
            await asyncio.sleep(0.02)
        await follower.stop()
    await feed.aclose()
    await other.aclose()
    await other.engine.dispose()
    await engine.dispose()


async def test_a_file_that_was_replaced_is_watched_anew(
    migrated_sqlite_url: str, tmp_path: Any
) -> None:
    """
    The connection of the watcher would see the one that is gone for ever.
    """
    engine, other = (create_engine(migrated_sqlite_url) for _ in range(2))
    path = str(engine.url.database)
    store = SQLSessionStore(other)
    await store.save_session(make_session())
    feed = SQLEventFeed(engine, poll_interval=NEVER_SECONDS)
    follower = Collecting(feed.follow_session("ses_1"))
    await store.append_events(make_events(1))
    await follower.until(1)
    await other.dispose()
    copy = sqlite3.connect(tmp_path / "copy")
    with contextlib.closing(sqlite3.connect(path)) as source, contextlib.closing(copy):
        source.backup(copy)
    (tmp_path / "copy").replace(path)
    number = 1
    async with asyncio.timeout(LONG_SECONDS):
        while len(follower.items) < 2:
            number += 1
            await store.append_events(make_events(1, first=number))
            await asyncio.sleep(0.1)
    await follower.stop()
    await feed.aclose()
    await store.aclose()
    await engine.dispose()
    await other.dispose()
