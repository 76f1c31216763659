"""
A server all of whose processes stand still, and then go on as if nothing had been.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import StorageError
from asm_async.sql import SQLQueryAPI, SQLSessionStore, create_engine, migrations
from asm_async.testing.factories import make_event, make_session
from tests.postgres_server import PostgresServer

pytestmark = pytest.mark.postgres

TIMEOUT = 1.0

LONG_SECONDS = 20


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """
    Yield a server of the test's own, which loses nothing.
    """
    server = PostgresServer(is_durable=True)
    server.start()
    yield server
    server.close()


@pytest.fixture
async def engine(server: PostgresServer) -> AsyncIterator[AsyncEngine]:
    """
    Yield an engine on it.
    """
    engine = create_engine(server.url)
    await migrations.upgrade(engine)
    yield engine
    await engine.dispose()


async def test_a_store_works_again_when_its_server_does(
    server: PostgresServer, engine: AsyncEngine
) -> None:
    """
    Meanwhile calls end in time; what was acknowledged is there, once and in order.
    """
    store = SQLSessionStore(engine, timeout=TIMEOUT)
    query_api = SQLQueryAPI(engine, timeout=TIMEOUT)
    await store.save_session(make_session())
    acknowledged: list[str] = []
    has_begun = asyncio.Event()

    async def append() -> None:
        for number in range(1_000_000):
            id_ = f"evt_{number}"
            await store.append_event(make_event(id=id_))
            acknowledged.append(id_)
            has_begun.set()

    appending = asyncio.create_task(append())
    await has_begun.wait()
    server.freeze()
    async with asyncio.timeout(LONG_SECONDS):
        outcomes = await asyncio.gather(
            appending,
            store.get_session("ses_1"),
            query_api.search_sessions(),
            store.save_session(make_session(id="ses_2")),
            return_exceptions=True,
        )
    server.thaw()

    assert [isinstance(outcome, StorageError) for outcome in outcomes] == [True] * 4
    async with asyncio.timeout(LONG_SECONDS):
        last = await store.append_event_with_sequence(make_event(id="evt_last"))
        events = await store.get_events("ses_1")
        await store.aclose()
    assert [event.sequence_number for event in events] == [*range(1, len(events) + 1)]
    ids = [event.id for event in events]
    # The one whose outcome is unknown may be there as well.
    assert ids[: len(acknowledged)] == acknowledged
    assert last.sequence_number in {len(acknowledged) + 1, len(acknowledged) + 2}


async def name_standby(url: str, name: str) -> None:
    """
    Have each commit wait for a standby, or for none.
    """
    other: asyncpg.Connection[Any] = await asyncpg.connect(url)
    await other.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
    await other.execute("SELECT pg_reload_conf()")
    while await other.fetchval("SHOW synchronous_standby_names") != name:
        await other.execute("SELECT pg_sleep(0.01)")
    # Commits wait from when the checkpointer has heard of it, too.
    while name and not await waits_for_standby(other):
        pass
    await other.close()


async def waits_for_standby(other: asyncpg.Connection[Any]) -> bool:
    """
    Return whether a commit waits, instead of ending at once.
    """
    probe = "SELECT pg_logical_emit_message(true, 'probe', 'commit')"
    try:
        await other.execute(probe, timeout=0.5)
    except TimeoutError:
        return True
    return False


async def test_nobody_waits_for_a_standby_that_is_gone(
    server: PostgresServer, engine: AsyncEngine
) -> None:
    """
    A commit that waits for it ends in time, of unknown outcome; reads go on.
    """
    store = SQLSessionStore(engine, timeout=TIMEOUT)
    for id_ in ("ses_1", "ses_2"):
        await store.save_session(make_session(id=id_))
    await name_standby(server.url, "gone")
    try:
        async with asyncio.timeout(LONG_SECONDS):
            outcomes = await asyncio.gather(
                store.append_event(make_event(id="evt_1")),
                store.append_event(make_event(id="evt_2", session_id="ses_2")),
                store.save_session(make_session(id="ses_3")),
                return_exceptions=True,
            )
            assert (await store.get_session("ses_1")).id == "ses_1"
    finally:
        await name_standby(server.url, "")

    for outcome in outcomes:
        assert isinstance(outcome, StorageError)
        assert outcome.outcome_unknown
    async with asyncio.timeout(LONG_SECONDS):
        await store.append_event(make_event(id="evt_1"))
        events = await store.get_events("ses_1")
    assert [event.id for event in events] == ["evt_1"]
