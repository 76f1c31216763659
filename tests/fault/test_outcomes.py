"""
What a caller that is cancelled may rely on.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import AsyncExitStack, closing

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.sql import SQLSessionStore
from asm_async.testing.factories import make_event, make_session
from asm_async.testing.faults import Moment, ProxyAct, TCPProxy, cancel_at
from tests.fault.conftest import OpenEngine

both_ways = pytest.mark.parametrize(
    ("copies", "message"), [(1, b"evt_1"), (2, b"COMMIT;")]
)
"""
Appending by one statement, which carries the event, and, where an event stands twice,
by a transaction.
"""

# SQLAlchemy's defaults: pool_size=5 and max_overflow=10.
POOL_SIZE = 15

# Far beyond what anything here takes, also on a machine that is busy otherwise, and
# below the timeout that a store has by itself.
LONG_SECONDS = 20


async def goes_on(task: asyncio.Task[object]) -> bool:
    """
    Return whether *task* is still at it, having had some time.
    """
    await asyncio.wait({task}, timeout=0.1)
    return not task.done()


@pytest.fixture
async def store(engine: AsyncEngine) -> SQLSessionStore:
    """
    Return a store with a session, on each database in turn.
    """
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    return store


@pytest.fixture
async def store_by_way(engine_by_way: AsyncEngine) -> SQLSessionStore:
    """
    Return a store with a session, on connections that can be cut.
    """
    store = SQLSessionStore(engine_by_way)
    await store.save_session(make_session())
    return store


async def test_what_has_not_begun_is_withdrawn(store: SQLSessionStore) -> None:
    """
    Cancelled while it waits for a connection, an append never happens.
    """
    async with AsyncExitStack() as stack:
        for _ in range(POOL_SIZE):
            await stack.enter_async_context(store.engine.connect())
        appending = asyncio.create_task(store.append_event(make_event()))
        assert await goes_on(appending)
        appending.cancel()
        assert not await goes_on(appending)
        assert appending.cancelled()
    await store.aclose()

    assert await SQLSessionStore(store.engine).get_events("ses_1") == []


async def test_who_waits_for_a_turn_can_withdraw(
    sqlite_url: str, open_engine: OpenEngine
) -> None:
    """
    Cancelled while another writes, an append never happens, and blocks nobody.
    """
    store = SQLSessionStore(open_engine(sqlite_url))
    await store.save_session(make_session())
    path = str(sa.make_url(sqlite_url).database)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        first = asyncio.create_task(store.append_event(make_event(id="evt_0")))
        assert await goes_on(first)
        second, third = (
            asyncio.create_task(store.append_event(make_event(id=id_)))
            for id_ in ("evt_1", "evt_2")
        )
        assert await goes_on(second)
        second.cancel()
        assert not await goes_on(second)
        assert second.cancelled()
        other.execute("COMMIT")
    await asyncio.gather(first, third)

    assert [e.id for e in await store.get_events("ses_1")] == ["evt_0", "evt_2"]


@pytest.mark.postgres
@both_ways
async def test_what_is_being_committed_is_waited_for(
    store_by_way: SQLSessionStore,
    way: TCPProxy,
    *,
    copies: int,
    message: bytes,
) -> None:
    """
    Cancelled, even twice, while COMMIT is under way, a caller hears when it is over.
    """
    held = way.arm(ProxyAct.STALL, message, moment=Moment.BEFORE_ANSWER)
    appending = asyncio.create_task(store_by_way.append_events([make_event()] * copies))
    await held.happened.wait()
    for _ in range(2):
        appending.cancel()
        assert await goes_on(appending)
    held.released.set()
    await asyncio.wait({appending})

    assert appending.cancelled()
    assert len(await store_by_way.get_events("ses_1")) == 1


@pytest.mark.postgres
@both_ways
async def test_the_wait_for_an_outcome_ends_with_timeout(
    engine_by_way: AsyncEngine,
    way: TCPProxy,
    *,
    copies: int,
    message: bytes,
) -> None:
    """
    A cancelled caller does not wait for ever, nor does whoever closes the store.
    """
    patient = SQLSessionStore(engine_by_way)
    await patient.save_session(make_session())
    store = SQLSessionStore(engine_by_way, timeout=1)
    held = way.arm(ProxyAct.STALL, message, moment=Moment.BEFORE_ANSWER)
    appending = asyncio.create_task(store.append_events([make_event()] * copies))
    await held.happened.wait()
    appending.cancel()
    async with asyncio.timeout(LONG_SECONDS):
        await asyncio.wait({appending})
    assert appending.cancelled()
    async with asyncio.timeout(LONG_SECONDS):
        await store.aclose()
    held.released.set()

    assert len(await patient.get_events("ses_1")) == 1


@pytest.mark.postgres
async def test_an_unknown_deletion_is_found_out_before_a_cancellation_goes_on(
    store_by_way: SQLSessionStore, way: TCPProxy
) -> None:
    """
    Cancelled between a lost COMMIT and its repetition, a caller waits for the latter.
    """
    lost = way.arm(ProxyAct.CUT, b"COMMIT;")
    way.is_blocked = True
    deleting = asyncio.create_task(store_by_way.delete_session("ses_1"))
    await lost.happened.wait()
    assert await goes_on(deleting)
    deleting.cancel()
    assert await goes_on(deleting)
    way.is_blocked = False
    await asyncio.wait({deleting})

    assert deleting.cancelled()
    assert await store_by_way.list_sessions() == []


@pytest.mark.postgres
@both_ways
async def test_an_unknown_commit_is_found_out_before_a_cancellation_goes_on(
    store_by_way: SQLSessionStore,
    way: TCPProxy,
    *,
    copies: int,
    message: bytes,
) -> None:
    """
    Cancelled between a lost COMMIT and its repetition, a caller waits for the latter.
    """
    lost = way.arm(ProxyAct.CUT, message)
    way.is_blocked = True
    appending = asyncio.create_task(store_by_way.append_events([make_event()] * copies))
    await lost.happened.wait()
    assert await goes_on(appending)
    appending.cancel()
    assert await goes_on(appending)
    way.is_blocked = False
    await asyncio.wait({appending})

    assert appending.cancelled()
    assert len(await store_by_way.get_events("ses_1")) == 1


@pytest.mark.parametrize("seconds", [0.05, 0.3])
async def test_a_timeout_around_a_call_strikes(
    url: str, open_engine: OpenEngine, seconds: float
) -> None:
    """
    ``asyncio.timeout`` around an append that cannot be done raises TimeoutError.
    """
    engine = open_engine(url)
    patient = SQLSessionStore(engine)
    await patient.save_session(make_session())
    store = SQLSessionStore(engine, timeout=2)
    is_sqlite = engine.dialect.name == "sqlite"
    async with engine.connect() as other:
        await other.exec_driver_sql(
            "BEGIN IMMEDIATE"
            if is_sqlite
            else "SELECT FROM asm_session_sequences FOR UPDATE"
        )
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(seconds):
                await store.append_event(make_event())
        await other.exec_driver_sql("ROLLBACK")

    assert await patient.get_events("ses_1") == []
    await patient.append_event(make_event())
    assert await patient.get_latest_sequence("ses_1") == 1


async def test_what_a_cancelled_caller_has_written_wakes_readers(
    store: SQLSessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A reader that waits is told of an event whose writer was cancelled at the end.
    """
    monkeypatch.setattr("asm_async.sql.session_store.WAIT_POLL_INTERVAL", 60)
    reading = asyncio.create_task(
        store.get_events("ses_1", wait_timeout=4 * LONG_SECONDS)
    )
    assert await goes_on(reading)
    appending = store.append_event(make_event())
    outcome = await cancel_at(1, appending, Moment.BEFORE_ANSWER)

    assert outcome.was_interrupted
    async with asyncio.timeout(LONG_SECONDS):
        assert await reading == await store.get_events("ses_1") != []
