"""
How news of events travels, what happens when it does not, and what is left behind.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, aclosing
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from asm_async.errors import ValidationError
from asm_async.fronts.session_filters import EventFilter
from asm_async.sql import SQLEventFeed, SQLSessionStore, create_engine
from asm_async.sql.dialects.sqlite.feed import _watch
from asm_async.sql.notifications.hub import NotificationHub
from asm_async.sql.runtime.shared_state import shared_state
from asm_async.testing.event_feed.contract import LONG_SECONDS, Collecting
from asm_async.testing.factories import make_event, make_events, make_session
from asm_async.testing.session_store.contract import numbers_of
from asm_async.values.event import Event

NEVER_SECONDS = 3_600.0

LISTENERS = sa.text(
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
    " AND query LIKE 'LISTEN%'"
)
TERMINATE = sa.text("SELECT pg_terminate_backend(:pid)")


@pytest.fixture
async def engines(url: str) -> AsyncIterator[tuple[AsyncEngine, AsyncEngine]]:
    """
    Yield two engines that share a database and nothing else, as two processes do.

    In the end neither has a connection checked out, and no task is left.
    """
    engines = create_engine(url), create_engine(url)
    yield engines
    for engine in engines:
        assert isinstance(engine.pool, QueuePool)
        assert engine.pool.checkedout() == 0
        await engine.dispose()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.fixture
async def store(
    engines: tuple[AsyncEngine, AsyncEngine],
) -> AsyncIterator[SQLSessionStore]:
    """
    Yield a store on the first, with session ``ses_1``.
    """
    store = SQLSessionStore(engines[0])
    await store.save_session(make_session())
    yield store
    await store.aclose()


@pytest.fixture
def watchers() -> Iterator[Callable[[], int]]:
    """
    Yield what counts the threads that watch files; prove that none is left.

    Those of a test before are not of this one.
    """
    before = watching_threads()

    def count() -> int:
        return len(watching_threads() - before)

    yield count
    assert count() == 0


def watching_threads() -> set[threading.Thread]:
    """
    Return the threads that watch files.
    """
    return {
        thread for thread in threading.enumerate() if thread.name == "asm_async-watcher"
    }


async def soon(is_true: Callable[[], bool]) -> bool:
    """
    Return whether something comes true before long.
    """
    end = asyncio.get_running_loop().time() + LONG_SECONDS
    while not is_true() and asyncio.get_running_loop().time() < end:
        await asyncio.to_thread(threading.Event().wait, 0.001)
    return is_true()


def forget_hints(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Have every hint dropped on the way to those who wait.
    """
    hub = shared_state(engine).hub

    def forget(*_: object) -> None:
        pass

    for name in ("publish", "on_announcement", "on_unknown_change"):
        monkeypatch.setattr(hub, name, forget)


async def test_an_append_elsewhere_is_seen_without_a_poll(
    engines: tuple[AsyncEngine, AsyncEngine], store: SQLSessionStore
) -> None:
    """
    What another process writes comes by the hints alone.
    """
    feed = SQLEventFeed(engines[1], poll_interval=NEVER_SECONDS)
    followers: list[Collecting[Any]] = [
        Collecting(feed.follow_session("ses_1")),
        Collecting(feed.follow_all()),
    ]
    for number in range(1, 11):
        await store.append_events(make_events(1, first=number))
        for follower in followers:
            await follower.until(number)
    for follower in followers:
        await follower.stop()
    await feed.aclose()


async def test_an_append_here_is_seen_without_help_from_others(
    engines: tuple[AsyncEngine, AsyncEngine], store: SQLSessionStore
) -> None:
    """
    What this process writes comes though neither others are heard nor polls made.
    """
    feed = SQLEventFeed(engines[0], poll_interval=NEVER_SECONDS, listens=False)
    follower = Collecting(feed.follow_session("ses_1"))
    for number in range(1, 11):
        await store.append_events(make_events(1, first=number))
        await follower.until(number)
    await follower.stop()
    await feed.aclose()


async def test_what_is_committed_behind_a_readings_back_wakes_the_follower(
    engines: tuple[AsyncEngine, AsyncEngine],
    store: SQLSessionStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    A hint that comes after a reading began, and before it is waited for, is not lost.
    """
    feed = SQLEventFeed(engines[0], poll_interval=NEVER_SECONDS, listens=False)
    transactions = feed._context.transactions
    read = transactions.read
    news = make_events(2)

    async def read_too_early(work: Any) -> Any:
        found = await read(work)
        if news:
            await store.append_event(news.pop(0))
        return found

    monkeypatch.setattr(transactions, "read", read_too_early)
    followers: list[Collecting[Any]] = [
        Collecting(feed.follow_session("ses_1")),
        Collecting(feed.follow_all()),
    ]
    for follower in followers:
        await follower.until(2)
        await follower.stop()
    await feed.aclose()


async def test_losing_every_hint_costs_delay_and_no_event(
    engines: tuple[AsyncEngine, AsyncEngine],
    store: SQLSessionStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    With all hints dropped the slow poll finds everything, the end of sessions too.
    """
    forget_hints(engines[1], monkeypatch)
    feed = SQLEventFeed(engines[1], poll_interval=0.05, listens=False)
    followers: list[Collecting[Any]] = [
        Collecting(feed.follow_session("ses_1")),
        Collecting(feed.follow_all()),
        Collecting(feed.follow_session("ses_1", until_over=True)),
    ]
    for number in range(1, 6):
        await store.append_events(make_events(1, first=number))
        for follower in followers:
            await follower.until(number)
    await store.delete_session("ses_1")
    await followers[2].end()
    for follower in followers[:2]:
        await follower.stop()
    await feed.aclose()


async def test_the_poll_wakes_only_those_who_are_behind(
    engines: tuple[AsyncEngine, AsyncEngine], store: SQLSessionStore
) -> None:
    """
    Followers that have seen everything do not read again for nothing.
    """
    engine = engines[1]
    await store.append_events(make_events(3))
    feed = SQLEventFeed(engine, poll_interval=0.06, listens=False)
    followers: list[Collecting[Any]] = [
        *(Collecting(feed.follow_session("ses_1")) for _ in range(5)),
        Collecting(feed.follow_all()),
    ]
    for follower in followers:
        await follower.until(3)
    read: list[str] = []
    clock = asyncio.get_running_loop().time

    @sa_event.listens_for(engine.sync_engine, "before_cursor_execute")
    def note(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        read.append(statement)

    async def until_read(count: int) -> None:
        async with asyncio.timeout(LONG_SECONDS):
            while len(read) < count:  # noqa: ASYNC110 - what reads tells nobody
                await asyncio.sleep(0.05)

    # A poll that was under way when a follower first read may wake it once more.
    await until_read(4)
    read.clear()
    start = clock()
    await until_read(20)
    for follower in followers:
        await follower.stop()
    await feed.aclose()

    # Two statements a poll, of all followers together.
    assert len(read) <= 2 * (clock() - start) / 0.06 + 2
    assert not [statement for statement in read if "asm_events.data" in statement]


async def test_those_who_wait_for_events_share_one_poll(
    store: SQLSessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    While nothing is written, each reads at first, when it is first told, and at last.
    """
    found: list[str] = []
    read = store._read_events

    async def noted(session_id: str, wanted: EventFilter) -> list[Event]:
        found.append(session_id)
        return await read(session_id, wanted)

    async def wait_together(seconds: float) -> list[list[Event]]:
        waits = [
            store.get_events("ses_1", after=1, wait_timeout=seconds) for _ in range(8)
        ]
        return await asyncio.gather(*waits)

    await store.append_event(make_event())
    # What the first of them takes to open connections is no part of the wait.
    await wait_together(0.01)
    monkeypatch.setattr(store, "_read_events", noted)
    assert await wait_together(2.0) == [[]] * 8
    assert 16 <= len(found) <= 24


async def test_what_hears_others_lives_as_long_as_somebody_follows(
    migrated_sqlite_url: str, watchers: Callable[[], int]
) -> None:
    """
    On SQLite one thread begins with the first follower and ends with the last.
    """
    engine = create_engine(migrated_sqlite_url)
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    await store.append_events(make_events(1))
    feed, another = SQLEventFeed(engine), SQLEventFeed(engine)
    async with AsyncExitStack() as stack:
        for following in (
            feed.follow_session("ses_1"),
            another.follow_session("ses_1"),
            feed.follow_all(),
        ):
            await stack.enter_async_context(aclosing(following))
            await anext(following)
        assert await soon(lambda: watchers() == 1)
        await another.aclose()
        assert watchers() == 1
    assert watchers() == 0
    await feed.aclose()
    await store.aclose()
    await engine.dispose()


def test_a_watcher_ends_with_a_loop_that_is_closed_under_it(
    migrated_sqlite_url: str, watchers: Callable[[], int]
) -> None:
    """
    Nobody tells it to stop there, and it would look at the file for ever.
    """
    path = str(sa.make_url(migrated_sqlite_url).database)
    loop = asyncio.new_event_loop()

    async def begin() -> asyncio.Task[None]:
        hub = NotificationHub(None, is_writing=lambda: False)
        watching = asyncio.ensure_future(_watch(path, hub))
        assert await soon(lambda: watchers() == 1)
        return watching

    left = loop.run_until_complete(begin())
    loop.close()

    end = time.monotonic() + LONG_SECONDS
    while watchers() and time.monotonic() < end:
        time.sleep(0.01)
    assert watchers() == 0
    # It cannot end any more, which asyncio would complain of.
    setattr(left, "_log_destroy_pending", False)  # noqa: B010 - of the task's own


@pytest.mark.postgres
async def test_a_listener_that_is_cut_off_listens_again(
    migrated_postgres_url: str,
) -> None:
    """
    One connection listens for all followers; when it is lost, another one does.

    What was announced meanwhile is read when it listens again.
    """
    engine = create_engine(migrated_postgres_url)
    store = SQLSessionStore(create_engine(migrated_postgres_url))
    await store.save_session(make_session())
    feed = SQLEventFeed(engine, poll_interval=NEVER_SECONDS)
    followers = [Collecting(feed.follow_session("ses_1")) for _ in range(3)]

    async def listeners() -> list[int]:
        async with store.engine.connect() as conn, asyncio.timeout(LONG_SECONDS):
            while not (pids := list(await conn.scalars(LISTENERS))):
                await conn.rollback()
            return pids

    for round_ in range(3):
        (pid,) = await listeners()
        async with store.engine.connect() as conn:
            await conn.execute(TERMINATE, {"pid": pid})
        await store.append_events(make_events(1, first=round_ + 1))
        for follower in followers:
            await follower.until(round_ + 1)
    for follower in followers:
        await follower.stop()
    async with store.engine.connect() as conn:
        assert list(await conn.scalars(LISTENERS)) == []
    await feed.aclose()
    await store.aclose()
    await engine.dispose()
    await store.engine.dispose()


@pytest.mark.postgres
async def test_announcing_can_be_switched_off(migrated_postgres_url: str) -> None:
    """
    Then other processes see events by their polls.
    """
    options = {"asm_announces": False}
    engine = create_engine(migrated_postgres_url, execution_options=options)
    sent: list[str] = []

    @sa_event.listens_for(engine.sync_engine, "before_cursor_execute")
    def note(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    other = create_engine(migrated_postgres_url)
    feed = SQLEventFeed(other, poll_interval=0.05)
    follower = Collecting(feed.follow_session("ses_1"))
    await store.append_event(make_event())
    await follower.until(1)
    await follower.stop()
    await feed.aclose()
    await store.aclose()
    await other.dispose()
    await engine.dispose()

    assert not [statement for statement in sent if "NOTIFY" in statement]


async def test_a_thousand_followers_share_one_pool(
    engines: tuple[AsyncEngine, AsyncEngine], store: SQLSessionStore
) -> None:
    """
    All are given everything, and few of them read at the same time.
    """
    engine = engines[1]
    ids = [f"ses_{number}" for number in range(1, 101)]
    for session_id in ids[1:]:
        await store.save_session(make_session(id=session_id))
    feed = SQLEventFeed(engine)
    most = 0

    @sa_event.listens_for(engine.sync_engine, "checkout")
    def count(*_: object) -> None:
        nonlocal most
        assert isinstance(engine.pool, QueuePool)
        most = max(most, engine.pool.checkedout())

    followers = [
        Collecting(feed.follow_session(ids[number % 100])) for number in range(1_000)
    ]
    for first in (1, 2):
        await store.append_events(
            [make_event(id=f"evt_{first}", session_id=session_id) for session_id in ids]
        )
    for follower in followers:
        assert numbers_of(await follower.until(2)) == [1, 2]
    for follower in followers:
        await follower.stop()
    await feed.aclose()
    # Those that read, the poll, and the moment in which a listener leaves the pool.
    assert most <= 4 + 2


@pytest.mark.parametrize("poll_interval", [0, -1.0, float("inf"), float("nan")])
def test_a_poll_interval_is_a_time(
    migrated_sqlite_url: str, poll_interval: float
) -> None:
    """
    Anything else is refused.
    """
    engine = create_engine(migrated_sqlite_url)
    with pytest.raises(ValidationError, match="poll_interval"):
        SQLEventFeed(engine, poll_interval=poll_interval)
