"""
History that goes backwards under followers: they are told, and nothing is skipped.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import HistoryLostError
from asm_async.ports.event_feed import EventFeed
from asm_async.sql import SQLEventFeed, SQLMaintenance, SQLSessionStore, create_engine
from asm_async.testing.event_feed.contract import Collecting, take
from asm_async.testing.factories import make_event, make_events, make_session
from asm_async.testing.session_store.contract import numbers_of
from asm_async.values.maintenance import HealthIssueKind
from tests.integration.by_hand import issues_of

SOON_SECONDS = 0.05

Follow = Callable[[EventFeed], Any]

FOLLOWING: dict[str, Follow] = {
    "session": lambda feed: feed.follow_session("ses_1"),
    "session_by_type": lambda feed: feed.follow_session(
        "ses_1", types=["message_received"]
    ),
    "all": lambda feed: feed.follow_all(),
    "all_of_agent": lambda feed: feed.follow_all(agent_id="agent_1"),
}


@pytest.fixture
async def store(engine: AsyncEngine) -> AsyncIterator[SQLSessionStore]:
    """
    Yield a store whose session ``ses_1`` has ten events.
    """
    store = SQLSessionStore(engine)
    await store.save_session(make_session(agent_id="agent_1"))
    await store.append_events(make_events(10))
    yield store
    await store.aclose()


@pytest.fixture
async def feed(engine: AsyncEngine) -> AsyncIterator[SQLEventFeed]:
    """
    Yield a feed that hears of nothing but by its looks.
    """
    feed = SQLEventFeed(engine, listens=False, poll_interval=SOON_SECONDS)
    yield feed
    await feed.aclose()


async def lose(engine: AsyncEngine, count: int) -> None:
    """
    Take the last events back, as a failover does that loses them.
    """
    async with engine.begin() as conn:
        for statement in (
            "DELETE FROM asm_events WHERE sequence_number > :kept",
            "UPDATE asm_session_sequences SET last_sequence = :kept",
        ):
            await conn.execute(sa.text(statement), {"kept": 10 - count})
        if conn.dialect.name == "sqlite":
            await conn.execute(
                sa.text("UPDATE sqlite_sequence SET seq = :kept"), {"kept": 10 - count}
            )


async def append_others(engine: AsyncEngine, first: int, count: int) -> None:
    """
    Append events that never were before, by another process.
    """
    other = create_engine(engine.url)
    store = SQLSessionStore(other)
    for number in range(first, first + count):
        await store.append_event(make_event(id=f"other_{number}"))
    await store.aclose()
    await other.dispose()


@pytest.mark.parametrize("count", [0, 2, 3, 5])
async def test_resuming_where_events_were_lost_says_so(
    engine: AsyncEngine, store: SQLSessionStore, feed: SQLEventFeed, count: int
) -> None:
    """
    However many others were appended since, and also for a consumer that begins there.
    """
    _ = store
    found = await take(feed.follow_all(), 10)
    (_, checkpoint), (_, kept) = found[-1], found[6]
    latest = await feed.get_latest_checkpoint()
    assert latest == checkpoint

    await lose(engine, 3)
    await append_others(engine, 8, count)

    for lost in (checkpoint, found[7][1]):
        with pytest.raises(HistoryLostError, match=r"^checkpoint: .* Begin again"):
            await take(feed.follow_all(checkpoint=lost), 1)
    with pytest.raises(HistoryLostError, match=r"^checkpoint"):
        await take(feed.consumer("one", checkpoint=checkpoint).batches(), 1)
    behind = await take(feed.follow_all(checkpoint=kept), count)
    assert numbers_of([event for event, _ in behind]) == list(range(8, 8 + count))


async def test_events_that_are_appended_again_are_at_another_place(
    engine: AsyncEngine, store: SQLSessionStore, feed: SQLEventFeed
) -> None:
    """
    A writer repeats what was lost; what lies between must not be skipped.
    """
    found = await take(feed.follow_all(), 10)
    await lose(engine, 3)
    await store.save_session(make_session(id="ses_2"))
    await store.append_events(make_events(4, session_id="ses_2"))
    await store.append_events(make_events(3, first=8))
    with pytest.raises(HistoryLostError):
        await take(feed.follow_all(checkpoint=found[-1][1]), 1)


@pytest.mark.parametrize("follow", FOLLOWING.values(), ids=FOLLOWING)
@pytest.mark.parametrize("count", [0, 2, 3, 5])
async def test_an_open_follower_is_told_of_the_loss(
    engine: AsyncEngine,
    store: SQLSessionStore,
    feed: SQLEventFeed,
    follow: Follow,
    count: int,
) -> None:
    """
    At its next look, whether less is there than before, other events or more.
    """
    _ = store
    follower: Collecting[Any] = Collecting(follow(feed))
    await follower.until(10)
    await lose(engine, 3)
    await append_others(engine, 8, count)
    with pytest.raises(HistoryLostError):
        await follower.end()
    assert len(follower.items) == 10


async def test_a_follower_that_began_at_a_number_is_told_of_the_loss(
    engine: AsyncEngine, store: SQLSessionStore, feed: SQLEventFeed
) -> None:
    """
    It was given nothing yet: what stood there when it began is what it goes on behind.
    """
    follower = Collecting(feed.follow_session("ses_1", after=10))
    await store.append_events(make_events(1, first=11))
    await follower.until(1)
    await follower.stop()
    follower = Collecting(feed.follow_session("ses_1", after=11))
    await asyncio.wait({follower.task}, timeout=4 * SOON_SECONDS)
    await lose(engine, 3)
    await append_others(engine, 8, 4)
    with pytest.raises(HistoryLostError, match=r"^session 'ses_1': event 11"):
        await follower.end()


@pytest.mark.parametrize("follow", FOLLOWING.values(), ids=FOLLOWING)
async def test_what_is_no_loss_alarms_nobody(
    engine: AsyncEngine, store: SQLSessionStore, feed: SQLEventFeed, follow: Follow
) -> None:
    """
    Events that are removed after they were given, the last one among them.
    """
    _ = store
    follower: Collecting[Any] = Collecting(follow(feed))
    await follower.until(10)
    found = await take(feed.follow_all(), 10)
    async with engine.begin() as conn:
        await conn.execute(
            sa.text("DELETE FROM asm_events WHERE sequence_number IN (4, 9, 10)")
        )
        await conn.execute(sa.text("UPDATE asm_session_sequences SET pruned_count = 3"))
    await asyncio.wait({follower.task}, timeout=4 * SOON_SECONDS)
    await append_others(engine, 11, 1)
    await follower.until(11)
    for _, checkpoint in found:
        await take(feed.follow_all(checkpoint=checkpoint), 1)
    await follower.stop()


@pytest.mark.postgres
@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
async def test_a_restored_dump_is_noticed(
    engine: AsyncEngine, store: SQLSessionStore, feed: SQLEventFeed
) -> None:
    """
    Its events have ids of another server, which this one gives out only later.
    """
    found = await take(feed.follow_all(), 10)
    async with engine.begin() as conn:
        # As a dump does, it inserts events with ids that are not the transaction's own.
        await conn.execute(
            sa.text(
                "UPDATE asm_events SET transaction_id = CAST(CAST(CAST(CAST("
                "pg_current_xact_id() AS TEXT) AS BIGINT) + 100000 AS TEXT) AS xid8)"
            )
        )
    with pytest.raises(HistoryLostError, match=r"^feed: .* restored from a dump"):
        await take(feed.follow_all(), 1)
    with pytest.raises(HistoryLostError):
        await take(feed.follow_all(checkpoint=found[-1][1]), 1)
    await expect_dump(engine)
    await store.append_events(make_events(1, first=11))


@pytest.mark.postgres
@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
async def test_a_restored_dump_is_noticed_when_its_ids_are_reached(
    engine: AsyncEngine, store: SQLSessionStore, feed: SQLEventFeed
) -> None:
    """
    The database remembers which transaction has really inserted an event.
    """
    async with engine.begin() as conn:
        await conn.execute(
            sa.text(
                "UPDATE asm_events SET transaction_id = CAST(CAST(CAST(CAST("
                "pg_current_xact_id() AS TEXT) AS BIGINT) + 3 AS TEXT) AS xid8)"
            )
        )
    for _ in range(8):
        async with engine.begin() as conn:
            await conn.execute(sa.text("SELECT pg_current_xact_id()"))
    ((_, checkpoint),) = await take(feed.follow_all(), 1)
    with pytest.raises(HistoryLostError, match=r"^checkpoint: .* restored from a dump"):
        await take(feed.follow_all(checkpoint=checkpoint), 1)
    await expect_dump(engine)

    async with engine.begin() as conn:
        await conn.execute(sa.text("UPDATE asm_events SET transaction_id = '0'"))
    await store.append_events(make_events(1, first=11))
    found = await take(feed.follow_all(), 11)
    assert numbers_of([event for event, _ in found]) == list(range(1, 12))
    for _, checkpoint in found[:-1]:
        await take(feed.follow_all(checkpoint=checkpoint), 1)
    assert await issues_of(engine) == set()


@pytest.mark.postgres
@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
async def test_a_table_that_was_written_anew_is_no_restored_dump(
    engine: AsyncEngine, store: SQLSessionStore, feed: SQLEventFeed
) -> None:
    """
    Maintenance of the table inserts rows again, and their order stays as it was.
    """
    _ = store
    found = await take(feed.follow_all(), 10)
    async with engine.begin() as conn:
        await conn.execute(sa.text("UPDATE asm_events SET metadata = metadata"))
    for _, checkpoint in found[:-1]:
        await take(feed.follow_all(checkpoint=checkpoint), 1)
    assert await issues_of(engine) == set()


async def expect_dump(engine: AsyncEngine) -> None:
    """
    Prove that the health check finds the events, with what to do.
    """
    damage = HealthIssueKind.DATABASE_INTEGRITY
    issues = await SQLMaintenance(engine).health_check()
    (issue,) = [issue for issue in issues if issue.kind is damage]
    assert issue.subject == "ses_1"
    assert "10 events" in issue.message
    assert "following.md" in issue.message


async def test_an_older_backup_is_noticed(
    tmp_path: Path, migrated_sqlite_url: str
) -> None:
    """
    By those who resume and by those who are under way, as it is restored below them.
    """
    engine = create_engine(migrated_sqlite_url)
    path = Path(str(engine.url.database))
    store = SQLSessionStore(engine)
    await store.save_session(make_session(agent_id="agent_1"))
    await store.append_events(make_events(7))
    await store.aclose()
    await engine.dispose()
    older = shutil.copy(path, tmp_path / "older.sqlite3")

    feed, store = (
        SQLEventFeed(engine, poll_interval=SOON_SECONDS),
        SQLSessionStore(engine),
    )
    await store.append_events(make_events(3, first=8))
    followers = [Collecting(follow(feed)) for follow in FOLLOWING.values()]
    for follower in followers:
        await follower.until(10)
    found = await take(feed.follow_all(), 10)
    with (
        closing(sqlite3.connect(older)) as source,
        closing(sqlite3.connect(path)) as target,
    ):
        source.backup(target)
    await append_others(engine, 8, 3)
    for follower in followers:
        with pytest.raises(HistoryLostError):
            await follower.end()
    with pytest.raises(HistoryLostError):
        await take(feed.follow_all(checkpoint=found[-1][1]), 1)
    await feed.aclose()
    await store.aclose()
    await engine.dispose()
