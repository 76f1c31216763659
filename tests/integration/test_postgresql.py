"""
What only PostgreSQL can show: its locks, its deadlocks and its own errors.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from itertools import count
from typing import Any, Literal

import asyncpg
import attrs
import pytest
import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import (
    ConflictError,
    MigrationRequiredError,
    SessionNotFoundError,
    StorageBusyError,
    StorageError,
    StorageUnavailableError,
)
from asm_async.sql import SQLQueryAPI, SQLSessionStore, create_engine
from asm_async.sql.dialects.postgresql.dialect import PostgreSQL
from asm_async.sql.dialects.postgresql.write import session_lock_keys
from asm_async.testing.concurrency import race, run_together
from asm_async.testing.factories import (
    make_event,
    make_events,
    make_execution_result,
    make_run,
    make_session,
)
from asm_async.values.run import Run
from tests.fault.feed_order import check_feed
from tests.integration.lock_waiters import lock_waiters

pytestmark = pytest.mark.postgres

TIMEOUT = 0.3


@pytest.fixture
async def engine(migrated_postgres_url: str) -> AsyncIterator[AsyncEngine]:
    """
    Yield an engine on a database that has our tables.

    Nothing is announced on it, since no test here closes its store.
    """
    quiet = {"asm_announces": False}
    engine = create_engine(migrated_postgres_url, execution_options=quiet)
    yield engine
    await engine.dispose()


def with_settings(url: str, **settings: str) -> AsyncEngine:
    """
    Make an engine whose connections have some settings of the server's.
    """
    return create_engine(url, connect_args={"server_settings": settings})


async def test_who_waits_for_a_session_holds_no_transaction_id(
    engine: AsyncEngine, other: asyncpg.Connection[Any]
) -> None:
    """
    A waiting writer costs the server little, and does not upset the feed's order.
    """
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    (key,) = session_lock_keys(["ses_1"])
    await other.execute("SELECT pg_advisory_lock($1)", key)
    for call in (
        store.append_event(make_event(id="evt_single")),
        store.save_session(make_session()),
        store.save_run(make_run()),
        store.flush(make_execution_result()),
        store.delete_session("ses_1"),
    ):
        writing = asyncio.ensure_future(call)
        waiters = await lock_waiters(other)
        assert [waiter["backend_xid"] for waiter in waiters] == [None]
        await other.execute("SELECT pg_advisory_unlock($1)", key)
        await writing
        await other.execute("SELECT pg_advisory_lock($1)", key)


async def count_deadlocks(other: asyncpg.Connection[Any]) -> int:
    """
    Read how many deadlocks the server has broken, once all other backends have ended.
    """
    backends = """
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
    """
    deadlocks = """
        SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()
    """
    async with asyncio.timeout(10):
        while await other.fetchval(backends):
            pass
    return int(await other.fetchval(deadlocks))


async def write_at_random(store: SQLSessionStore, name: str, ends_at: float) -> None:
    """
    Do one write after the other to four sessions, in any order, until it is time.
    """
    for number in count():
        if asyncio.get_running_loop().time() > ends_at:
            return
        ids = random.sample([f"ses_{n}" for n in range(4)], k=4)
        session = make_session(id=ids[0])
        events = [make_event(id=f"{name}-{number}", session_id=id_) for id_ in ids]
        # Two runs that belong to whichever session comes first.
        run = make_run(id=f"run_{number % 2}", session_id=ids[0])
        result = make_execution_result(session=session, run=run, events=events[:1])
        with suppress(SessionNotFoundError, ConflictError):
            match random.randrange(8):
                case 0:
                    await store.delete_session(session.id)
                case 1:
                    await store.save_run(run)
                case 2 | 3:
                    await store.flush(result)
                case _:
                    await store.save_session(session)
                    await store.append_events(events)


async def test_writers_in_opposite_order_never_deadlock(
    engine: AsyncEngine, other: asyncpg.Connection[Any]
) -> None:
    """
    Sixteen writers of batches, flushes, saves and deletions wait, but not in a circle.

    And however they interleave, the feed gives each session's events in their order.
    """
    # What one store is asked for at once it does in one transaction.
    stores = [SQLSessionStore(engine) for _ in range(8)]
    ends_at = asyncio.get_running_loop().time() + 3
    async with asyncio.TaskGroup() as group:
        for number, store in enumerate(stores * 2):
            group.create_task(write_at_random(store, f"writer-{number}", ends_at))
    await check_feed(engine)
    await engine.dispose()

    assert await count_deadlocks(other) == 0
    async with engine.connect() as conn:
        assert await conn.scalar(sa.text("SELECT count(*) FROM asm_events")) > 0


async def test_numbers_do_not_rest_on_advisory_locks(
    migrated_postgres_url: str, other: asyncpg.Connection[Any]
) -> None:
    """
    On a server whose advisory locks do nothing, writers wait for the counter row.
    """
    await other.execute("CREATE SCHEMA lax")
    await other.execute(
        "CREATE FUNCTION lax.pg_advisory_xact_lock(bigint) RETURNS void"
        " LANGUAGE plpgsql AS 'BEGIN END'"
    )
    path = "public, lax, pg_catalog"
    engine = with_settings(migrated_postgres_url, search_path=path)
    refused: list[str] = []

    @sa_event.listens_for(engine.sync_engine, "handle_error")
    def on_error(context: sa.ExceptionContext) -> None:
        refused.append(str(context.original_exception))

    stores = [SQLSessionStore(engine) for _ in range(8)]
    await stores[0].save_session(make_session())
    known = await stores[0].append_event_with_sequence(make_event(id="evt_known"))
    # With one that is stored already, an append reads the counter before it counts.
    batches = [
        [attrs.evolve(known, sequence_number=0), event] if number % 2 else [event]
        for number, event in enumerate(make_events(80))
    ]
    stored = await run_together(
        stores[number % 8].append_events(batch) for number, batch in enumerate(batches)
    )
    await engine.dispose()

    assert refused == []
    numbers = sorted(events[-1].sequence_number for events in stored)
    assert numbers == list(range(2, 82))


async def test_a_run_id_goes_to_one_of_many_sessions(engine: AsyncEngine) -> None:
    """
    Run ids are global: of sessions that save one at the same moment a single one wins.
    """
    stores = {f"ses_{number}": SQLSessionStore(engine) for number in range(8)}
    for session_id, store in stores.items():
        await store.save_session(make_session(id=session_id))
    outcomes = await race(
        store.save_run(make_run(session_id=session_id))
        for session_id, store in stores.items()
    )

    (won,) = [outcome for outcome in outcomes if isinstance(outcome, Run)]
    lost = [type(outcome) for outcome in outcomes if outcome is not won]
    assert lost == [ConflictError] * 7
    assert await stores["ses_1"].get_run("run_1") == won


async def test_a_deadlock_with_somebody_else_is_survived(
    migrated_postgres_url: str, other: asyncpg.Connection[Any]
) -> None:
    """
    An append that the server sacrifices is tried again and stored once.
    """
    engine = with_settings(migrated_postgres_url, deadlock_timeout="20ms")
    store = SQLSessionStore(engine)
    ids = ["ses_1", "ses_2"]
    for session_id in ids:
        await store.save_session(make_session(id=session_id))
    row = "SELECT FROM asm_session_sequences WHERE session_id = $1 FOR UPDATE"
    await other.execute("SET deadlock_timeout = '10s'")
    async with other.transaction():
        await other.execute(row, "ses_2")
        appending = asyncio.create_task(
            store.append_events([make_event(session_id=id_) for id_ in ids])
        )
        await lock_waiters(other)
        await other.execute(row, "ses_1")
    stored = await appending
    await engine.dispose()

    assert [event.sequence_number for event in stored] == [1, 1]
    # A second try can be quicker to the row than the one who was waiting for it.
    assert await count_deadlocks(other) >= 1


async def test_a_statement_timeout_is_a_busy_database(
    migrated_postgres_url: str, other: asyncpg.Connection[Any]
) -> None:
    """
    What the server cuts short may succeed later, but is not tried until the timeout.
    """
    # Long enough for all else, also on a slow machine.
    engine = with_settings(migrated_postgres_url, statement_timeout="500ms")
    store = SQLSessionStore(engine, timeout=60)
    await store.save_session(make_session())
    async with other.transaction():
        await other.execute("SELECT FROM asm_session_sequences FOR UPDATE")
        async with asyncio.timeout(30):
            with pytest.raises(StorageBusyError, match="statement_timeout"):
                await store.append_event(make_event())
    await store.append_event(make_event())
    await engine.dispose()


async def test_what_takes_too_long_for_the_server_is_soon_given_up(
    migrated_postgres_url: str, other: asyncpg.Connection[Any]
) -> None:
    """
    A statement that the server cuts short each time is not repeated until the timeout.
    """
    engine = with_settings(migrated_postgres_url, statement_timeout="500ms")
    query = SQLQueryAPI(engine, timeout=60)
    async with other.transaction():
        await other.execute("LOCK TABLE asm_sessions IN ACCESS EXCLUSIVE MODE")
        async with asyncio.timeout(20):
            with pytest.raises(StorageBusyError, match="statement_timeout") as caught:
                await query.search_sessions()
    await engine.dispose()

    assert not caught.value.outcome_unknown


async def test_a_read_only_server_is_unavailable_to_writers(
    migrated_postgres_url: str,
) -> None:
    """
    A standby may be promoted any moment; until then it can be read.
    """
    engine = with_settings(migrated_postgres_url, default_transaction_read_only="on")
    store = SQLSessionStore(engine, timeout=TIMEOUT)
    with pytest.raises(StorageUnavailableError, match="read-only"):
        await store.save_session(make_session())

    assert await store.list_sessions() == []
    await engine.dispose()


async def test_a_missing_table_asks_for_a_migration(
    engine: AsyncEngine, other: asyncpg.Connection[Any]
) -> None:
    """
    A table that goes while the store is open is reported as what it is.
    """
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    await other.execute("DROP TABLE asm_events")
    with pytest.raises(MigrationRequiredError, match="asm_events"):
        await store.append_event(make_event())


@pytest.mark.parametrize("wrong", ["password", "database"])
async def test_what_no_waiting_can_cure_fails_at_once(
    migrated_postgres_url: str, wrong: Literal["password", "database"]
) -> None:
    """
    A wrong password and a missing database are told before the timeout runs out.
    """
    url = sa.make_url(migrated_postgres_url)
    if wrong == "password":
        url = url.set(password="hush-hush")  # noqa: S106 - it opens nothing
    else:
        url = url.set(database="nowhere")
    engine = create_engine(url)
    store = SQLSessionStore(engine)
    async with asyncio.timeout(20):
        with pytest.raises(StorageError) as caught:
            await store.open()
    await engine.dispose()

    assert type(caught.value) is StorageError
    assert not caught.value.retryable
    assert "hush-hush" not in str(caught.value)


async def test_an_error_tells_nothing_of_what_was_to_be_stored(
    engine: AsyncEngine, other: asyncpg.Connection[Any]
) -> None:
    """
    PostgreSQL names the row that it refuses in full; the message does not.
    """
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    await other.execute(
        "ALTER TABLE asm_events ADD CONSTRAINT no_words CHECK (type = 'silence')"
    )
    with pytest.raises(StorageError) as caught:
        await store.append_event(make_event(data={"content": "between you and me"}))

    assert "no_words" in str(caught.value)
    assert "you and me" not in str(caught.value)
    assert "INSERT" not in str(caught.value)


async def test_a_commit_that_is_refused_was_not_made(
    engine: AsyncEngine, other: asyncpg.Connection[Any]
) -> None:
    """
    The server's word at COMMIT is the outcome; even a plain save may be tried again.
    """
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    await other.execute(REFUSE_TWO_COMMITS)

    assert (await store.save_session(make_session(tags=["new"]))).revision == 2
    assert await other.fetchval("SELECT last_value FROM commits") == 3
    await other.execute("DROP SEQUENCE commits")
    with pytest.raises(StorageError) as caught:
        await store.save_session(make_session())
    assert not caught.value.outcome_unknown
    assert (await store.get_session("ses_1")).revision == 2


# A sequence goes on although its transaction is rolled back.
REFUSE_TWO_COMMITS = """
CREATE SEQUENCE commits;

CREATE FUNCTION refuse_two() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('commits') < 3 THEN
        RAISE EXCEPTION 'not yet' USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER at_commit AFTER UPDATE ON asm_sessions
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse_two();
"""


async def test_a_terminated_connection_is_lost(other: asyncpg.Connection[Any]) -> None:
    """
    So is one that is in a transaction; who asks of either is given an answer.
    """
    dialect = PostgreSQL()
    assert not dialect.direct.is_lost(other)
    await other.execute("BEGIN")
    assert dialect.direct.is_lost(other)
    await other.execute("ROLLBACK")
    assert not dialect.direct.is_lost(other)
    other.terminate()
    assert dialect.direct.is_lost(other)
