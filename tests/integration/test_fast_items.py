"""
The usual save of state items, in one round trip or one hop, and what calls for more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeAlias

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import (
    RevisionConflictError,
    SessionDeletedError,
    SessionNotFoundError,
)
from asm_async.sql import SQLPorts, create_engine
from asm_async.sql.dialects.direct import scope_lock
from asm_async.sql.dialects.postgresql.write import session_lock_keys
from asm_async.sql.writes import slow_path, writer
from asm_async.testing.concurrency import race, run_together
from asm_async.testing.factories import make_event, make_item, make_session
from asm_async.testing.state_store.contract import keys_of
from tests.integration.lock_waiters import lock_waiters
from tests.integration.query_plans import generic_plan
from tests.integration.test_fast_path import QUIET, UNIT, counted_hops
from tests.proxies import by_way, way_to

Call: TypeAlias = Callable[[], Awaitable[object]]

_NAME = ("app/user", "theme")


@asynccontextmanager
async def ports_on(engine: AsyncEngine) -> AsyncGenerator[SQLPorts]:
    """
    Open ports with two sessions, on an engine that is disposed of in the end.
    """
    async with SQLPorts(engine) as ports:
        for session_id in ("ses_1", "ses_2"):
            await ports.store.save_session(make_session(id=session_id))
        yield ports
    await engine.dispose()


@asynccontextmanager
async def ports_by_way(url: str) -> AsyncGenerator[tuple[SQLPorts, Callable[[], int]]]:
    """
    Open such ports on PostgreSQL, with what counts their round trips.
    """
    async with way_to(url) as way:
        engine = create_engine(by_way(way, url), pool_size=1, execution_options=QUIET)
        async with ports_on(engine) as ports:
            yield ports, lambda: way.round_trips


@asynccontextmanager
async def ports_by_hops(url: str) -> AsyncGenerator[tuple[SQLPorts, Callable[[], int]]]:
    """
    Open such ports on SQLite, with what counts their hops to its thread.
    """
    engine = create_engine(url)
    hops = counted_hops(engine)
    async with ports_on(engine) as ports:
        yield ports, lambda: len(hops)


async def measured(
    calls: Mapping[str, Sequence[Call]], measure: Callable[[], int]
) -> dict[str, int]:
    """
    Return what calls cost by *measure*, those of one kind at the same time.
    """
    costs: dict[str, int] = {}
    for kind, together in calls.items():
        before = measure()
        await asyncio.gather(*(call() for call in together))
        costs[kind] = measure() - before
    return costs


def noted_looks(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """
    Note from now on what a writer has to look at first.
    """
    looks: list[object] = []
    perform = slow_path.perform

    def noted(*arguments: Any) -> Any:
        looks.append(arguments)
        return perform(*arguments)

    monkeypatch.setattr(writer, "perform", noted)
    return looks


async def costs_of(ports: SQLPorts, measure: Callable[[], int]) -> dict[str, int]:
    """
    Return what the usual calls cost, each by itself or beside others.
    """
    state, store = ports.state, ports.store
    # The driver prepares each of the statements once.
    await state.save_items([make_item()])
    await store.append_events([make_event(id="first")])
    await asyncio.gather(
        state.save_items([make_item()]), store.append_events([make_event(id="e0")])
    )
    (item,) = await state.save_items([make_item(session_id="ses_1")])

    def save(**fields: Any) -> Awaitable[object]:
        return state.save_items([make_item(**fields)])

    calls: dict[str, list[Call]] = {
        "a new item": [lambda: save(key="new")],
        "one that is there": [lambda: save(key="new", content=b"\0", data=[1])],
        "of a session": [lambda: save(key="new", session_id="ses_1")],
        "expected": [
            lambda: state.save_items(
                [item], expected_revisions={_NAME: item.revision}, operation_id="op"
            )
        ],
        "expected to be new": [
            lambda: state.save_items(
                [make_item(key="newer")], expected_revisions={("app/user", "newer"): 0}
            )
        ],
        "kept": [
            lambda: state.save_items([make_item(key="newest")], keep_existing=True)
        ],
        "many": [
            lambda: state.save_items(
                [make_item(scope=str(n % 7), key=str(n)) for n in range(100)]
            )
        ],
        "of several callers": [
            partial(save, key=str(n), session_id="ses_1") for n in range(8)
        ],
        "beside appends": [
            lambda: save(session_id="ses_1"),
            lambda: save(key="other", session_id="ses_2"),
            lambda: store.append_events([make_event(id="beside")]),
            lambda: store.append_events([make_event(id="b2", session_id="ses_2")]),
        ],
    }
    costs = await measured(calls, measure)
    assert len(await state.list_items("app/user")) == 13
    assert await store.get_latest_sequence("ses_1") == 3
    return costs


@pytest.mark.postgres
async def test_the_usual_save_is_one_round_trip(migrated_postgres_url: str) -> None:
    """
    A new item, one that is there, expected, many, and what shares it with appends.
    """
    async with ports_by_way(migrated_postgres_url) as (ports, measure):
        costs = await costs_of(ports, measure)

    assert set(costs.values()) == {1}, costs


async def test_the_usual_save_is_one_hop(migrated_sqlite_url: str) -> None:
    """
    To SQLite's thread and back.
    """
    async with ports_by_hops(migrated_sqlite_url) as (ports, measure):
        costs = await costs_of(ports, measure)

    assert set(costs.values()) == {1}, costs


async def test_what_is_unusual_goes_the_slow_way(url: str) -> None:
    """
    In one group with what is usual: each gets what it would get alone.
    """
    async with ports_on(create_engine(url)) as ports:
        state, store = ports.state, ports.store
        (old,) = await state.save_items([make_item(data="old")])
        outcomes = await race(
            [
                store.append_events([make_event()]),
                state.save_items([make_item(key="a", session_id="ses_1")]),
                state.save_items([make_item(key="b", session_id="ses_none")]),
                state.save_items([make_item(key="c")], expected_revisions={_NAME: 0}),
                state.save_items([make_item(data="new")], keep_existing=True),
                state.delete_items("app/user", keys=["none"]),
                store.save_session(make_session(id="ses_3")),
                state.save_items([make_item(key="d", session_id="ses_2")]),
            ]
        )
        kinds = [type(each) for each in outcomes if isinstance(each, Exception)]
        assert kinds == [SessionNotFoundError, RevisionConflictError]
        assert outcomes[4] == [old]
        listed = await state.list_items("app/user")

    assert keys_of(listed) == ["a", "d", "theme"]


async def test_of_one_item_the_last_in_a_group_stays(url: str) -> None:
    """
    Those who save it in one transaction get revisions of their own, in their order.
    """
    async with ports_on(create_engine(url)) as ports:
        saved = await run_together(
            ports.state.save_items([make_item(data=n)]) for n in range(8)
        )
        (item,) = await ports.state.list_items("app/user")

    assert len({each.revision for (each,) in saved}) == 8
    (last,) = max(saved, key=lambda each: each[0].revision)
    assert item == last


async def test_names_may_hold_what_separates_texts(url: str) -> None:
    """
    Scope, key, session, operation and data: none is split, alone or among others.
    """
    async with ports_on(create_engine(url)) as ports:
        await ports.store.save_session(make_session(id=UNIT))
        items = [
            make_item(key="plain"),
            make_item(scope=UNIT, key=UNIT, data=UNIT, session_id=UNIT),
            make_item(scope="a", key="b", session_id="ses_1"),
        ]
        expected = {(item.scope, item.key): 0 for item in items}
        stored = await ports.state.save_items(
            items, expected_revisions=expected, operation_id=UNIT
        )
        read = [
            item
            for scope in ("app/user", UNIT, "a")
            for item in await ports.state.list_items(scope)
        ]

    assert read == stored
    assert [item.data for item in read] == [None, UNIT, None]


@pytest.mark.postgres
async def test_a_save_that_waits_sees_what_was_done_meanwhile(
    migrated_postgres_url: str, other: asyncpg.Connection[Any]
) -> None:
    """
    It holds no transaction id, and is decided by what is there when it has the locks.
    """
    async with ports_on(create_engine(migrated_postgres_url)) as ports:
        (item,) = await ports.state.save_items([make_item(session_id="ses_1")])
        expected: dict[tuple[str, str], int] = {_NAME: item.revision}
        changes = {
            "UPDATE asm_state_items SET revision = revision + 10": (
                RevisionConflictError
            ),
            "DELETE FROM asm_state_items": RevisionConflictError,
            "UPDATE asm_session_sequences SET state = 'soft_deleted'"
            " WHERE session_id = 'ses_1'": SessionDeletedError,
        }
        for change, refusal in changes.items():
            for name in ("ses_1", scope_lock("app/user")):
                (key,) = session_lock_keys([name])
                await other.execute("SELECT pg_advisory_lock($1)", key)
                saving = asyncio.create_task(
                    ports.state.save_items([item], expected_revisions=expected)
                )
                (waiter,) = await lock_waiters(other)
                assert waiter["backend_xid"] is None
                # The server shows the beginning of the statement.
                assert "AS new (scope, key, data" in waiter["query"]
                transaction = other.transaction()
                await transaction.start()
                if name != "ses_1":
                    await other.execute(change)
                await transaction.commit()
                await other.execute("SELECT pg_advisory_unlock($1)", key)
                if name == "ses_1":
                    (item,) = await saving
                    expected = {_NAME: item.revision}
                    continue
                with pytest.raises(refusal):
                    await saving
                await other.execute("UPDATE asm_session_sequences SET state = 'live'")
                (item,) = await ports.state.save_items([item])
                expected = {_NAME: item.revision}


@pytest.mark.postgres
async def test_the_usual_save_compares_no_item_with_all(
    migrated_postgres_url: str,
) -> None:
    """
    Its plan joins by index or by hash, also where a table has no statistics yet.
    """
    engine = create_engine(
        migrated_postgres_url, pool_size=1, max_overflow=0, execution_options=QUIET
    )
    async with ports_on(engine) as ports:
        await ports.state.save_items([make_item(key=str(n)) for n in range(256)])
        async with engine.connect() as conn:
            statement = await conn.scalar(
                sa.text(
                    "SELECT statement FROM pg_prepared_statements"
                    " WHERE statement LIKE :what"
                ),
                # Not in the text, or the question would find itself.
                {"what": "%INSERT INTO asm_state_items%"},
            )
            lines = await generic_plan(conn, str(statement))

    assert [line for line in lines if "asm_state_items" in line]
    assert not [line for line in lines if "Join Filter" in line]
