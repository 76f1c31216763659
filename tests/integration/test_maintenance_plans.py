"""
Every statement of maintenance finds its rows by an index, but where it must see all.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.memory import InMemoryArtifactStore
from asm_async.sql import SQLMaintenance, SQLSessionStore, create_engine, migrations
from asm_async.sql.core import rows, tables
from asm_async.sql.core.activity import latest_coarse
from asm_async.testing.factories import (
    NOON,
    make_artifact,
    make_event,
    make_item,
    make_run,
    make_session,
)
from asm_async.values.event import EventType
from asm_async.values.retention import RetentionPolicy
from asm_async.values.session import Session, SessionStatus
from tests.integration.query_plans import (
    analyse,
    insert_rows,
    is_scan,
    is_sort,
    statements_of,
    steps_of,
)

Call: TypeAlias = Callable[[SQLMaintenance], Awaitable[object]]

SESSIONS = 3_000
POLICY = RetentionPolicy(
    max_session_age_days=10,
    max_completed_session_age_days=5,
    max_idle_days=20,
    exempt_statuses=(),
    batch_size=2,
)

CALLS: dict[str, Call] = {
    "soft_delete": lambda maintenance: maintenance.soft_delete_session("ses_1000"),
    "restore": lambda maintenance: maintenance.restore_session("ses_1000"),
    "expire": lambda maintenance: maintenance.soft_delete_expired_sessions(POLICY),
    "remove": lambda maintenance: maintenance.hard_delete_expired_sessions(POLICY),
    "prune": lambda maintenance: maintenance.prune_session_events(
        "ses_1000", RetentionPolicy(max_events_per_session=50)
    ),
    "prune_long": lambda maintenance: maintenance.prune_session_events(
        "ses_1001", RetentionPolicy(max_events_per_session=100)
    ),
    "erase": lambda maintenance: maintenance.erase(
        user_id="ann", with_children=True, artifact_store=InMemoryArtifactStore()
    ),
    "erase_ids": lambda maintenance: maintenance.erase(
        tenant_id="acme", session_ids=["ses_2002", "ses_2003"]
    ),
    "erase_tenant": lambda maintenance: maintenance.erase(tenant_id="acme"),
}

INDEXES = {
    "expire": {"ix_asm_session_sequences_active_until"},
    "remove": {"ix_asm_sessions_deleted_at", "ix_asm_runs_session_id"},
    "erase": {
        "ix_asm_session_sequences_deleting",
        "ix_asm_sessions_user_id",
        "ix_asm_sessions_parent_session_id",
        "ix_asm_artifacts_checksum_sha256",
        "ix_asm_state_items_session_id",
    },
    "erase_tenant": {"ix_asm_sessions_tenant_id"},
}


def made_session(number: int) -> Session:
    """
    Make a session: the first two are too old, the next two have long been deleted.

    Some later ones belong to somebody, and have a child.
    """
    at = NOON - timedelta(days=40 if number < 4 else 0)
    return make_session(
        id=f"ses_{number}",
        status=SessionStatus.COMPLETED,
        last_activity_at=at,
        deleted_at=at if number in {2, 3} else None,
        tags=["a"],
        tenant_id="acme" if 2_000 <= number < 2_010 else None,
        user_id="ann" if 2_500 <= number < 2_510 else None,
        parent_session_id=f"ses_{number - 10}" if 2_510 <= number < 2_515 else None,
    )


async def fill(engine: AsyncEngine) -> None:
    """
    Store many sessions with some events and a run each, and some with many events.
    """
    sessions = [made_session(number) for number in range(SESSIONS)]
    lengths = {session.id: 8 for session in sessions}
    lengths |= {"ses_1000": 60, "ses_1001": 200}
    deleted = {session.id for session in sessions if session.deleted_at}
    times = {one.id: one.last_activity_at or NOON for one in sessions}
    gates = [
        {"session_id": id_, "last_sequence": length, "pruned_count": 0}
        | {"state": "soft_deleted" if id_ in deleted else "live"}
        | {"updated_at": times[id_], "active_until": latest_coarse(times[id_])}
        for id_, length in lengths.items()
    ]
    events = [
        make_event(id=f"evt_{number}", session_id=id_, sequence_number=number)
        for id_, length in lengths.items()
        for number in range(1, length + 1)
    ]
    runs = [make_run(id=f"run_{id_}", session_id=id_) for id_ in lengths]
    tombstones = [{"run_id": f"gone_{number}", "revision": 1} for number in range(2000)]
    artifacts = [
        make_artifact(
            id=id_,
            key=id_,
            session_id=id_,
            checksum_sha256=hashlib.sha256(id_.encode()).hexdigest(),
        )
        for id_ in lengths
    ]
    items = [
        make_item(key=id_, session_id=id_).as_saved(number, NOON)
        for number, id_ in enumerate(lengths, 1)
    ]
    await insert_rows(
        engine,
        [
            (tables.sessions, [rows.session_row(session) for session in sessions]),
            (tables.session_tags, [t for s in sessions for t in rows.tag_rows(s)]),
            (tables.session_sequences, gates),
            (tables.runs, [rows.run_row(run) for run in runs]),
            (tables.run_tombstones, tombstones),
            (tables.events, [rows.event_row(event) for event in events]),
            (tables.artifacts, [rows.artifact_row(one) for one in artifacts]),
            (
                tables.state_items,
                [rows.stored_item_row(item, None, "op") for item in items],
            ),
        ],
    )
    await analyse(engine)


@pytest.fixture
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    """
    Yield an engine on a database that is filled.
    """
    engine = create_engine(url)
    await fill(engine)
    yield engine
    await engine.dispose()


async def test_every_statement_uses_an_index(engine: AsyncEngine) -> None:
    """
    Among thousands of rows nothing is found by a scan.
    """
    await SQLSessionStore(engine).open()
    maintenance = SQLMaintenance(engine, clock=lambda: NOON)
    await maintenance.restore_session("ses_5")
    plans: dict[str, list[str]] = {}
    for name, call in CALLS.items():
        with statements_of(engine) as statements:
            assert await call(maintenance)
        steps = [
            await steps_of(engine, statement)
            for statement in statements
            if "alembic" not in statement[0]
        ]
        plans[name] = [step for some in steps for step in some]

    for name, indexes in INDEXES.items():
        for index in indexes:
            assert any(index in step for step in plans[name]), (name, index)
    scans = {
        (name, step) for name, steps in plans.items() for step in steps if is_scan(step)
    }
    assert scans == set()


async def test_the_oldest_events_are_found_in_order_of_time(tmp_path: Path) -> None:
    """
    SQLite does not sort all events of some types for each page, for want of statistics.
    """
    engine = create_engine(f"sqlite+aiosqlite:///{tmp_path / 'new.sqlite3'}")
    await migrations.upgrade(engine)
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    types = (
        EventType.MESSAGE_STREAMED,
        EventType.MESSAGE_SENT,
        EventType.RUN_STARTED,
        EventType.RUN_COMPLETED,
    )
    await store.append_events(
        [make_event(id=f"evt_{type_}", type=type_) for type_ in types]
    )
    policy = RetentionPolicy(max_total_events=1)
    with statements_of(engine) as statements:
        report = await SQLMaintenance(engine, clock=lambda: NOON).execute(policy)
    assert report.events_pruned == 3
    found = [one for one in statements if "ORDER BY asm_events.timestamp" in one[0]]
    assert len(found) >= 3
    for statement in found:
        steps = await steps_of(engine, statement)
        assert any("ix_asm_events_timestamp" in step for step in steps), steps
        assert not any(map(is_sort, steps)), steps
    await engine.dispose()
