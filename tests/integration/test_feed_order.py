"""
Hand-made interleavings of transactions on PostgreSQL, and what a follower is given.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.errors import InvalidCheckpointError
from asm_async.sql import SQLEventFeed, SQLSessionStore, create_engine
from asm_async.sql.dialects.postgresql.write import session_lock_keys
from asm_async.testing.event_feed.contract import LONG_SECONDS, Collecting, take
from asm_async.testing.factories import (
    make_event,
    make_events,
    make_execution_result,
    make_run,
    make_session,
)
from asm_async.values.checkpoint import checkpoint_text
from asm_async.values.event import Event

pytestmark = pytest.mark.postgres

SHORT_SECONDS = 0.15
NEVER_SECONDS = 3_600.0

COUNT = sa.text(
    "UPDATE asm_session_sequences SET last_sequence = last_sequence + 1"
    " WHERE session_id = :id RETURNING last_sequence"
)
INSERT = sa.text(
    "INSERT INTO asm_events (session_id, sequence_number, id, type, timestamp, data,"
    " metadata, schema_version)"
    " VALUES (:id, :number, :event, 'turn_completed', now(), '{}', '{}', 1)"
)
WRITE_SOMETHING = sa.text("SELECT pg_current_xact_id()")
LOCK = sa.text("SELECT pg_advisory_xact_lock(:key)")


@pytest.fixture
async def engine(migrated_postgres_url: str) -> AsyncIterator[AsyncEngine]:
    """
    Yield an engine on a database of the test's own, with sessions a, b and c.
    """
    engine = create_engine(migrated_postgres_url)
    store = SQLSessionStore(engine)
    for name in "abc":
        await store.save_session(make_session(id=name))
    await store.aclose()
    yield engine
    await engine.dispose()


@pytest.fixture
async def store(engine: AsyncEngine) -> AsyncIterator[SQLSessionStore]:
    """
    Yield a store.
    """
    store = SQLSessionStore(engine)
    yield store
    await store.aclose()


@pytest.fixture
async def feed(engine: AsyncEngine) -> AsyncIterator[SQLEventFeed]:
    """
    Yield a feed.
    """
    feed = SQLEventFeed(engine)
    yield feed
    await feed.aclose()


async def append_by_hand(conn: AsyncConnection, session_id: str, event: str) -> None:
    """
    Append as a store does, in a transaction that stays open: lock, count, insert.
    """
    for key in session_lock_keys([session_id]):
        await conn.execute(LOCK, {"key": key})
    number = await conn.scalar(COUNT, {"id": session_id})
    values = {"id": session_id, "number": number, "event": event}
    await conn.execute(INSERT, values)


def names_of(found: list[tuple[Event, str]]) -> list[str]:
    """
    Return the ids of events.
    """
    return [event.id for event, _ in found]


@asynccontextmanager
async def collecting(
    following: AsyncGenerator[tuple[Event, str]],
) -> AsyncGenerator[Collecting[tuple[Event, str]]]:
    """
    Take what comes, for as long as the block lasts.
    """
    collector = Collecting(following)
    try:
        yield collector
    finally:
        await collector.stop()


async def nothing_comes(collector: Collecting[tuple[Event, str]], count: int) -> None:
    """
    Assert that no more than *count* events come for a moment.
    """
    await asyncio.wait({collector.task}, timeout=SHORT_SECONDS)
    assert len(collector.items) == count


async def test_a_slow_transaction_is_not_skipped(
    engine: AsyncEngine, store: SQLSessionStore, feed: SQLEventFeed
) -> None:
    """
    What it inserted first comes first, although a faster one is committed before it.
    """
    async with collecting(feed.follow_all()) as follower, engine.connect() as slow:
        await append_by_hand(slow, "a", "slow")
        await store.append_event(make_event(id="fast", session_id="b"))
        await nothing_comes(follower, 0)
        await slow.commit()
        assert names_of(await follower.until(2)) == ["slow", "fast"]


async def test_several_slow_transactions_end_in_any_order(
    engine: AsyncEngine, store: SQLSessionStore, feed: SQLEventFeed
) -> None:
    """
    The one that began first holds up all the others, until it ends.
    """
    async with (
        collecting(feed.follow_all()) as follower,
        engine.connect() as first,
        engine.connect() as second,
    ):
        await append_by_hand(first, "a", "first")
        await append_by_hand(second, "b", "second")
        await store.append_event(make_event(id="third", session_id="c"))
        await second.commit()
        await nothing_comes(follower, 0)
        await first.commit()
        assert names_of(await follower.until(3)) == ["first", "second", "third"]


async def test_a_position_that_was_rolled_back_is_not_waited_for(
    engine: AsyncEngine, store: SQLSessionStore, feed: SQLEventFeed
) -> None:
    """
    The hole that it leaves is no hole in the feed.
    """
    async with collecting(feed.follow_all()) as follower, engine.connect() as failing:
        await append_by_hand(failing, "a", "never")
        await store.append_event(make_event(id="fast", session_id="b"))
        await failing.rollback()
        assert names_of(await follower.until(1)) == ["fast"]
        await store.append_event(make_event(id="next", session_id="a"))
        assert names_of(await follower.until(2)) == ["fast", "next"]


async def test_positions_may_stand_in_another_order_than_transactions(
    engine: AsyncEngine, feed: SQLEventFeed
) -> None:
    """
    A transaction may begin to write first and insert last: nothing is skipped.
    """
    async with (
        collecting(feed.follow_all()) as follower,
        engine.connect() as early,
        engine.connect() as late,
    ):
        await early.execute(WRITE_SOMETHING)
        await append_by_hand(late, "b", "late")
        await late.commit()
        await nothing_comes(follower, 0)
        await append_by_hand(early, "a", "early")
        await early.commit()
        found = await follower.until(2)
        assert names_of(found) == ["early", "late"]
    checkpoint = found[0][1]
    assert names_of(await take(feed.follow_all(checkpoint=checkpoint), 1)) == ["late"]


async def test_who_joins_while_events_are_held_up_sees_the_same(
    engine: AsyncEngine, store: SQLSessionStore, feed: SQLEventFeed
) -> None:
    """
    Before, during and after: all followers are given one order.
    """
    async with (
        collecting(feed.follow_all()) as before,
        engine.connect() as slow,
    ):
        await store.append_event(make_event(id="zero", session_id="a"))
        await append_by_hand(slow, "b", "slow")
        await store.append_event(make_event(id="fast", session_id="c"))
        async with collecting(feed.follow_all()) as during:
            await during.until(1)
            latest = await feed.get_latest_checkpoint()
            await slow.commit()
            after = await take(feed.follow_all(), 3)
            assert await before.until(3) == await during.until(3) == after
    assert names_of(after) == ["zero", "slow", "fast"]
    assert latest == after[0][1]


async def test_a_flush_keeps_its_sessions_order(
    engine: AsyncEngine, store: SQLSessionStore, feed: SQLEventFeed
) -> None:
    """
    It writes session and run before its events, and takes the lock before either.

    Else it could get its transaction id before another that appends first.
    """
    await store.save_run(make_run(session_id="a"))
    async with engine.connect() as slow, aclosing(feed.follow_session("a")) as one:
        await append_by_hand(slow, "a", "first")
        flush = asyncio.create_task(
            store.flush(
                make_execution_result(
                    session=make_session(id="a"),
                    run=make_run(session_id="a"),
                    events=make_events(2, session_id="a", run_id="run_1"),
                )
            )
        )
        await asyncio.wait({flush}, timeout=SHORT_SECONDS)
        assert not flush.done()
        await slow.commit()
        await flush
        numbers = [(await anext(one)).sequence_number for _ in range(3)]
    found = await take(feed.follow_all(), 3)
    assert numbers == [1, 2, 3]
    assert [event.sequence_number for event, _ in found] == numbers
    async with engine.connect() as conn:
        query = sa.text(
            "SELECT transaction_id::text::bigint FROM asm_events"
            " ORDER BY sequence_number"
        )
        ids = list(await conn.scalars(query))
    assert ids == sorted(ids)
    assert len(set(ids)) == 2


async def test_without_the_lock_first_the_order_would_be_lost(
    engine: AsyncEngine, feed: SQLEventFeed
) -> None:
    """
    Who writes before it locks turns a session's order round in the feed: why none may.
    """
    async with engine.connect() as careless, engine.connect() as other:
        await careless.execute(WRITE_SOMETHING)
        await append_by_hand(other, "a", "one")
        await other.commit()
        await append_by_hand(careless, "a", "two")
        await careless.commit()
    found = await take(feed.follow_all(), 2)
    assert [event.sequence_number for event, _ in found] == [2, 1]


async def test_the_lag_names_what_holds_the_feed_up(
    engine: AsyncEngine, store: SQLSessionStore, feed: SQLEventFeed
) -> None:
    """
    A foreign transaction that has written anything does, be it in another table.
    """
    async with engine.connect() as foreign:
        pid = await foreign.scalar(sa.text("SELECT pg_backend_pid()"))
        await foreign.execute(WRITE_SOMETHING)
        await store.append_events(make_events(2, session_id="a"))
        async with asyncio.timeout(LONG_SECONDS):
            # One that is older, of whoever else uses the server, would be named first.
            lag = await feed.feed_lag()
            while f"process {pid}," not in (lag.held_by or ""):
                lag = await feed.feed_lag()
        assert lag.pending_events == lag.held_events == 2
        assert lag.held_for_seconds is not None
        await foreign.rollback()
    await take(feed.follow_all(), 2)
    lag = await feed.feed_lag()
    assert (lag.pending_events, lag.held_events, lag.held_by) == (2, 0, None)


async def test_a_transaction_that_only_reads_holds_nothing_up(
    engine: AsyncEngine, store: SQLSessionStore, feed: SQLEventFeed
) -> None:
    """
    However long it is open, and whatever moment it sees.
    """
    async with engine.connect() as reader:
        await reader.execution_options(isolation_level="REPEATABLE READ")
        await reader.execute(sa.text("SELECT count(*) FROM asm_events"))
        await store.append_events(make_events(2, session_id="a"))
        assert names_of(await take(feed.follow_all(), 2)) == ["evt_1", "evt_2"]


async def test_a_checkpoint_from_a_later_life_is_refused(feed: SQLEventFeed) -> None:
    """
    A transaction id that the server has not given out yet is of another server.
    """
    ahead = checkpoint_text((2**40, 1), "postgresql")
    with pytest.raises(InvalidCheckpointError, match="ahead"):
        await take(feed.follow_all(checkpoint=ahead), 1)


async def test_what_is_held_up_is_read_without_any_hint(
    engine: AsyncEngine, store: SQLSessionStore
) -> None:
    """
    Nobody tells when the transaction ends that an event has waited for.
    """
    feed = SQLEventFeed(engine, poll_interval=NEVER_SECONDS, listens=False)
    follower = Collecting(feed.follow_all())
    await store.append_events(make_events(1, session_id="a"))
    await follower.until(1)
    async with engine.begin() as conn:
        await conn.execute(WRITE_SOMETHING)
        await store.append_events(make_events(1, first=2, session_id="a"))
        await asyncio.wait({follower.task}, timeout=SHORT_SECONDS)
        assert len(follower.items) == 1
    assert len(await follower.until(2)) == 2
    await follower.stop()
    await feed.aclose()
