"""
The coarse time in the counter row: what moves it, and what it costs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.sql import SQLQueryAPI, SQLSessionStore, create_engine, migrations
from asm_async.sql.core import rows, tables
from asm_async.sql.core.activity import SLACK, latest_coarse
from asm_async.sql.core.column_types import microseconds
from asm_async.testing.factories import (
    NOON,
    make_event,
    make_execution_result,
    make_run,
    make_session,
)
from tests.integration.query_plans import (
    analyse,
    insert_rows,
    is_scan,
    statements_of,
    steps_of,
)

GATES = tables.session_sequences
SESSIONS = 3_000
BY_ACTIVITY = "ix_asm_session_sequences_active_until"

# What narrows the order, and the index by which a page is found.
FOUND_BY: list[tuple[dict[str, Any], str]] = [
    ({}, BY_ACTIVITY),
    # PostgreSQL may read all sessions, which are few here, to tell who is this agent's.
    ({"agent_id": "a1"}, f"{BY_ACTIVITY}|Seq Scan asm_sessions"),
    ({"tenant_id": "t7"}, "ix_asm_session_sequences_tenant_id"),
    ({"tenant_id": "t7", "status": "pending"}, "ix_asm_session_sequences_tenant_id"),
    ({"user_id": "u7"}, "ix_asm_sessions_user_id"),
    ({"user_id": "u7", "tenant_id": "t7"}, "ix_asm_sessions_user_id"),
    ({"parent_session_id": "ses_7"}, "ix_asm_sessions_parent_session_id"),
    ({"tags": ["tag_7"]}, "ix_asm_session_tags_tag"),
]


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """
    Return an empty database of each kind in turn.
    """
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite+aiosqlite:///{tmp_path / 'sessions'}"


@pytest.fixture
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    """
    Return an engine on a database with our tables.
    """
    engine = create_engine(url)
    await migrations.upgrade(engine)
    yield engine
    await engine.dispose()


@pytest.fixture
async def store(engine: AsyncEngine) -> AsyncIterator[SQLSessionStore]:
    """
    Return a store with a session.
    """
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    yield store
    await store.aclose()


async def times_of(engine: AsyncEngine, session_id: str = "ses_1") -> tuple[Any, Any]:
    """
    Return the exact and the coarse time of a session.
    """
    query = sa.select(GATES.c.updated_at, GATES.c.active_until)
    async with engine.connect() as conn:
        row = (await conn.execute(query.where(GATES.c.session_id == session_id))).one()
        return row.updated_at, row.active_until


async def let_pass(engine: AsyncEngine, *, by: timedelta) -> None:
    """
    Have all that was written have been written so much earlier.
    """
    exact, coarse = await times_of(engine)
    change = sa.update(GATES).values(updated_at=exact - by, active_until=coarse - by)
    async with engine.begin() as conn:
        await conn.execute(change)


async def append(store: SQLSessionStore, prefix: str, way: str) -> None:
    """
    Write an event in one of the ways that there are.
    """
    event = make_event(id=f"evt_{prefix}_{way}")
    if way == "one":
        await store.append_event(event)
    elif way == "many":
        more = [make_event(id=f"evt_{prefix}_{number}") for number in range(3)]
        await store.append_events(more)
    elif way == "sessions":
        # More than are found one by one.
        for number in range(2, 7):
            await store.save_session(make_session(id=f"ses_{number}"))
        await store.append_events(
            [
                make_event(id=f"evt_{prefix}_{number}", session_id=f"ses_{number}")
                for number in range(1, 7)
            ]
        )
    elif way == "twice":
        await store.append_events([event, event])
    elif way == "run":
        await store.save_run(make_run(id=f"run_{prefix}"))
    else:
        await store.flush(make_execution_result(run=None, events=[event]))


@pytest.mark.parametrize("way", ["one", "many", "sessions", "twice", "run", "flush"])
async def test_the_coarse_time_moves_once_a_minute(
    engine: AsyncEngine, store: SQLSessionStore, way: str
) -> None:
    """
    It stays within a minute after the exact one, whichever way leads to an event.
    """
    exact, coarse = await times_of(engine)
    assert coarse == exact + SLACK

    await append(store, "soon", way)
    later, same = await times_of(engine)
    assert exact < later < same == coarse

    await let_pass(engine, by=2 * SLACK)
    await append(store, "late", way)
    latest, moved = await times_of(engine)
    assert later < latest
    assert moved == latest + SLACK

    await let_pass(engine, by=-2 * SLACK)
    await append(store, "back", way)
    exact, coarse = await times_of(engine)
    assert coarse == exact + SLACK < moved + 2 * SLACK


async def test_what_is_removed_has_no_coarse_time(
    engine: AsyncEngine, store: SQLSessionStore
) -> None:
    """
    So that tombstones are not gone through, however many there are.
    """
    await store.delete_session("ses_1")
    _, coarse = await times_of(engine)
    assert coarse is None
    await store.save_session(make_session())
    exact, coarse = await times_of(engine)
    assert coarse == exact + SLACK


@pytest.mark.postgres
async def test_appends_stay_on_their_page(
    migrated_postgres_url: str,
) -> None:
    """
    Of a thousand updates of a counter row at most one writes to an index.
    """
    engine = create_engine(migrated_postgres_url, pool_size=1, max_overflow=0)
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    for number in range(1_000):
        await store.append_event(make_event(id=f"evt_{number}"))
    async with engine.connect() as conn:
        await conn.execute(sa.select(sa.func.pg_stat_force_next_flush()))
        await conn.rollback()
        counted = await conn.exec_driver_sql(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables"
            " WHERE relname = 'asm_session_sequences'"
        )
        row = counted.one()
    await store.aclose()
    await engine.dispose()

    assert row.n_tup_upd == 1_000
    assert row.n_tup_hot_upd >= 999


async def fill(engine: AsyncEngine) -> None:
    """
    Store many sessions, written to half a second apart, their coarse times in disorder.
    """
    sessions = [
        make_session(
            id=f"ses_{number}",
            revision=1,
            agent_id=f"a{number % 5}",
            tenant_id=f"t{number % 50}",
            user_id=f"u{number % 500}",
            parent_session_id=f"ses_{number // 9}" if number % 9 == 0 else None,
            tags=[f"tag_{number % 500}"],
        )
        for number in range(SESSIONS)
    ]
    gates: list[dict[str, Any]] = []
    for number, session in enumerate(sessions):
        exact = NOON + number * timedelta(seconds=0.5)
        early = timedelta(seconds=number * 7 % 60)
        gates.append(
            {"session_id": session.id, "last_sequence": 0, "pruned_count": 0}
            | {"state": "live", "updated_at": exact, "tenant_id": session.tenant_id}
            | {"active_until": latest_coarse(exact) - early}
        )
    await insert_rows(
        engine,
        [
            (tables.sessions, [rows.session_row(session) for session in sessions]),
            (tables.session_tags, [r for s in sessions for r in rows.tag_rows(s)]),
            (GATES, gates),
        ],
    )
    await analyse(engine)


async def test_a_page_by_activity_is_found_by_an_index(engine: AsyncEngine) -> None:
    """
    No table is scanned, for the first page or a later one, and each is in exact order.
    """
    await fill(engine)
    query_api = SQLQueryAPI(engine)
    for filters, index in FOUND_BY:
        cursor: str | None = None
        seen: list[int] = []
        for _ in range(3):
            with statements_of(engine) as statements:
                page = await query_api.search_sessions(
                    order_by="last_activity_desc", limit=5, cursor=cursor, **filters
                )
            (statement,) = statements[-1:]
            steps = await steps_of(engine, statement)
            seen += [int(session.id.removeprefix("ses_")) for session in page.items]
            cursor = page.cursor
            ways = index.split("|")
            assert any(way in step for step in steps for way in ways), (filters, steps)
            assert not any(is_scan(step) and step not in ways for step in steps), (
                filters,
                steps,
            )
            if cursor is None:
                break
        everything = await query_api.search_sessions(limit=1_000, **filters)
        known = sorted(
            (int(one.id.removeprefix("ses_")) for one in everything.items), reverse=True
        )
        if everything.cursor is None:
            assert seen == known[: len(seen)], filters
        assert seen == sorted(seen, reverse=True), filters
        assert len(seen) == len(set(seen)) > 0


async def test_the_order_is_exact_where_coarse_times_are_not(
    engine: AsyncEngine,
) -> None:
    """
    All pages together have every session, in the order of the exact times.
    """
    await fill(engine)
    query_api = SQLQueryAPI(engine)
    cursor: str | None = None
    seen: list[str] = []
    while True:
        page = await query_api.search_sessions(
            order_by="last_activity_desc", limit=173, cursor=cursor
        )
        seen += [session.id for session in page.items]
        cursor = page.cursor
        if cursor is None:
            break

    assert seen == [f"ses_{number}" for number in reversed(range(SESSIONS))]


def test_a_coarse_time_is_no_later_than_the_last_there_is() -> None:
    """
    Imported history may have any time.
    """
    last = datetime.max.replace(tzinfo=NOON.tzinfo)
    assert latest_coarse(last) == last
    assert microseconds(latest_coarse(NOON)) == microseconds(NOON) + 60_000_000
