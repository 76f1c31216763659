"""
The usual append, in one round trip or one hop, and what calls for more.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiosqlite
import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from asm_async.errors import (
    ASMError,
    EventConflictError,
    SessionDeletedError,
    SessionNotFoundError,
    StorageBusyError,
)
from asm_async.sql import SQLSessionStore, create_engine
from asm_async.sql.dialects.postgresql.write import session_lock_keys
from asm_async.sql.dialects.sqlite.driver import jobs_of
from asm_async.testing.concurrency import run_together
from asm_async.testing.factories import make_event, make_events, make_session, numbered
from asm_async.values.event import Event
from tests.backends import SQLBackend
from tests.integration.lock_waiters import lock_waiters
from tests.integration.query_plans import generic_plan
from tests.proxies import by_way, way_to

# Announcements would come between what is counted.
QUIET = {"asm_announces": False}

# What separates the members of a column on their way to PostgreSQL.
UNIT = "a\x1fb"

AWKWARD_IDS = [
    *('"', "\\", 'a"b\\c', "\t\n", "\x7f\u2028", "é😀", "$.x", "[0]", " "),
    UNIT,
]


@asynccontextmanager
async def store_on(
    engine: AsyncEngine, *ids: str, tenant_id: str | None = None
) -> AsyncGenerator[SQLSessionStore]:
    """
    Yield a store with some sessions, on an engine that is disposed in the end.
    """
    store = SQLSessionStore(engine)
    for id_ in ids:
        await store.save_session(make_session(id=id_, tenant_id=tenant_id))
    yield store
    await store.aclose()
    await engine.dispose()


def in_turn(count: int, *session_ids: str, prefix: str = "evt") -> list[Event]:
    """
    Make events of several sessions by turns.
    """
    return [
        make_event(id=f"{prefix}-{n}", session_id=session_ids[n % len(session_ids)])
        for n in range(count)
    ]


def usual_calls(ids: list[str]) -> list[list[list[Event]]]:
    """
    Return what is appended at a time: to a session, to several, and by several callers.
    """
    return [
        [[make_event(id="second", session_id="ses_0")]],
        [in_turn(100, "ses_0", prefix="batch")],
        [in_turn(100, *ids, prefix="mixed")],
        [in_turn(2, *ids[n:], prefix=f"group-{n}") for n in range(4)],
    ]


of_a_tenant_or_none = pytest.mark.parametrize("tenant_id", [None, "tenant"])


@pytest.mark.postgres
@of_a_tenant_or_none
async def test_the_usual_append_is_one_round_trip(
    migrated_postgres_url: str, tenant_id: str | None
) -> None:
    """
    One event, a batch, several sessions in a batch, several callers in a group.
    """
    ids = [f"ses_{number}" for number in range(4)]
    async with (
        way_to(migrated_postgres_url) as way,
        store_on(
            create_engine(
                by_way(way, migrated_postgres_url),
                pool_size=1,
                execution_options=QUIET,
            ),
            *ids,
            tenant_id=tenant_id,
        ) as store,
    ):
        append = partial(store.append_events, expected_tenant=tenant_id)
        # The driver prepares each of the two statements once.
        await append([make_event(id="first", session_id="ses_0")])
        await append(in_turn(2, *ids, prefix="first"))
        costs = list[int]()
        for calls in usual_calls(ids):
            before = way.round_trips
            await asyncio.gather(*map(append, calls))
            costs.append(way.round_trips - before)
        latest = [await store.get_latest_sequence(id_) for id_ in ids]

    assert costs == [1, 1, 1, 1]
    assert sum(latest) == 212


@pytest.mark.postgres
async def test_who_waits_on_the_fast_path_holds_no_transaction_id(
    migrated_postgres_url: str, other: asyncpg.Connection[Any]
) -> None:
    """
    The locks come before the first write, also those of several sessions.
    """
    async with store_on(
        create_engine(migrated_postgres_url), "ses_1", "ses_2"
    ) as store:
        for key in session_lock_keys(["ses_1", "ses_2"]):
            await other.execute("SELECT pg_advisory_lock($1)", key)
            appending = asyncio.create_task(
                store.append_events(in_turn(4, "ses_1", "ses_2", prefix=str(key)))
            )
            found = await lock_waiters(other)
            assert [row["backend_xid"] for row in found] == [None]
            # The server shows the first 1,023 bytes alone.
            assert "UPDATE asm_session_sequences AS old" in found[0]["query"]
            await other.execute("SELECT pg_advisory_unlock($1)", key)
            await appending

        assert await store.get_latest_sequence("ses_2") == 4


@pytest.mark.postgres
async def test_the_usual_append_compares_no_session_with_all(
    migrated_postgres_url: str,
) -> None:
    """
    Its plan joins by index or by hash, also where a table has no statistics yet.
    """
    engine = create_engine(
        migrated_postgres_url, pool_size=1, max_overflow=0, execution_options=QUIET
    )
    ids = [f"ses_{number}" for number in range(256)]
    async with store_on(engine, *ids) as store:
        await store.append_events(in_turn(32, *ids))
        async with engine.connect() as conn:
            statement = await conn.scalar(
                sa.text(
                    "SELECT statement FROM pg_prepared_statements"
                    " WHERE statement LIKE :what"
                ),
                # Not in the text, or the question would find itself.
                {"what": "%INSERT INTO asm_events%"},
            )
            lines = await generic_plan(conn, str(statement))

    assert [line for line in lines if "asm_session_sequences" in line]
    assert not [line for line in lines if "Join Filter" in line]


@pytest.mark.postgres
async def test_a_session_locked_past_timeout_is_busy(
    migrated_postgres_url: str, other: asyncpg.Connection[Any]
) -> None:
    """
    Who waits for a session in vain hears in time that nothing was stored.
    """
    engine = create_engine(migrated_postgres_url, pool_size=2, max_overflow=0)
    async with store_on(engine, "ses_1"):
        store = SQLSessionStore(engine, timeout=0.3)
        (key,) = session_lock_keys(["ses_1"])
        await other.execute("SELECT pg_advisory_lock($1)", key)
        async with asyncio.timeout(20):
            with pytest.raises(StorageBusyError) as caught:
                await store.append_event(make_event())
        await other.execute("SELECT pg_advisory_unlock($1)", key)

        assert not caught.value.outcome_unknown
        # The timeout goes with its transaction, also where that is committed.
        patient = SQLSessionStore(engine)
        assert await patient.get_events("ses_1") == []
        await patient.append_event(make_event())
        async with engine.connect() as conn:
            assert await conn.scalar(sa.text("SHOW lock_timeout")) == "0"


@pytest.mark.postgres
@pytest.mark.parametrize("isolation", ["read committed", "serializable"])
async def test_the_feed_ascends_with_a_sessions_numbers(
    isolation: str, migrated_postgres_url: str, other: asyncpg.Connection[Any]
) -> None:
    """
    So it does for writers on many connections, whatever the server's isolation is.
    """
    name = sa.make_url(migrated_postgres_url).database
    await other.execute(
        f"ALTER DATABASE {name} SET default_transaction_isolation TO '{isolation}'"
    )
    ids = ["ses_0", "ses_1"]
    async with store_on(create_engine(migrated_postgres_url), *ids) as first:
        engines = [
            create_engine(migrated_postgres_url, execution_options=QUIET)
            for _ in range(3)
        ]
        stores = [first, *map(SQLSessionStore, engines)]
        await run_together(
            stores[number % 4].append_events(in_turn(4, *ids, prefix=str(number)))
            for number in range(24)
        )
        for engine in engines:
            await engine.dispose()
    found = await other.fetch(
        "SELECT session_id, sequence_number, transaction_id::text::bigint"
        " AS transaction FROM asm_events ORDER BY position"
    )

    for id_ in ids:
        rows = [row for row in found if row["session_id"] == id_]
        assert [row["sequence_number"] for row in rows] == list(range(1, 49))
        transactions = [row["transaction"] for row in rows]
        assert transactions == sorted(transactions)


def counted_hops(engine: AsyncEngine) -> list[object]:
    """
    Note the calls that go to the threads of an SQLite engine's connections.
    """
    hops: list[object] = []

    @sa_event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, _: object) -> None:
        jobs: Any = jobs_of(connection.driver_connection)
        put = jobs._queue.put_nowait

        class Counted:
            """
            The thread's queue, which notes what is put in.
            """

            def put_nowait(self, job: object) -> None:
                hops.append(job)
                put(job)

        jobs._queue = Counted()

    return hops


@of_a_tenant_or_none
async def test_the_usual_append_is_one_hop(
    migrated_sqlite_url: str, tenant_id: str | None
) -> None:
    """
    To SQLite's thread and back: one event, a batch, several sessions, several callers.
    """
    engine = create_engine(migrated_sqlite_url)
    hops = counted_hops(engine)
    ids = [f"ses_{number}" for number in range(4)]
    async with store_on(engine, *ids, tenant_id=tenant_id) as store:
        append = partial(store.append_events, expected_tenant=tenant_id)
        costs = list[int]()
        for calls in usual_calls(ids):
            hops.clear()
            await asyncio.gather(*map(append, calls))
            costs.append(len(hops))
        latest = [await store.get_latest_sequence(id_) for id_ in ids]

    assert costs == [1, 1, 1, 1]
    assert sum(latest) == 209


class Veiled:
    """
    A connection of aiosqlite's without what the one hop needs of it.
    """

    def __init__(self, connection: aiosqlite.Connection) -> None:
        object.__setattr__(self, "veiled", connection)

    def __getattr__(self, name: str) -> Any:
        if name in {"_execute", "_conn", "_thread"}:
            raise AttributeError(name)
        return getattr(object.__getattribute__(self, "veiled"), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(object.__getattribute__(self, "veiled"), name, value)


async def outcomes_on(engine: AsyncEngine) -> list[object]:
    """
    Do what is usual and what is not, and tell what came of it.
    """
    mixed = in_turn(6, "ses_1", "ses_2", prefix="mixed")
    outcomes: list[object] = []
    async with store_on(engine, "ses_1", "ses_2") as store:
        for events in (
            [make_event()],
            mixed,
            [make_event()],
            [*mixed[:2], make_event(id="evt_new")],
            [make_event(id="evt_2"), make_event(id="evt_2")],
            [make_event(data={"content": "another"})],
            [make_event(id="evt_3"), make_event(session_id="ses_none")],
            [make_event(id="evt_4", data={"text": "NUL \0, \ud800", "n": 10**300})],
        ):
            try:
                outcomes.append(await store.append_events(events))
            except ASMError as error:
                outcomes.append((type(error), error.args))
        outcomes += [await store.get_events(id_) for id_ in ("ses_1", "ses_2", "none")]
    return outcomes


async def test_without_the_drivers_protected_interface_all_is_the_same(
    migrated_sqlite_url: str, tmp_path: Path
) -> None:
    """
    An engine whose connections hide it goes the careful way, with the same outcomes.
    """
    copy = tmp_path / "copy.sqlite3"
    shutil.copy(str(sa.make_url(migrated_sqlite_url).database), copy)
    met: list[bool] = []

    async def connect(database: str, **options: Any) -> Veiled:
        connection = Veiled(await aiosqlite.connect(database, **options))
        met.append(not hasattr(connection, "_execute"))
        return connection

    veiled = create_async_engine(
        f"sqlite+aiosqlite:///{copy}", connect_args={"async_creator_fn": connect}
    )
    expected = await outcomes_on(create_engine(migrated_sqlite_url))

    assert await outcomes_on(veiled) == expected
    assert met
    assert all(met)


async def test_what_is_unusual_goes_the_careful_way(url: str) -> None:
    """
    Duplicates, conflicts and sessions that are not there get what they always get.
    """
    async with SQLBackend(url) as backend:
        store = await backend.open_store()
        await store.save_session(make_session())
        await store.save_session(make_session(id="ses_2"))
        await backend.soft_delete("ses_2")
        stored = await store.append_events(make_events(3))
        again = await store.append_events(make_events(4))
        twice = await store.append_events([make_event(id="evt_5")] * 2)
        with pytest.raises(EventConflictError):
            await store.append_events([make_event(id="evt_6"), make_event(data={})])
        for session_id, refusal in (
            ("ses_2", SessionDeletedError),
            ("ses_3", SessionNotFoundError),
        ):
            with pytest.raises(refusal):
                await store.append_events(
                    [make_event(id="evt_6"), make_event(session_id=session_id)]
                )

        assert stored == numbered(make_events(3))
        assert again == numbered(make_events(4))
        assert [event.sequence_number for event in twice] == [5, 5]
        assert await store.get_events("ses_1") == numbered(make_events(5))
        assert await store.get_latest_sequence("ses_1") == 5
        await store.aclose()


async def test_ids_of_any_kind_are_counted_apart(url: str) -> None:
    """
    Quotes, backslashes and what looks like a path stay what they are.
    """
    async with store_on(create_engine(url), *AWKWARD_IDS) as store:
        stored = await store.append_events(in_turn(2 * len(AWKWARD_IDS), *AWKWARD_IDS))
        read = [await store.get_events(id_) for id_ in AWKWARD_IDS]

    assert [event.sequence_number for event in stored] == [1] * 10 + [2] * 10
    assert [[e.sequence_number for e in events] for events in read] == [[1, 2]] * 10


@pytest.mark.parametrize(
    "field", ["id", "type", "run_id", "provider", "correlation_id", "data"]
)
async def test_every_text_may_hold_what_separates_texts(field: str, url: str) -> None:
    """
    Alone, or among others that are as usual, in whatever field it stands.
    """
    value = {"content": UNIT} if field == "data" else f"my.{UNIT}"
    events = [make_event(id="evt_1"), make_event(**{"id": "evt_2", field: value})]
    alone = make_event(
        **{"id": "evt_3", field: f"{value}.3" if field == "id" else value}
    )
    async with store_on(create_engine(url), "ses_1") as store:
        stored = [*await store.append_events(events)]
        stored += await store.append_events([alone])

        assert stored == numbered([*events, alone])
        assert await store.get_events("ses_1") == stored
