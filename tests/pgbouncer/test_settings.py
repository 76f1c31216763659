"""
The one setting that a user needs behind PgBouncer, and what is said without it.
"""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa

from asm_async import open_store
from asm_async.errors import StorageError, StorageUnavailableError
from asm_async.sql import SQLSessionStore, create_engine, migrations
from asm_async.testing.factories import make_event, make_session
from tests.pgbouncer.pgbouncer_server import PgBouncer

_NEVER_SECONDS = 60
_CLIENTS = 12
_ADVICE = r"give the URL \?statement_cache_size=0"


async def test_without_it_the_error_says_what_to_give(plain_url: sa.URL) -> None:
    """
    A statement that another server's connection has not prepared is told of clearly.
    """

    async def read_again_and_again() -> None:
        async with open_store(plain_url) as store, asyncio.timeout(_NEVER_SECONDS):
            while True:
                calls = (store.get_latest_sequence(f"ses_{n}") for n in range(8))
                await asyncio.gather(*calls)

    with pytest.raises(StorageError, match=_ADVICE):
        await read_again_and_again()


@pytest.mark.parametrize("way", ["url", "connect_args"])
async def test_it_can_be_given_in_two_ways(plain_url: sa.URL, way: str) -> None:
    """
    In the URL, as text, or among the driver's arguments.
    """
    if way == "url":
        url = plain_url.update_query_dict({"statement_cache_size": "0"})
        engine = create_engine(url)
    else:
        engine = create_engine(plain_url, connect_args={"statement_cache_size": 0})
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    for _ in range(20):
        # Whoever holds one of the two connections turns the others to the other one.
        async with engine.connect() as conn:
            await conn.execute(sa.text("SELECT 1"))
            await asyncio.gather(*(store.get_session("ses_1") for _ in range(4)))
    await store.aclose()
    await engine.dispose()


async def test_many_clients_share_two_connections(
    pooled_url: str, migrated_postgres_url: str
) -> None:
    """
    The numbers have no hole, nothing is left prepared, and none stays locked.
    """
    engines = [create_engine(pooled_url) for _ in range(_CLIENTS)]
    stores = [SQLSessionStore(engine) for engine in engines]
    await stores[0].save_session(make_session())

    async def append_all(number: int, store: SQLSessionStore) -> None:
        for place in range(5):
            await store.append_event(make_event(id=f"evt_{number}_{place}"))

    async with asyncio.timeout(_NEVER_SECONDS), asyncio.TaskGroup() as tasks:
        for number, store in enumerate(stores):
            tasks.create_task(append_all(number, store))

    events = await stores[0].get_events("ses_1")
    assert [event.sequence_number for event in events] == list(
        range(1, 5 * _CLIENTS + 1)
    )
    async with engines[0].connect() as conn:
        for _ in range(4):
            assert (
                await conn.scalar(sa.text("SELECT count(*) FROM pg_locks")) is not None
            )
            left = sa.text(
                "SELECT count(*) FROM pg_prepared_statements WHERE name > ''"
            )
            assert await conn.scalar(left) == 0
            await conn.rollback()
    direct = create_engine(migrated_postgres_url)
    async with direct.connect() as conn:
        servers = sa.text(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert await conn.scalar(servers) <= 2
        locks = sa.text(
            "SELECT count(*) FROM pg_locks JOIN pg_database ON oid = database"
            " WHERE locktype = 'advisory' AND datname = current_database()"
        )
        assert await conn.scalar(locks) == 0
    await direct.dispose()
    for store, engine in zip(stores, engines, strict=True):
        await store.aclose()
        await engine.dispose()


async def test_a_database_can_be_migrated_through_it(
    pgbouncer: PgBouncer, postgres_url: str
) -> None:
    """
    Up and down again; two at once wait for each other.
    """
    url = pgbouncer.url(postgres_url).update_query_dict({"statement_cache_size": "0"})
    engines = [create_engine(url) for _ in range(2)]

    await asyncio.gather(*map(migrations.upgrade, engines))
    assert await migrations.current(engines[0]) == "0001"
    await migrations.downgrade(engines[1], "base")
    assert await migrations.current(engines[0]) is None
    for engine in engines:
        await engine.dispose()


async def test_a_setting_that_it_does_not_take_is_named_at_once(
    pooled_url: str,
) -> None:
    """
    PgBouncer refuses to connect; to try again would not help.
    """
    engine = create_engine(
        pooled_url, connect_args={"server_settings": {"search_path": "public"}}
    )
    store = SQLSessionStore(engine, timeout=_NEVER_SECONDS)

    async with asyncio.timeout(_NEVER_SECONDS / 2):
        with pytest.raises(StorageError, match="search_path") as caught:
            await store.get_latest_sequence("ses_1")
    assert not isinstance(caught.value, StorageUnavailableError)
    await store.aclose()
    await engine.dispose()
