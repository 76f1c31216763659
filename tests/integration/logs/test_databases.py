"""
What is logged of databases that are locked, silent, gone, read-only or refuse a row.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa

from asm_async.errors import StorageBusyError, StorageError, StorageUnavailableError
from asm_async.sql import SQLPorts, create_engine, migrations
from asm_async.testing.factories import make_session
from tests.integration.logs.planted import (
    HUSH,
    Listener,
    plant,
    planted_event,
    planted_ports,
    planted_session,
)
from tests.integration.test_read_only_servers import demote
from tests.integration.test_stuck_writers import locked
from tests.postgres_server import PostgresServer
from tests.proxies import by_way, way_to

LONG_SECONDS = 20
CALL_LOG = "sql.transactions.call_log"


@pytest.fixture
async def ports(url: str) -> AsyncIterator[SQLPorts]:
    """
    Yield ports of little patience over a database with a planted session.
    """
    async with planted_ports(url, 0.5) as ports:
        yield ports


async def test_a_timeout_that_runs_out_is_warned_of_once(
    log: Listener, url: str, ports: SQLPorts
) -> None:
    """
    However many calls fail at a lock that another process holds; retries are at DEBUG.
    """
    async with locked(url, "ses_1"):
        failed = await asyncio.gather(
            *(ports.store.append_event(planted_event(n)) for n in range(1, 6)),
            ports.maintenance.soft_delete_session("ses_1"),
            return_exceptions=True,
        )
    assert {type(each) for each in failed} == {StorageBusyError}

    log.said_once("the timeout of a call ran out: ", "WARNING", CALL_LOG)
    again = [s for s in log.said("the timeout of a call", 0) if s.level == "DEBUG"]
    assert len(again) == 5
    # PostgreSQL waits for the lock in one go.
    if url.startswith("sqlite"):
        assert log.said("is tried again", logging.DEBUG)
    assert not log.said("is tried again", logging.INFO)


@pytest.mark.postgres
async def test_a_server_that_falls_silent_is_warned_of(
    log: Listener, migrated_postgres_url: str
) -> None:
    """
    With the timeout that ran out; and that it answers again is said.
    """
    async with way_to(migrated_postgres_url) as way:
        engine = create_engine(by_way(way, migrated_postgres_url))
        ports = SQLPorts(engine, timeout=0.5)
        await plant(ports)
        way.fall_silent()
        for call in (
            ports.store.get_session("ses_1"),
            ports.store.append_event(planted_event()),
        ):
            with pytest.raises(StorageUnavailableError):
                await call
        way.speak()
        await ports.store.get_session("ses_1")
        await ports.aclose()
        await engine.dispose()

    module = "sql.transactions.connections"
    log.said_once("the database did not answer within the timeout", "WARNING", module)
    log.said_once("the timeout of a call ran out: ", "WARNING", CALL_LOG)
    log.said_once("the database is within reach again (after", "INFO", CALL_LOG)


@pytest.mark.postgres
async def test_a_server_that_was_killed_and_comes_back_is_a_reconnect(
    log: Listener,
) -> None:
    """
    Calls that are tried until it is back are at DEBUG, and the end of it at INFO.
    """
    server = PostgresServer(is_durable=True)
    try:
        await asyncio.to_thread(server.start)
        engine = create_engine(server.url)
        await migrations.upgrade(engine)
        ports = SQLPorts(engine, timeout=LONG_SECONDS)
        await plant(ports)
        await asyncio.to_thread(server.kill)
        writing = [
            asyncio.create_task(ports.store.append_event(planted_event(number)))
            for number in range(1, 10)
        ]
        reading = asyncio.create_task(ports.store.get_session("ses_1"))
        await asyncio.wait({*writing, reading}, timeout=0.5)
        await asyncio.to_thread(server.start)
        await asyncio.gather(*writing)
        await reading
        await ports.aclose()
        await engine.dispose()
        password = str(sa.make_url(server.url).password)
    finally:
        server.close()

    log.said_once("the database is within reach again (after", "INFO", CALL_LOG)
    log.said_once("the database is out of reach: ", "INFO", CALL_LOG)
    assert not log.said("the timeout of a call ran out")
    log.assert_silent_about(password)


@pytest.mark.postgres
async def test_a_primary_that_is_demoted_is_warned_of(
    log: Listener, migrated_postgres_url: str
) -> None:
    """
    Once, and writers find the other one.
    """
    engine = create_engine(migrated_postgres_url)
    ports = SQLPorts(engine, timeout=LONG_SECONDS)
    await plant(ports)
    await demote(engine)
    await ports.store.append_event(planted_event())
    await ports.aclose()
    await engine.dispose()

    module = "sql.transactions.connections"
    log.said_once("the server takes no writes any more", "WARNING", module)


@pytest.mark.postgres
async def test_a_standby_is_warned_of_once_for_all_ports(
    log: Listener, migrated_postgres_url: str
) -> None:
    """
    Each port looks by itself, and one says it.
    """
    settings = {"server_settings": {"default_transaction_read_only": "on"}}
    engine = create_engine(migrated_postgres_url, connect_args=settings)
    ports = SQLPorts(engine, timeout=0.5)
    await ports.store.list_sessions()
    await ports.query.search_sessions()
    await ports.state.list_items("scope")
    with pytest.raises(StorageUnavailableError):
        await ports.store.save_session(planted_session())
    await ports.aclose()
    await engine.dispose()

    log.said_once(
        "the server takes no writes: it is", "WARNING", "sql.runtime.lifecycle"
    )


async def test_a_group_that_is_not_as_usual_says_so_at_debug(
    log: Listener, ports: SQLPorts
) -> None:
    """
    One whose event is repeated, not one that is as usual.
    """
    await ports.store.append_event(planted_event(1))
    assert not log.said("slow path", logging.DEBUG)
    await ports.store.append_event(planted_event(1))

    log.said_once("a group of 1 took the slow path", "DEBUG", "sql.writes.writer")


async def test_a_group_with_a_row_that_is_refused_is_split_at_debug(
    log: Listener, url: str, ports: SQLPorts
) -> None:
    """
    What the database says of the row is not logged, and the other writes succeed.
    """
    refuse = (
        "CREATE TRIGGER refuse BEFORE INSERT ON asm_events"
        " WHEN NEW.id = 'evt_5' BEGIN SELECT RAISE(ABORT, 'refused'); END"
    )
    if url.startswith("postgresql"):
        refuse = "ALTER TABLE asm_events ADD CONSTRAINT no_5 CHECK (id <> 'evt_5')"
    async with ports.engine.begin() as conn:
        await conn.execute(sa.text(refuse))
    ids = [f"ses_{number}" for number in range(2, 12)]
    for id_ in ids:
        await ports.store.save_session(make_session(id=id_))
    written = await asyncio.gather(
        *(
            ports.store.append_event(planted_event(number, session_id=id_))
            for number, id_ in enumerate(ids)
        ),
        return_exceptions=True,
    )

    (refused,) = [each for each in written if each is not None]
    assert isinstance(refused, StorageError)
    if url.startswith("postgresql"):
        # What must not be logged is there: the driver's error has the row.
        assert HUSH in str(refused.__cause__)
    assert log.said("failed and is halved", logging.DEBUG)
    assert not log.said(level=logging.ERROR)
