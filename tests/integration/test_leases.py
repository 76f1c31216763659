"""
Leases of durable consumers beside handlers' transactions, and when a feed is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import LeaseLostError, StorageBusyError, StoreClosedError
from asm_async.memory import (
    InMemoryDatabase,
    InMemoryEventFeed,
    InMemorySessionStore,
)
from asm_async.sql import SQLEventFeed, SQLSessionStore, create_engine
from asm_async.sql.core.tables import consumers
from asm_async.testing.event_feed.contract import LONG_SECONDS, Collecting, take
from asm_async.testing.factories import make_event, make_events, make_session
from asm_async.testing.session_store.contract import numbers_of

LOCK = sa.text("UPDATE asm_consumers SET name = name")
SHORT_SECONDS = 15.0
"""
Much shorter than a lease lasts.
"""


@pytest.fixture
async def store(engine: AsyncEngine) -> AsyncIterator[SQLSessionStore]:
    """
    Yield a store with session ``ses_1``.
    """
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    yield store
    await store.aclose()


@pytest.fixture
async def another(url: str) -> AsyncIterator[AsyncEngine]:
    """
    Yield a second engine on the same database, as another process has.
    """
    engine = create_engine(url)
    yield engine
    await engine.dispose()


async def test_a_consumer_acknowledges_in_the_handlers_own_transaction(
    store: SQLSessionStore, another: AsyncEngine
) -> None:
    """
    What a handler writes takes effect exactly once, however often it fails.
    """
    async with another.begin() as conn:
        await conn.execute(sa.text("CREATE TABLE notes (event VARCHAR(255))"))
    await store.append_events(make_events(6))
    feed = SQLEventFeed(another)
    note = sa.text("INSERT INTO notes VALUES (:event)")
    failures = 0
    async with (
        asyncio.timeout(LONG_SECONDS),
        aclosing(feed.consumer("notes").batches(max_size=2)) as batches,
    ):
        async for batch in batches:
            try:
                async with another.begin() as conn:
                    for event in batch.events:
                        await conn.execute(note, {"event": event.id})
                    await batch.acknowledge(conn)
                    if failures < 3:
                        failures += 1
                        raise LookupError  # noqa: TRY301 - what a handler may do
            except LookupError:
                continue
            if batch.events[-1].sequence_number == 6:
                break
    async with another.connect() as conn:
        noted = list(await conn.scalars(sa.text("SELECT event FROM notes")))
    await feed.aclose()
    assert noted == [f"evt_{number}" for number in range(1, 7)]


async def test_a_batch_of_who_was_succeeded_rolls_its_handler_back(
    engine: AsyncEngine, another: AsyncEngine, store: SQLSessionStore
) -> None:
    """
    The fencing token keeps what a late handler has written out of the database.
    """
    first, second = SQLEventFeed(engine), SQLEventFeed(another)
    async with engine.begin() as conn:
        await conn.execute(sa.text("CREATE TABLE notes (event VARCHAR(255))"))
    await store.append_events(make_events(1))
    late = first.consumer("one", lease_seconds=0.1).batches()
    batch = await anext(late)
    await take(second.consumer("one").batches(), 1)

    async def handle() -> None:
        async with engine.begin() as conn:
            await conn.execute(sa.text("INSERT INTO notes VALUES ('late')"))
            await batch.acknowledge(conn)

    with pytest.raises(LeaseLostError):
        await handle()
    await late.aclose()
    async with engine.connect() as conn:
        assert list(await conn.scalars(sa.text("SELECT event FROM notes"))) == []
    await first.aclose()
    await second.aclose()


async def test_a_lease_is_released_past_who_has_its_row_for_a_moment(
    engine: AsyncEngine, another: AsyncEngine, store: SQLSessionStore
) -> None:
    """
    Whoever looks whether it is free does not keep the others waiting until it ends.
    """
    await store.append_events(make_events(1))
    first, second = SQLEventFeed(engine), SQLEventFeed(another)
    batches = first.consumer("one").batches()
    await anext(batches)
    async with another.begin() as conn:
        await conn.execute(LOCK)
        closing = asyncio.create_task(batches.aclose())
        await asyncio.wait({closing}, timeout=0.1)
    async with asyncio.timeout(SHORT_SECONDS):
        await closing
        (batch,) = await take(second.consumer("one").batches(), 1)
    assert numbers_of(batch.events) == [1]
    for feed in (first, second):
        await feed.aclose()


async def test_a_clock_that_is_set_back_frees_a_lease(
    engine: AsyncEngine, another: AsyncEngine, store: SQLSessionStore
) -> None:
    """
    Who took it in what is the future now may be dead since long.
    """
    await store.append_events(make_events(1))
    first, second = SQLEventFeed(engine), SQLEventFeed(another)
    async with aclosing(first.consumer("one").batches()) as batches:
        await anext(batches)
        async with another.begin() as conn:
            row = (await conn.execute(sa.select(consumers))).one()
            late = {
                "leased_until": row.leased_until + timedelta(hours=1),
                "updated_at": row.updated_at + timedelta(hours=1),
            }
            await conn.execute(sa.update(consumers).values(late))
        async with asyncio.timeout(SHORT_SECONDS):
            (batch,) = await take(second.consumer("one").batches(), 1)
        assert numbers_of(batch.events) == [1]
        with pytest.raises(LeaseLostError):
            await anext(batches)
    for feed in (first, second):
        await feed.aclose()


async def test_a_clock_that_is_set_back_frees_a_lease_in_memory() -> None:
    """
    As in a database.
    """
    database = InMemoryDatabase()
    store, feed = InMemorySessionStore(database), InMemoryEventFeed(database)
    await store.save_session(make_session())
    await store.append_events(make_events(1))
    async with aclosing(feed.consumer("one").batches()) as batches:
        await anext(batches)
        row = database.consumers["one"]
        assert row.leased_until is not None
        row.leased_until += timedelta(hours=1)
        row.updated_at += timedelta(hours=1)
        async with asyncio.timeout(SHORT_SECONDS):
            (batch,) = await take(feed.consumer("one").batches(), 1)
        assert numbers_of(batch.events) == [1]
    await feed.aclose()
    await store.aclose()


async def test_nobody_connects_after_a_feed_was_closed(
    engine: AsyncEngine, another: AsyncEngine, store: SQLSessionStore
) -> None:
    """
    Its engine may be disposed of, whatever consumers come to an end later.
    """
    await store.append_events(make_events(1))
    feed, holding = SQLEventFeed(engine), SQLEventFeed(another)
    async with aclosing(holding.consumer("two").batches()) as held:
        await anext(held)
        busy = feed.consumer("one").batches()
        await anext(busy)
        waiting = Collecting(feed.consumer("two").batches())
        await asyncio.wait({waiting.task}, timeout=0.1)
        await feed.aclose()
        await store.aclose()
        await engine.dispose()
        connected: list[object] = []
        sa_event.listen(
            engine.sync_engine, "do_connect", lambda *_: connected.append(1)
        )
        await busy.aclose()
        with pytest.raises(StoreClosedError):
            await waiting.end()
    assert connected == []
    await holding.aclose()


async def test_a_batchs_transaction_waits_among_the_writers(
    engine: AsyncEngine, store: SQLSessionStore, another: AsyncEngine
) -> None:
    """
    Beside 32 who append, here and in another process, nobody meets a lock.
    """
    async with engine.begin() as conn:
        await conn.execute(sa.text("CREATE TABLE notes (event VARCHAR(255))"))
    stores, rounds = (store, SQLSessionStore(another)), 4
    total = 32 * rounds

    async def append(writer: int) -> None:
        for round_ in range(rounds):
            event = make_event(id=f"evt_{writer}_{round_}")
            await stores[writer % 2].append_event(event)

    async def handle() -> None:
        note, handled = sa.text("INSERT INTO notes VALUES (:event)"), 0
        async with aclosing(feed.consumer("notes").batches(max_size=4)) as batches:
            async for batch in batches:
                async with batch.transaction() as conn:
                    for event in batch.events:
                        await conn.execute(note, {"event": event.id})
                handled += len(batch.events)
                if handled == total:
                    return

    feed = SQLEventFeed(engine)
    async with asyncio.timeout(LONG_SECONDS):
        await asyncio.gather(handle(), *map(append, range(32)))
    async with engine.connect() as conn:
        noted = list(await conn.scalars(sa.text("SELECT event FROM notes")))
    assert sorted(noted) == sorted(
        f"evt_{writer}_{round_}" for writer in range(32) for round_ in range(rounds)
    )
    await feed.aclose()
    await stores[1].aclose()


async def test_a_batchs_transaction_is_whole_or_not_at_all(
    engine: AsyncEngine, store: SQLSessionStore
) -> None:
    """
    A handler's error is raised as it is, and one that was succeeded writes nothing.
    """
    async with engine.begin() as conn:
        await conn.execute(sa.text("CREATE TABLE notes (event VARCHAR(255) UNIQUE)"))
    await store.append_events(make_events(1))
    note = sa.text("INSERT INTO notes VALUES ('evt_1')")
    twice = sa.text("INSERT INTO notes VALUES ('evt_1'), ('evt_1')")
    feed = SQLEventFeed(engine)
    async with aclosing(feed.consumer("notes").batches()) as batches:
        batch = await anext(batches)
        with pytest.raises(IntegrityError):
            async with batch.transaction() as conn:
                await conn.execute(twice)
        async with engine.begin() as conn:
            await conn.execute(
                sa.text("UPDATE asm_consumers SET fencing_token = fencing_token + 1")
            )
        with pytest.raises(LeaseLostError):
            async with batch.transaction() as conn:
                await conn.execute(note)
        async with engine.connect() as conn:
            assert await conn.scalar(sa.text("SELECT count(*) FROM notes")) == 0
    await feed.aclose()


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_a_batchs_transaction_waits_no_longer_than_the_feeds_timeout(
    engine: AsyncEngine, store: SQLSessionStore, another: AsyncEngine
) -> None:
    """
    On SQLite another process may write for as long as it likes.
    """
    await store.append_events(make_events(1))
    feed = SQLEventFeed(engine, timeout=0.3)
    batches = feed.consumer("notes").batches()
    batch = await anext(batches)
    async with another.connect() as conn:
        await conn.exec_driver_sql("BEGIN IMMEDIATE")
        with pytest.raises(StorageBusyError):
            async with asyncio.timeout(LONG_SECONDS), batch.transaction():
                pass
        await conn.exec_driver_sql("ROLLBACK")
    async with batch.transaction():
        pass
    await batches.aclose()
    await feed.aclose()
