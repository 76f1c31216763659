"""
Calls that are cancelled by a scope of anyio's, again at each turn of the event loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.files.threads import in_thread
from asm_async.sql import SQLSessionStore, create_engine, migrations
from asm_async.sql.transactions.transaction import Transactions
from asm_async.testing.factories import make_event, make_session
from asm_async.testing.faults import Moment, ProxyAct, TCPProxy
from tests.fault.conftest import OpenEngine

# What takes many times as long as any caller here waits for it.
SLOW_STATEMENTS = {
    "postgresql": "SELECT pg_sleep(20)",
    "sqlite": (
        "WITH RECURSIVE numbers(n) AS"
        " (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 400000000)"
        " SELECT count(*) FROM numbers"
    ),
}

MAX_TURNS = 1_000

LONG_SECONDS = 15


class Turns:
    """
    Counts what is put into the event loop for its next turn.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        loop = asyncio.get_running_loop()
        call_soon_in_earnest = loop.call_soon

        def call_soon(*args: Any, **options: Any) -> asyncio.Handle:
            self.count += 1
            return call_soon_in_earnest(*args, **options)

        monkeypatch.setattr(loop, "call_soon", call_soon)


@pytest.fixture
async def memory_engine() -> AsyncIterator[AsyncEngine]:
    """
    Yield an engine on a database in memory, which a lost connection would take along.
    """
    engine = create_engine("sqlite+aiosqlite://")
    await migrations.upgrade(engine)
    yield engine
    await engine.dispose()


async def check_reads_end_at_once(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Cancel what reads for long, and read again.
    """
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    statement = sa.text(SLOW_STATEMENTS[engine.dialect.name])

    async def work(conn: AsyncConnection) -> object:
        return await conn.scalar(statement)

    transactions = Transactions(engine, LONG_SECONDS)
    clock = asyncio.get_running_loop().time
    for read in (transactions.read, transactions.read_snapshot):
        start, turns = clock(), Turns(monkeypatch)
        with anyio.move_on_after(0.1) as scope:
            await read(work)
        assert scope.cancelled_caught
        assert clock() - start < LONG_SECONDS / 3
        assert turns.count < MAX_TURNS

    assert [session.id for session in await store.list_sessions()] == ["ses_1"]


async def test_a_read_that_a_scope_cancels_ends_at_once(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Its statement is interrupted, or its connection given up, without spinning.
    """
    await check_reads_end_at_once(engine, monkeypatch)


async def test_a_database_in_memory_outlives_a_cancelled_read(
    memory_engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Its only connection is interrupted, not closed.
    """
    await check_reads_end_at_once(memory_engine, monkeypatch)


@pytest.mark.postgres
async def test_the_wait_for_an_outcome_needs_no_turn_of_the_loop(
    way: TCPProxy,
    engine_by_way: AsyncEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    A writer whose statement is under way hears of its outcome, and does not spin.
    """
    store = SQLSessionStore(engine_by_way)
    await store.save_session(make_session())
    held = way.arm(ProxyAct.STALL, b"evt_1", moment=Moment.BEFORE_ANSWER)

    async def release() -> None:
        await held.happened.wait()
        await asyncio.sleep(0.3)
        held.released.set()

    releasing = asyncio.create_task(release())
    turns = Turns(monkeypatch)
    with anyio.move_on_after(0.1) as scope:
        await store.append_event(make_event(id="evt_1"))
    await releasing

    assert scope.cancelled_caught
    assert turns.count < MAX_TURNS
    assert [event.id for event in await store.get_events("ses_1")] == ["evt_1"]


async def test_work_in_a_thread_is_waited_for_without_spinning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    A caller that is cancelled meanwhile goes on when the thread is done.
    """
    is_released = threading.Event()
    asyncio.get_running_loop().call_later(0.3, is_released.set)
    turns = Turns(monkeypatch)
    with anyio.move_on_after(0.05) as scope:
        await in_thread(is_released.wait)

    assert scope.cancelled_caught
    assert is_released.is_set()
    assert turns.count < MAX_TURNS


async def test_a_reader_of_few_rows_is_cancelled_as_well(
    engine: AsyncEngine, open_engine: OpenEngine
) -> None:
    """
    One whose connections are all taken stops waiting for one.
    """
    one = open_engine(
        engine.url.render_as_string(hide_password=False), pool_size=1, max_overflow=0
    )
    store = SQLSessionStore(one)
    await store.save_session(make_session())
    async with one.connect():
        with anyio.move_on_after(0.05) as scope:
            await store.get_session("ses_1")
        assert scope.cancelled_caught
    assert (await store.get_session("ses_1")).id == "ses_1"
