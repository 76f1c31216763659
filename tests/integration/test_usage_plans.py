"""
Summaries read an index, not the runs, and SQLite groups in its order.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.sql import SQLQueryAPI, create_engine
from asm_async.sql.core import rows, tables
from asm_async.testing.factories import (
    NOON,
    make_events,
    make_run,
    make_session,
    numbered,
)
from tests.integration.query_plans import (
    insert_rows,
    is_scan,
    is_sort,
    statements_of,
    steps_of,
)
from tests.postgres_databases import PostgresDatabases

Call: TypeAlias = Callable[[SQLQueryAPI], Awaitable[object]]

SESSIONS = 1_000
RUNS = 10_000
THEN = NOON + timedelta(seconds=5_000)

# Where commits are not synced, VACUUM takes no row for visible to all whose commit has
# not reached the disk yet; one that is synced takes those before it along.
AT_NIGHT = {
    "sqlite": [],
    "postgresql": ["SET synchronous_commit = on", "ANALYZE", "VACUUM"],
}

OF_ALL_RUNS: dict[str, Call] = {
    "usage": lambda query_api: query_api.get_usage_summary(),
    "cost": lambda query_api: query_api.get_cost_summary(),
}
BY_TIME: dict[str, Call] = {
    "usage by day": lambda query_api: query_api.get_usage_summary(bucket="day"),
    "cost by month": lambda query_api: query_api.get_cost_summary(bucket="month"),
}
# By what sessions tell: on PostgreSQL an index with two names in it, and an id, would
# not hold the longest ones.
BY_SESSION: dict[str, Call] = {
    "usage by agent": lambda query_api: query_api.get_usage_summary(group_by="agent"),
    "usage by session and model": lambda query_api: query_api.get_usage_summary(
        group_by=["session", "model"]
    ),
    "cost by tenant and day": lambda query_api: query_api.get_cost_summary(
        group_by="tenant", bucket="day"
    ),
    "usage by user": lambda query_api: query_api.get_usage_summary(group_by="user"),
    "cost by tag": lambda query_api: query_api.get_cost_summary(group_by="tag"),
}
# With the index by which few runs are found.
OF_FEW_RUNS: dict[str, tuple[Call, str]] = {
    "provider": (
        lambda query_api: query_api.get_usage_summary(provider="rare"),
        "ix_asm_runs_",
    ),
    "time": (
        lambda query_api: query_api.get_usage_summary(
            since=THEN, until=THEN + timedelta(seconds=9)
        ),
        "ix_asm_runs_",
    ),
    "session": (
        lambda query_api: query_api.get_cost_summary(session_id="ses_7"),
        "ix_asm_runs_session_id",
    ),
    "agent": (
        lambda query_api: query_api.get_usage_summary(agent_id="a7"),
        "ix_asm_runs_session_id",
    ),
    "session by tag": (
        lambda query_api: query_api.get_cost_summary(
            session_id="ses_7", group_by=["tag", "agent"]
        ),
        "ix_asm_runs_session_id",
    ),
    "stats": (
        lambda query_api: query_api.get_session_stats("ses_7"),
        "ix_asm_runs_session_id",
    ),
}


def filled(url: str) -> str:
    """
    Fill a database, which the tests only read.
    """

    async def fill_it() -> None:
        engine = create_engine(url)
        await fill(engine)
        await engine.dispose()

    # With a factory the runner leaves the thread's current event loop alone.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(fill_it())
    return url


@pytest.fixture(scope="module")
def filled_sqlite_url(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path
) -> str:
    """
    Return an SQLite file that holds many runs.
    """
    path = tmp_path_factory.mktemp("plans") / "asm.sqlite3"
    return filled(f"sqlite+aiosqlite:///{shutil.copy(sqlite_template, path)}")


@pytest.fixture(scope="module")
def filled_postgres_url(
    postgres_databases: PostgresDatabases, postgres_template: str
) -> Iterator[str]:
    """
    Yield a PostgreSQL database that holds many runs.
    """
    with postgres_databases.copy(postgres_template) as url:
        yield filled(url)


@pytest.fixture(
    params=[
        "filled_sqlite_url",
        pytest.param("filled_postgres_url", marks=pytest.mark.postgres),
    ],
    ids=["sqlite", "postgresql"],
)
def url(request: pytest.FixtureRequest) -> str:
    """
    Return a filled database of each kind in turn.
    """
    return str(request.getfixturevalue(request.param))


@pytest.fixture
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    """
    Yield an engine on it.
    """
    engine = create_engine(url)
    yield engine
    await engine.dispose()


async def fill(engine: AsyncEngine) -> None:
    """
    Store runs of some size, as a night's rest would leave them.
    """
    sessions = [
        make_session(
            id=f"ses_{number}",
            agent_id=f"a{number % 500}",
            tenant_id=f"t{number % 9}",
            tags=["all", f"tag_{number % 5}"],
        )
        for number in range(SESSIONS)
    ]
    runs = [
        make_run(
            id=f"run_{number}",
            session_id=f"ses_{number % SESSIONS}",
            provider="rare" if number % 1_000 == 0 else f"p{number % 4}",
            provider_metadata={"model": f"m{number % 7}"},
            input="x" * 800,
            cost_usd=None if number % 3 else 0.25,
            started_at=NOON + timedelta(seconds=number),
        )
        for number in range(RUNS)
    ]
    events = [
        event
        for number in range(SESSIONS)
        for event in numbered(make_events(3, session_id=f"ses_{number}"))
    ]
    await insert_rows(
        engine,
        [
            (tables.sessions, [rows.session_row(session) for session in sessions]),
            (
                tables.session_tags,
                [row for each in sessions for row in rows.tag_rows(each)],
            ),
            (tables.runs, [rows.run_row(run) for run in runs]),
            (tables.events, [rows.event_row(event) for event in events]),
        ],
    )
    async with engine.connect() as conn:
        await conn.execution_options(isolation_level="AUTOCOMMIT")
        for statement in AT_NIGHT[engine.dialect.name]:
            await conn.exec_driver_sql(statement)


async def plan_of(engine: AsyncEngine, call: Call) -> list[str]:
    """
    Return all steps of what a call asks the database.
    """
    query_api = SQLQueryAPI(engine)
    await query_api.get_usage_summary(session_id="ses_0")
    with statements_of(engine) as statements:
        await call(query_api)
    assert len(statements) == 1
    return await steps_of(engine, statements[0])


async def test_a_summary_of_all_runs_reads_its_index_alone(engine: AsyncEngine) -> None:
    """
    No run is read; without a bucket SQLite, which groups by sorting, need not sort.
    """
    for name, call in (OF_ALL_RUNS | BY_TIME).items():
        steps = await plan_of(engine, call)
        read = [step for step in steps if "asm_runs" in step]
        assert read, name
        assert all("ix_asm_runs_usage" in step for step in read), (name, steps)
        if engine.dialect.name == "sqlite":
            assert all("USING COVERING INDEX" in step for step in read)
            assert name in BY_TIME or not any(map(is_sort, steps)), (name, steps)
        else:
            assert all("Index Only Scan" in step for step in read)


async def test_groups_by_session_read_each_run_once(engine: AsyncEngine) -> None:
    """
    SQLite reads the index alone and finds each session by its key.

    On PostgreSQL runs and sessions are read once each, and not again for each run.
    """
    for name, call in BY_SESSION.items():
        steps = await plan_of(engine, call)
        if engine.dialect.name == "sqlite":
            read = [step for step in steps if "asm_runs" in step]
            assert read, name
            assert all("COVERING INDEX ix_asm_runs_usage" in step for step in read)
            others = [step for step in steps if "owner" in step or "tags" in step]
            assert not any(map(is_scan, others)), (name, steps)
        else:
            assert not any("Nested Loop" in step for step in steps), (name, steps)


async def test_few_runs_are_found_by_an_index(engine: AsyncEngine) -> None:
    """
    No table is read whole for the sake of a session, an agent, a provider or an hour.
    """
    for name, (call, index) in OF_FEW_RUNS.items():
        steps = await plan_of(engine, call)
        assert any(index in step for step in steps), (name, steps)
        assert not any(map(is_scan, steps)), (name, steps)
