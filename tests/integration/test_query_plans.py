"""
Every statement of a store's finds its rows by an index, and in order.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.sql import SQLSessionStore, create_engine, migrations
from asm_async.sql.core import rows, tables
from asm_async.testing.factories import (
    NOON,
    make_artifact,
    make_event,
    make_events,
    make_execution_result,
    make_item,
    make_run,
    make_session,
)
from asm_async.values.event import EventType
from asm_async.values.run import RunStatus
from asm_async.values.session import SessionStatus
from tests.integration.query_plans import (
    analyse,
    insert_rows,
    is_scan,
    is_sort,
    statements_of,
    steps_of,
)


@pytest.fixture
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    """
    Yield an engine on a database that is filled.
    """
    engine = create_engine(url)
    await fill(engine)
    yield engine
    await engine.dispose()


Call: TypeAlias = Callable[[SQLSessionStore], Awaitable[Any]]

SESSIONS = 2_000
BUSY_SESSIONS = 24
EVENTS_OF_ONE = 300
RUNS_OF_ONE = 200

READS: dict[str, Call] = {
    "session": lambda store: store.get_session("ses_7"),
    "run": lambda store: store.get_run("run_7"),
    "first_sessions": lambda store: store.list_sessions(limit=10),
    "sessions_of_agent": lambda store: store.list_sessions(agent_id="a7", limit=10),
    "sessions_of_tenant": lambda store: store.list_sessions(tenant_id="t7", limit=10),
    "sessions_of_user": lambda store: store.list_sessions(user_id="u7", limit=10),
    "active_sessions": lambda store: store.list_sessions(
        status=SessionStatus.ACTIVE, limit=10
    ),
    "runs": lambda store: store.list_runs("ses_0", limit=10),
    "active_run": lambda store: store.get_active_run("ses_0"),
    "all_events": lambda store: store.get_events("ses_0"),
    "next_events": lambda store: store.get_events("ses_0", after=100, limit=50),
    "earlier_events": lambda store: store.get_events("ses_0", before=200, last=50),
    "last_events": lambda store: store.get_events("ses_0", last=50),
    "events_of_run": lambda store: store.get_events("ses_0", run_id="run_7"),
    "last_of_run": lambda store: store.get_events("ses_0", run_id="run_7", last=5),
    "events_of_type": lambda store: store.get_events(
        "ses_0", type=EventType.ERROR_OCCURRED, limit=5
    ),
    "events_of_ids": lambda store: store.get_events("ses_0", ids=["evt_7", "evt_9"]),
    "events_of_correlation": lambda store: store.get_events(
        "ses_0", correlation_id="call_0_7"
    ),
    "visible_events": lambda store: store.get_events("ses_0", visible_only=True),
    "visible_ones_of_run": lambda store: store.get_events(
        "ses_0", visible_only=True, run_id="run_7", last=5
    ),
    "last_visible_event": lambda store: store.get_events(
        "ses_0", visible_only=True, last=1
    ),
    "visible_events_of_ids": lambda store: store.get_events(
        "ses_0", visible_only=True, ids=["evt_7", "evt_9"]
    ),
    "latest_number": lambda store: store.get_latest_sequence("ses_0"),
}

INDEXES = {
    "first_sessions": "ix_asm_sessions_created_at",
    "sessions_of_agent": "ix_asm_sessions_agent_id",
    "sessions_of_tenant": "ix_asm_sessions_tenant_id",
    "sessions_of_user": "ix_asm_sessions_user_id",
    "active_sessions": "ix_asm_sessions_status",
    "runs": "ix_asm_runs_session_id",
    "active_run": "ix_asm_runs_running",
    "events_of_run": "ix_asm_events_run_id",
    "last_of_run": "ix_asm_events_run_id",
    "events_of_correlation": "ix_asm_events_correlation_id",
    "visible_events": "ix_asm_events_correlation_id",
    "retract": "ix_asm_events_correlation_id",
}

# Of these PostgreSQL may find the rows by the index in any order and sort them.
READ_WHOLE = {
    "all_events",
    "events_of_correlation",
    "events_of_ids",
    "events_of_run",
    "events_of_type",
    # Several ranges of numbers are read one after the other, and sorted.
    "visible_events",
    "visible_events_of_ids",
    "visible_ones_of_run",
}

WRITES: dict[str, Call] = {
    "append": lambda store: store.append_events(
        [
            make_event(
                id=f"evt_{60 * number}",
                session_id=f"ses_{number}",
                run_id=f"run_{30 * number}",
            )
            # Events that stand twice are looked for, and are no usual append.
            for number in [*range(1, 9), *range(1, 9)]
        ]
    ),
    "save_session": lambda store: store.save_session(
        make_session(id="ses_600", tags=["new"])
    ),
    # One that was removed is no usual save.
    "save_run": lambda store: store.save_run(
        make_run(id="gone_600", session_id="ses_600")
    ),
    "flush": lambda store: store.flush(
        make_execution_result(
            session=make_session(id="ses_606", tags=["new"]),
            run=make_run(id="run_606", session_id="ses_606"),
            events=make_events(3, session_id="ses_606"),
        )
    ),
    "retract": lambda store: store.retract_events(
        "ses_1", first=3, last=5, replacement=[make_event(id="new", session_id="ses_1")]
    ),
    "delete": lambda store: store.delete_session("ses_1"),
}


async def fill(engine: AsyncEngine) -> None:
    """
    Store many sessions, some of which have many events, and one has many runs.
    """
    sessions = [
        make_session(
            id=f"ses_{number}",
            agent_id=f"a{number % 50}",
            tenant_id=f"t{number % 50}",
            user_id=f"u{number % 50}",
            status=list(SessionStatus)[number % 6],
            tags=[f"tag_{number}"],
            created_at=NOON + timedelta(seconds=number),
        )
        for number in range(SESSIONS)
    ]
    runs = [
        make_run(
            id=f"run_{number}",
            session_id=f"ses_{0 if number < RUNS_OF_ONE else number}",
            status=list(RunStatus)[number % 6],
            revision=1,
        )
        for number in range(SESSIONS)
    ]
    gates: list[dict[str, Any]] = [
        {"session_id": session.id, "last_sequence": 0, "pruned_count": 0}
        | {"state": "live", "updated_at": NOON}
        for session in sessions
    ]
    tombstones: list[dict[str, Any]] = [
        {"run_id": f"gone_{number}", "revision": 1} for number in range(SESSIONS)
    ]
    artifacts = [
        make_artifact(id=session.id, key=session.id, session_id=session.id)
        for session in sessions
    ]
    items = [
        make_item(key=session.id, session_id=session.id).as_saved(number + 1, NOON)
        for number, session in enumerate(sessions)
    ]
    await insert_rows(
        engine,
        [
            (tables.sessions, [rows.session_row(session) for session in sessions]),
            (tables.session_tags, [t for s in sessions for t in rows.tag_rows(s)]),
            (tables.session_sequences, gates),
            (tables.runs, [rows.run_row(run) for run in runs]),
            (tables.run_tombstones, tombstones),
            (tables.artifacts, [rows.artifact_row(one) for one in artifacts]),
            (
                tables.state_items,
                [rows.stored_item_row(item, None, "op") for item in items],
            ),
        ],
    )
    store = SQLSessionStore(engine)
    for number in range(BUSY_SESSIONS):
        events = [
            make_event(
                id=f"evt_{count}",
                session_id=f"ses_{number}",
                # A run is of one session.
                run_id=f"run_{30 * number + count % 30}",
                # The others are appended again.
                correlation_id=f"call_{number}_{count // 2}" if count % 60 else None,
            )
            for count in range(EVENTS_OF_ONE)
        ]
        await store.append_events(events)
    for first in range(20, EVENTS_OF_ONE, 40):
        await store.retract_events("ses_0", first=first, last=first + 1)
    await analyse(engine)


async def test_every_statement_uses_an_index(engine: AsyncEngine) -> None:
    """
    Among thousands of rows nothing is found by a scan, and the last ones by no sort.
    """
    store = SQLSessionStore(engine)
    await store.open()
    plans: dict[str, list[str]] = {}
    for name, call in (READS | WRITES).items():
        with statements_of(engine) as statements:
            await call(store)
        steps = [await steps_of(engine, statement) for statement in statements]
        plans[name] = [step for some in steps for step in some]

    assert all(plans.values())
    for name, index in INDEXES.items():
        assert any(index in step for step in plans[name]), name
    scans = {name: steps for name, steps in plans.items() if any(map(is_scan, steps))}
    assert scans == {}
    sorts = {name: steps for name, steps in plans.items() if any(map(is_sort, steps))}
    assert sorts.keys() & READS.keys() <= READ_WHOLE, sorts


async def test_a_type_since_a_time_is_looked_for_in_its_session(
    tmp_path: Path,
) -> None:
    """
    SQLite goes through one session, in order, though it has no statistics.
    """
    engine = create_engine(f"sqlite+aiosqlite:///{tmp_path / 'new.sqlite3'}")
    await migrations.upgrade(engine)
    store = SQLSessionStore(engine)
    await store.save_session(make_session(id="ses_0"))
    every_bound: list[dict[str, Any]] = [{}, {"last": 5}, {"before": 5}, {"after": 5}]
    for bounds in every_bound:
        with statements_of(engine) as statements:
            await store.get_events(
                "ses_0", type=EventType.ERROR_OCCURRED, since=NOON, **bounds
            )
        steps = await steps_of(engine, statements[0])
        (step,) = [step for step in steps if "asm_events" in step]
        assert "sqlite_autoindex_asm_events_1 (session_id=? AND seq" in step, bounds
    await engine.dispose()
