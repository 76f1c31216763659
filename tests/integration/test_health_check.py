"""
What a health check finds in an SQL database, beyond the contract.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from asm_async.sql import SQLMaintenance, SQLSessionStore, create_engine, migrations
from asm_async.sql.core import tables
from asm_async.testing.factories import (
    NOON,
    make_events,
    make_execution_result,
    make_session,
)
from asm_async.values.maintenance import HealthIssueKind
from tests.integration.by_hand import execute, issues_of


@pytest.mark.parametrize(
    ("state", "deleted_at"),
    [("live", NOON), ("soft_deleted", None), ("deleting", None), ("deleted", None)],
)
async def test_a_session_and_its_counter_must_agree_on_its_deletion(
    engine: AsyncEngine, state: str, deleted_at: datetime | None
) -> None:
    """
    What the one says and the other does not is an impossible status.
    """
    store = SQLSessionStore(engine)
    for session_id in ("ses_1", "ses_2"):
        await store.save_session(make_session(id=session_id))
    gates, sessions = tables.session_sequences, tables.sessions
    await execute(
        engine,
        sa.update(gates).where(gates.c.session_id == "ses_2").values(state=state),
        sa.update(sessions)
        .where(sessions.c.id == "ses_2")
        .values(deleted_at=deleted_at),
    )

    assert await issues_of(engine) == {(HealthIssueKind.IMPOSSIBLE_STATUS, "ses_2")}


async def test_a_runs_status_must_be_one(engine: AsyncEngine) -> None:
    """
    As a session's must.
    """
    store = SQLSessionStore(engine)
    await store.flush(make_execution_result())
    await execute(engine, sa.update(tables.runs).values(status="lost"))

    assert await issues_of(engine) == {(HealthIssueKind.IMPOSSIBLE_STATUS, "run_1")}


async def test_an_event_beyond_the_latest_number_is_a_mismatch(
    engine: AsyncEngine,
) -> None:
    """
    Although there are as many events as there should be.
    """
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    await store.append_events(make_events(3))
    events = tables.events
    third = events.c.sequence_number == 3
    await execute(engine, sa.update(events).where(third).values(sequence_number=4))

    assert await issues_of(engine) == {(HealthIssueKind.SEQUENCE_MISMATCH, "ses_1")}


async def test_what_the_pruned_count_hides_is_found(engine: AsyncEngine) -> None:
    """
    A count that is too high is a mismatch as one that is too low.
    """
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    await store.append_events(make_events(3))
    await execute(engine, sa.update(tables.session_sequences).values(pruned_count=1))

    assert await issues_of(engine) == {(HealthIssueKind.SEQUENCE_MISMATCH, "ses_1")}


async def test_a_database_without_our_schema_says_so_and_nothing_else(
    tmp_path: Path, engine: AsyncEngine
) -> None:
    """
    An empty one, and one at a revision that nobody knows.
    """
    expected = {(HealthIssueKind.SCHEMA_VERSION, "schema")}
    empty = create_engine(f"sqlite+aiosqlite:///{tmp_path / 'empty.sqlite3'}")
    assert await issues_of(empty) == expected
    await empty.dispose()
    newer = sa.text("UPDATE asm_alembic_version SET version_num = '9999'")
    await execute(engine, newer)
    assert await issues_of(engine) == expected
    await execute(engine, sa.text("DELETE FROM asm_alembic_version"))
    assert await issues_of(engine) == expected


async def test_a_file_that_is_no_database_is_damaged(tmp_path: Path) -> None:
    """
    It is told as an issue, not raised.
    """
    path = tmp_path / "asm.sqlite3"
    path.write_bytes(b"no database " * 1_000)
    engine = create_engine(f"sqlite+aiosqlite:///{path}")
    issues = await SQLMaintenance(engine).health_check()
    await engine.dispose()

    assert {issue.kind for issue in issues} == {HealthIssueKind.DATABASE_INTEGRITY}


def overwrite(path: Path) -> None:
    """
    Make the second half of a file, but its last page, all ones.
    """
    content = path.read_bytes()
    half = len(content) // 2
    path.write_bytes(content[:half] + b"\xff" * (half - 4096) + content[-4096:])


async def test_pages_that_were_overwritten_are_damage(migrated_sqlite_url: str) -> None:
    """
    Also where the tables cannot be read any more.
    """
    engine = create_engine(migrated_sqlite_url)
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    await store.append_events(make_events(2_000, data={"text": "x" * 500}))
    await execute(engine, sa.text("PRAGMA wal_checkpoint(TRUNCATE)"))
    await engine.dispose()
    overwrite(Path(str(engine.url.database)))
    damaged = create_engine(migrated_sqlite_url)
    issues = await SQLMaintenance(damaged).health_check()
    await damaged.dispose()

    assert {issue.kind for issue in issues} >= {HealthIssueKind.DATABASE_INTEGRITY}


async def test_an_engine_that_is_set_weaker_is_told(tmp_path: Path) -> None:
    """
    On SQLite that is the connection's own setting.
    """
    url = f"sqlite+aiosqlite:///{tmp_path / 'asm.sqlite3'}"
    found: list[list[str]] = []
    weaker: dict[str, Any] = {"durability": "relaxed"}
    for options in ({}, weaker):
        engine = create_engine(url, **options)
        await migrations.upgrade(engine)
        issues = await SQLMaintenance(engine).health_check()
        found.append([f"{issue.kind} {issue.message}" for issue in issues])
        await engine.dispose()

    assert found[0] == []
    (told,) = found[1]
    assert told.startswith("weak_durability synchronous is NORMAL")


@pytest.mark.postgres
async def test_a_server_that_is_set_weaker_is_told(migrated_postgres_url: str) -> None:
    """
    On PostgreSQL those are the connection's setting and the server's.
    """
    names = {"fsync", "full_page_writes", "synchronous_commit"}
    query = "SELECT name FROM pg_settings WHERE name = ANY (:names) AND setting = 'off'"
    for commit in ("on", "local", "off"):
        settings = {"server_settings": {"synchronous_commit": commit}}
        engine = create_engine(migrated_postgres_url, connect_args=settings)
        async with engine.connect() as conn:
            weak = await conn.execute(sa.text(query), {"names": list(names)})
            expected = set(weak.scalars())
        issues = await SQLMaintenance(engine).health_check()
        await engine.dispose()

        assert ("synchronous_commit" in expected) == (commit == "off")
        assert {issue.subject for issue in issues} == expected
        assert {issue.kind for issue in issues} <= {HealthIssueKind.WEAK_DURABILITY}


@pytest.mark.postgres
async def test_opening_says_where_a_server_is_set_weaker(
    migrated_postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Once for each engine, with the settings' names and what they may cost.
    """
    settings = {"server_settings": {"synchronous_commit": "off"}}
    engine = create_engine(migrated_postgres_url, connect_args=settings)
    for _ in range(2):
        await SQLSessionStore(engine).open()
    await engine.dispose()

    (record,) = caplog.records
    told = record.getMessage()
    assert re.search(r"synchronous_commit (is|are) off: a power cut can undo", told)


async def test_opening_says_where_the_engine_of_a_host_is_set_weaker(
    migrated_sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Of its own engines the library knows what was asked for.
    """
    own = create_engine(migrated_sqlite_url, durability="relaxed")
    await SQLSessionStore(own).open()
    assert caplog.records == []
    await own.dispose()

    hosts = create_async_engine(own.url)

    @sa_event.listens_for(hosts.sync_engine, "connect")
    def weaken(driver: Any, _: object) -> None:
        driver.execute("PRAGMA synchronous = OFF")

    await SQLSessionStore(hosts).open()
    await hosts.dispose()

    (record,) = caplog.records
    assert "synchronous is OFF" in record.getMessage()
