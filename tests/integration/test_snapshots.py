"""
Reads of several statements, which see one moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import QueuePool

from asm_async.errors import StorageBusyError, StorageError
from asm_async.sql import SQLQueryAPI, SQLSessionStore, create_engine
from asm_async.sql.core import tables
from asm_async.sql.transactions.transaction import Transactions
from asm_async.testing.factories import make_session
from asm_async.testing.faults import Moment, Point
from asm_async.testing.faults.engines import watched_engine


@pytest.fixture
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    """
    Yield an engine, and prove in the end that all its connections were given back.
    """
    # An announcement may be under way when a test ends.
    engine = create_engine(url, execution_options={"asm_announces": False})
    yield engine
    assert isinstance(engine.pool, QueuePool)
    assert engine.pool.checkedout() == 0
    await engine.dispose()


async def count_sessions(conn: AsyncConnection) -> int:
    """
    Count the sessions that a connection sees.
    """
    counted = sa.select(sa.func.count()).select_from(tables.sessions)
    return int((await conn.execute(counted)).scalar_one())


async def is_in_transaction(conn: AsyncConnection) -> bool:
    """
    Ask the driver whether a transaction is open.
    """
    driver: Any = (await conn.get_raw_connection()).driver_connection
    state = getattr(driver, "is_in_transaction", None)
    return bool(state() if state else driver.in_transaction)


async def test_all_statements_see_one_moment(engine: AsyncEngine) -> None:
    """
    What another connection commits in between is seen by the next call alone.
    """
    store = SQLSessionStore(engine)
    await store.save_session(make_session(id="ses_1"))

    async def read_twice(conn: AsyncConnection) -> tuple[int, int]:
        before = await count_sessions(conn)
        await store.save_session(make_session(id="ses_2"))
        return before, await count_sessions(conn)

    transactions = Transactions(engine, 30)
    assert await transactions.read_snapshot(read_twice) == (1, 1)
    assert await transactions.read_snapshot(count_sessions) == 2


async def test_no_transaction_is_left_open(engine: AsyncEngine) -> None:
    """
    Neither after success, nor after an error, nor after a cancellation.
    """
    transactions = Transactions(engine, 30)
    connections: list[AsyncConnection] = []

    async def read(conn: AsyncConnection) -> None:
        connections.append(conn)
        await count_sessions(conn)
        assert await is_in_transaction(conn)

    async def fail(conn: AsyncConnection) -> None:
        await read(conn)
        raise LookupError

    async def wait(conn: AsyncConnection) -> None:
        await read(conn)
        reached.set()
        await count_sessions(conn)

    await transactions.read_snapshot(read)
    with pytest.raises(LookupError):
        await transactions.read_snapshot(fail)
    reached = asyncio.Event()
    task = asyncio.ensure_future(transactions.read_snapshot(wait))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await transactions.aclose()

    assert len(connections) == 3
    async with engine.connect() as conn:
        assert not await is_in_transaction(conn)
        assert await count_sessions(conn) == 0


async def test_a_read_is_tried_again_from_the_start(engine: AsyncEngine) -> None:
    """
    What failed for now is repeated in a transaction of its own.
    """
    store = SQLSessionStore(engine)
    seen: list[int] = []

    async def fail_once(conn: AsyncConnection) -> int:
        seen.append(await count_sessions(conn))
        if len(seen) == 1:
            await store.save_session(make_session())
            raise StorageBusyError("for now")
        return seen[-1]

    assert await Transactions(engine, 30).read_snapshot(fail_once) == 1
    assert seen == [0, 1]


@pytest.mark.postgres
async def test_nothing_can_be_written_in_it(migrated_postgres_url: str) -> None:
    """
    PostgreSQL refuses to write; the connection's next transaction may.
    """
    engine = create_engine(migrated_postgres_url, pool_size=1, max_overflow=0)

    async def write(conn: AsyncConnection) -> None:
        await conn.execute(sa.delete(tables.sessions))

    with pytest.raises(StorageError, match="read-only"):
        await Transactions(engine, 1).read_snapshot(write)
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    await store.aclose()
    await engine.dispose()


async def test_a_page_and_its_total_are_of_one_moment(
    engine: AsyncEngine, url: str
) -> None:
    """
    What is saved between the two statements is neither on the page nor counted.
    """
    store = SQLSessionStore(create_engine(url))
    await store.save_session(make_session(id="ses_1"))

    async def save_another(_: Point) -> None:
        await store.save_session(make_session(id="ses_2"))

    query_api = SQLQueryAPI(engine)
    with watched_engine(engine) as points:
        page_read = points.arm(
            save_another, "SELECT asm_sessions", moment=Moment.BEFORE_ANSWER
        )
        page = await query_api.search_sessions(count_total=True)
    assert len(page_read.struck) == 1
    assert (len(page.items), page.total_count) == (1, 1)
    assert (await query_api.search_sessions(count_total=True)).total_count == 2
    await store.aclose()
    await store.engine.dispose()
