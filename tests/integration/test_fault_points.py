"""
Fault points, on real connections to both databases.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from itertools import count

import aiosqlite
import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.sql import SQLSessionStore, create_engine
from asm_async.sql.transactions.connections import DriverConnections
from asm_async.testing.factories import make_event, make_session
from asm_async.testing.faults import (
    FaultPoints,
    Hold,
    Moment,
    Point,
    cut,
    failing,
    watch_asyncpg,
    watched_sqlite,
)
from asm_async.testing.faults.engines import watched_engine


@pytest.fixture
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    """
    Yield an engine on each database in turn, which has made no connection yet.
    """
    engine = create_engine(url, execution_options={"asm_announces": False})
    yield engine
    await engine.dispose()


@pytest.fixture
def points(engine: AsyncEngine) -> Iterator[FaultPoints]:
    """
    Yield the fault points of its connections.
    """
    with watched_engine(engine) as points:
        yield points


@pytest.fixture
async def store(engine: AsyncEngine, points: FaultPoints) -> SQLSessionStore:
    """
    Return a store with the session ``ses_1``.
    """
    assert points.count == 0
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    return store


async def ask(engine: AsyncEngine) -> int:
    """
    Ask the database for a number.
    """
    async with engine.connect() as conn:
        return int(await conn.scalar(sa.text("SELECT 42")) or 0)


async def test_nothing_happens_until_it_is_armed(
    store: SQLSessionStore, points: FaultPoints
) -> None:
    """
    Connections that are watched work as others do, and are counted.
    """
    before = points.count
    await store.append_event(make_event())
    assert [event.id for event in await store.get_events("ses_1")] == ["evt_1"]
    assert points.count > before


async def test_the_fast_path_and_a_transaction_are_watched(
    store: SQLSessionStore, points: FaultPoints
) -> None:
    """
    An append is hit where it goes past SQLAlchemy, and a save where it does not.
    """
    seen: list[str] = []

    async def see(point: Point) -> None:
        seen.append(point.statement)

    points.arm(see, ".*INSERT INTO asm_events", times=9)
    await store.append_event(make_event())
    assert seen
    points.arm(see, "COMMIT", times=9)
    await store.save_session(make_session(tags=["new"]))
    assert seen[-1].startswith("COMMIT")


async def test_borrowed_connections_are_watched(
    engine: AsyncEngine, store: SQLSessionStore, points: FaultPoints
) -> None:
    """
    What the driver is asked directly is a fault point, too.
    """
    dialect = store._transactions.dialect
    deadline = asyncio.get_running_loop().time() + 5
    fault = points.arm(failing(LookupError()), "SELECT 7")
    async with DriverConnections(engine, dialect).lend(deadline) as driver:
        with pytest.raises(LookupError):
            await driver.execute("SELECT 7")
    assert fault.struck == ["SELECT 7"]


async def test_before_it_is_sent_the_database_knows_nothing(
    engine: AsyncEngine, store: SQLSessionStore, points: FaultPoints
) -> None:
    """
    A statement that fails then has not been carried out.
    """
    points.arm(failing(LookupError()), "DELETE")
    with pytest.raises(LookupError):
        async with engine.begin() as conn:
            await conn.execute(sa.text("DELETE FROM asm_sessions"))
    assert len(await store.list_sessions()) == 1


async def test_before_the_answer_it_is_done(
    engine: AsyncEngine, store: SQLSessionStore, points: FaultPoints
) -> None:
    """
    A COMMIT that fails then has been carried out.
    """
    moment = Moment.BEFORE_ANSWER
    committed = points.arm(failing(LookupError()), "COMMIT", moment=moment)
    with pytest.raises(LookupError):
        await store.save_session(make_session(tags=["new"]))
    assert committed.struck
    await engine.dispose()
    assert (await store.get_session("ses_1")).tags == ("new",)


@pytest.mark.parametrize("moment", Moment)
async def test_what_is_held_goes_on_when_released(
    engine: AsyncEngine, points: FaultPoints, moment: Moment
) -> None:
    """
    A statement waits at its point, and succeeds in the end.
    """
    hold = Hold()
    points.arm(hold, "SELECT 42", moment=moment)
    asking = asyncio.create_task(ask(engine))
    await hold.happened.wait()
    assert not asking.done()
    hold.released.set()
    assert await asking == 42


@pytest.mark.parametrize("moment", Moment)
async def test_a_connection_that_is_cut_is_lost(
    engine: AsyncEngine, points: FaultPoints, moment: Moment
) -> None:
    """
    Whoever waits for an answer is told that it will not come.
    """
    fault = points.arm(cut, "SELECT 42", moment=moment)
    with pytest.raises(DBAPIError):
        await ask(engine)
    assert fault.struck
    await engine.dispose()
    assert await ask(engine) == 42


@pytest.mark.parametrize("moment", Moment)
async def test_connecting_is_a_point(
    engine: AsyncEngine, points: FaultPoints, moment: Moment
) -> None:
    """
    A connection can fail to come about, and none is left then.
    """
    points.arm(failing(ConnectionRefusedError()), "CONNECT", moment=moment)
    with pytest.raises(ConnectionRefusedError):
        await ask(engine)
    assert await ask(engine) == 42


async def test_every_exchange_can_be_hit_in_turn(
    store: SQLSessionStore, points: FaultPoints
) -> None:
    """
    By number, until there is none of that number.
    """
    before = points.count
    await store.save_session(make_session())
    exchanges = points.count - before
    hit: list[str] = []
    for number in count():
        fault = points.arm(failing(LookupError()), skip=number)
        try:
            await store.save_session(make_session())
        except LookupError:
            hit += fault.struck
        points.disarm()
        await store.engine.dispose()
        await store.get_session("ses_1")
        if not fault.struck:
            break
    assert len(hit) >= exchanges


async def test_points_are_left_alone_afterwards(engine: AsyncEngine) -> None:
    """
    What was armed does not happen after the block, nor are new connections watched.
    """
    with watched_engine(engine) as points:
        assert await ask(engine) == 42
        points.arm(failing(LookupError()))
    assert await ask(engine) == 42
    counted = points.count
    await engine.dispose()
    assert await ask(engine) == 42
    assert points.count == counted


async def test_a_connection_of_aiosqlite_alone_is_watched() -> None:
    """
    Without SQLAlchemy the class of connections is what watches.
    """
    points = FaultPoints()
    connecting = aiosqlite.connect(":memory:", factory=watched_sqlite(points))
    async with connecting as db:
        await db.execute("CREATE TABLE t (n)")
        fault = points.arm(failing(sqlite3.OperationalError("no")), "INSERT", skip=1)
        await db.execute("INSERT INTO t VALUES (1)")
        with pytest.raises(sqlite3.OperationalError, match="no"):
            await db.executemany("INSERT INTO t VALUES (?)", [(2,), (3,)])
        await db.commit()
        rows = await (await db.execute("SELECT n FROM t")).fetchall()
        await db.execute("INSERT INTO t VALUES (4)")
        rolled_back = points.arm(failing(LookupError()), "ROLLBACK")
        with pytest.raises(LookupError):
            await db.rollback()
    assert fault.struck == ["INSERT INTO t VALUES (?)"]
    assert rolled_back.struck == ["ROLLBACK"]
    assert [tuple(row) for row in rows] == [(1,)]


@pytest.mark.postgres
async def test_a_connection_of_asyncpg_alone_is_watched(
    migrated_postgres_url: str,
) -> None:
    """
    Without SQLAlchemy a connection is watched once it is made.
    """
    points = FaultPoints()
    url = sa.make_url(migrated_postgres_url).set(drivername="postgresql")
    conn = await asyncpg.connect(url.render_as_string(hide_password=False))
    watch_asyncpg(conn, points)
    fault = points.arm(failing(LookupError()), "SELECT 2", moment=Moment.AFTER_SEND)
    assert await conn.fetchval("SELECT 1") == 1
    with pytest.raises(LookupError):
        await conn.fetchval("SELECT 2")
    assert fault.struck == ["SELECT 2"]
    # Nobody could tell the answer that is still to come from the next one.
    assert conn.is_closed()
    conn.terminate()
