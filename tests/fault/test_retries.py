"""
What fails for a while succeeds; what fails for longer fails in time.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Generator
from contextlib import AsyncExitStack, closing, contextmanager
from itertools import count
from typing import Any

import attrs
import pytest
import sqlalchemy as sa

from asm_async.errors import StorageBusyError, StorageError, StorageUnavailableError
from asm_async.sql import SQLSessionStore
from asm_async.sql.dialects.postgresql.write import session_lock_keys
from asm_async.testing.concurrency import race, run_together
from asm_async.testing.factories import (
    make_event,
    make_events,
    make_execution_result,
    make_run,
    make_session,
)
from asm_async.testing.faults.engines import watched_engine
from tests.fault.acts import terminated
from tests.fault.conftest import OpenEngine

# SQLAlchemy's defaults: pool_size=5 and max_overflow=10.
_POOL_SIZE = 15

# Far beyond what anything here takes, also on a machine that is busy otherwise, and
# below the timeout that a store has by itself.
LONG_SECONDS = 20


@attrs.frozen
class Case:
    """
    A write, and what is stored when it was done once.
    """

    call: Callable[[SQLSessionStore, str], Awaitable[Any]]
    revisions: tuple[int, int]
    events: int


# Other tags make a save of a session one as well.
WRITES = {
    "append": Case(
        # An event that stands twice makes it a transaction of several statements.
        lambda store, id_: store.append_events(
            [*make_events(2, session_id=id_), *make_events(1, session_id=id_)],
            expected_sequence=0,
        ),
        (1, 1),
        2,
    ),
    "save_session": Case(
        lambda store, id_: store.save_session(make_session(id=id_, tags=["new"])),
        (2, 1),
        0,
    ),
    "flush": Case(
        lambda store, id_: store.flush(
            make_execution_result(
                session=make_session(id=id_, tags=["new"]),
                run=make_run(id=f"run_{id_}", session_id=id_),
                events=make_events(2, session_id=id_),
            )
        ),
        (2, 2),
        2,
    ),
}


@pytest.mark.postgres
@pytest.mark.parametrize("name", WRITES)
async def test_a_connection_that_dies_before_any_statement_costs_nothing(
    name: str, migrated_postgres_url: str, open_engine: OpenEngine
) -> None:
    """
    Whatever statement before COMMIT the server ends it at, the write is done once.
    """
    case, engine = WRITES[name], open_engine(migrated_postgres_url)
    store, killed = SQLSessionStore(engine), list[str]()
    with watched_engine(engine) as points:
        for number in count():
            id_ = f"ses_{number}"
            await store.save_session(make_session(id=id_))
            await store.save_run(make_run(id=f"run_{id_}", session_id=id_))
            kill = points.arm(
                terminated(migrated_postgres_url), "(?!CONNECT|COMMIT)", skip=number
            )
            await case.call(store, id_)
            points.disarm()
            killed += kill.struck
            session = await store.get_session(id_)
            run = await store.get_run(f"run_{id_}")
            events = await store.get_events(id_)

            assert (session.revision, run.revision) == case.revisions
            assert [e.sequence_number for e in events] == [*range(1, case.events + 1)]
            if not kill.struck:
                break
    assert len(killed) > 3


@contextmanager
def locked(url: str) -> Generator[sqlite3.Connection]:
    """
    Hold an SQLite file's write lock on a connection from outside.
    """
    path = str(sa.make_url(url).database)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


@pytest.mark.postgres
async def test_a_single_statement_that_dies_is_repeated(
    migrated_postgres_url: str, open_engine: OpenEngine
) -> None:
    """
    An append whose connection the server ends while it waits for a lock is done once.
    """
    store = SQLSessionStore(open_engine(migrated_postgres_url))
    await store.save_session(make_session())
    other = open_engine(migrated_postgres_url, isolation_level="AUTOCOMMIT")
    async with other.connect() as conn:
        await conn.execute(
            sa.select(sa.func.pg_advisory_lock(*session_lock_keys(["ses_1"])))
        )
        appending = asyncio.create_task(store.append_events(make_events(2)))
        for _ in range(2):
            async with asyncio.timeout(LONG_SECONDS):
                while not await conn.scalar(TERMINATE_WAITERS):
                    pass
        await conn.invalidate()
    stored = await appending

    assert [event.sequence_number for event in stored] == [1, 2]


TERMINATE_WAITERS = sa.text(
    """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
    """
)


async def test_a_locked_file_is_waited_for(
    sqlite_url: str, open_engine: OpenEngine
) -> None:
    """
    Writers that were refused try again until another process is through.
    """
    # They are refused at once, and often.
    engine = open_engine(sqlite_url, connect_args={"timeout": 0.01})
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    with locked(sqlite_url) as other:
        appending = asyncio.gather(
            *(store.append_event_with_sequence(event) for event in make_events(3))
        )
        saving = asyncio.ensure_future(store.save_session(make_session(tags=["new"])))
        deleting = asyncio.ensure_future(store.delete_session("ses_2"))
        everything = asyncio.gather(appending, saving, deleting)
        await asyncio.wait({everything}, timeout=0.3)
        assert not any(call.done() for call in (appending, saving, deleting))
        other.execute("COMMIT")
        stored, saved, _ = await everything

    assert saved.revision == 2
    assert sorted(event.sequence_number for event in stored) == [1, 2, 3]


async def test_a_file_locked_past_timeout_is_busy(
    sqlite_url: str, open_engine: OpenEngine
) -> None:
    """
    However many stores wait in turn, each hears in time that nothing was stored.
    """
    engine = open_engine(sqlite_url)
    patient = SQLSessionStore(engine)
    await patient.save_session(make_session())
    stores = [SQLSessionStore(engine, timeout=0.3) for _ in range(8)]
    with locked(sqlite_url):
        async with asyncio.timeout(LONG_SECONDS):
            errors = await race(store.append_event(make_event()) for store in stores)
        read = await patient.get_events("ses_1")

    assert [type(error) for error in errors] == [StorageBusyError] * 8
    assert all(isinstance(e, StorageError) and not e.outcome_unknown for e in errors)
    assert read == await patient.get_events("ses_1") == []


@pytest.mark.postgres
async def test_a_session_locked_past_timeout_is_busy(
    migrated_postgres_url: str, open_engine: OpenEngine
) -> None:
    """
    A writer that waits in vain for a row hears it in time.
    """
    engine = open_engine(migrated_postgres_url)
    patient = SQLSessionStore(engine)
    await patient.save_session(make_session())
    store = SQLSessionStore(engine, timeout=0.3)
    row = "SELECT FROM asm_session_sequences WHERE session_id = 'ses_1' FOR UPDATE"
    async with engine.begin() as other:
        await other.exec_driver_sql(row)
        async with asyncio.timeout(LONG_SECONDS):
            errors = await race(store.append_event(event) for event in make_events(4))

    assert [type(error) for error in errors] == [StorageBusyError] * 4
    assert await patient.get_events("ses_1") == []


@pytest.mark.postgres
async def test_a_server_out_of_reach_past_timeout_is_unavailable(
    open_engine: OpenEngine, unused_tcp_port: int
) -> None:
    """
    Where nobody listens, a call gives up in time.
    """
    url = f"postgresql://nobody@127.0.0.1:{unused_tcp_port}/none"
    store = SQLSessionStore(open_engine(url), timeout=0.3)
    for call in (store.get_events, store.delete_session):
        with pytest.raises(StorageUnavailableError) as caught:
            async with asyncio.timeout(LONG_SECONDS):
                await call("ses_1")

        assert not caught.value.outcome_unknown


@pytest.mark.postgres
async def test_a_server_that_says_nothing_is_unavailable(
    open_engine: OpenEngine,
) -> None:
    """
    Where a connection is taken and never answered, a call gives up in time.
    """
    taken: list[asyncio.StreamWriter] = []

    async def say_nothing(_: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        taken.append(back)

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    store = SQLSessionStore(
        open_engine(f"postgresql://nobody@127.0.0.1:{port}/none"), timeout=0.3
    )
    try:
        with pytest.raises(StorageUnavailableError):
            async with asyncio.timeout(LONG_SECONDS):
                await store.open()
    finally:
        server.close()
        for back in taken:
            back.transport.abort()


async def test_an_exhausted_pool_is_unavailable(
    url: str, open_engine: OpenEngine
) -> None:
    """
    A call that gets no connection gives up in time.
    """
    engine = open_engine(url)
    store = SQLSessionStore(engine, timeout=0.3)
    async with AsyncExitStack() as stack:
        for _ in range(_POOL_SIZE):
            await stack.enter_async_context(engine.connect())
        for call in (store.get_events, store.delete_session):
            with pytest.raises(StorageUnavailableError):
                async with asyncio.timeout(LONG_SECONDS):
                    await call("ses_1")

    assert await SQLSessionStore(engine).get_events("ses_1") == []


async def test_many_writers_on_one_engine_all_succeed(
    url: str, open_engine: OpenEngine
) -> None:
    """
    More of them than there are connections wait for each other, and leave no hole.
    """
    store = SQLSessionStore(open_engine(url))
    await store.save_session(make_session())

    stored = await run_together(
        store.append_event_with_sequence(event) for event in make_events(32)
    )

    assert sorted(e.sequence_number for e in stored) == list(range(1, 33))
