"""
What maintenance does to an SQL database on the way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import SessionDeletedError, SessionNotFoundError
from asm_async.sql import SQLMaintenance, SQLQueryAPI, SQLSessionStore, create_engine
from asm_async.sql.core import rows, tables
from asm_async.sql.retention.batches import MAX_ROWS_PER_TRANSACTION
from asm_async.testing.concurrency import run_together
from asm_async.testing.factories import (
    NOON,
    make_artifact,
    make_event,
    make_events,
    make_run,
    make_session,
)
from asm_async.values.event import Event
from asm_async.values.retention import RetentionPolicy
from asm_async.values.session import SessionStatus
from asm_async.values.session_export import SessionExport
from tests.integration.by_hand import execute, issues_of


def maintenance_at(engine: AsyncEngine, now: datetime) -> SQLMaintenance:
    """
    Make maintenance whose clock stands still.
    """
    return SQLMaintenance(engine, clock=lambda: now)


async def gate_of(engine: AsyncEngine, session_id: str) -> tuple[int, int, str]:
    """
    Read a session's latest number, its pruned count and its state.
    """
    gates = tables.session_sequences
    query = sa.select(gates.c.last_sequence, gates.c.pruned_count, gates.c.state)
    async with engine.connect() as conn:
        row = (await conn.execute(query.where(gates.c.session_id == session_id))).one()
    return row.last_sequence, row.pruned_count, row.state


@contextmanager
def watched_deletions(engine: AsyncEngine) -> Generator[list[int]]:
    """
    Take down how many rows each DELETE removes.
    """
    counts: list[int] = []

    def take_down(*told: Any) -> None:
        _, cursor, statement, *_ = told
        if statement.lstrip().startswith("DELETE"):
            counts.append(cursor.rowcount)

    sa_event.listen(engine.sync_engine, "after_cursor_execute", take_down)
    yield counts
    sa_event.remove(engine.sync_engine, "after_cursor_execute", take_down)


async def store_long_session(engine: AsyncEngine, session_id: str = "ses_1") -> None:
    """
    Store a session of 3,500 events and 1,500 runs, soft-deleted 40 days before noon.
    """
    store = SQLSessionStore(engine)
    await store.save_session(make_session(id=session_id, tags=["a"]))
    await store.append_events(make_events(3_500, session_id=session_id))
    runs = [
        make_run(id=f"{session_id}_{n}", session_id=session_id) for n in range(1500)
    ]
    insert = sa.insert(tables.runs)
    async with engine.begin() as conn:
        await conn.execute(insert, [rows.run_row(run) for run in runs])
    earlier = maintenance_at(engine, NOON - timedelta(days=40))
    await earlier.soft_delete_session(session_id)


async def test_no_transaction_removes_many_rows(engine: AsyncEngine) -> None:
    """
    A session of thousands goes a thousand at a time, sound at each commit.
    """
    await store_long_session(engine)
    with watched_deletions(engine) as counts:
        maintenance = maintenance_at(engine, NOON)
        assert await maintenance.hard_delete_expired_sessions(RetentionPolicy()) == 1

    assert max(counts) == MAX_ROWS_PER_TRANSACTION
    assert sum(counts) == 3_500 + 1_500 + 2
    assert await gate_of(engine, "ses_1") == (3_500, 3_500, "deleted")
    assert await issues_of(engine) == set()


async def test_no_transaction_prunes_many_events(engine: AsyncEngine) -> None:
    """
    Pruning a session of thousands goes a thousand at a time, too.
    """
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    await store.append_events(make_events(3_500))
    with watched_deletions(engine) as counts:
        policy = RetentionPolicy(max_events_per_session=100)
        await SQLMaintenance(engine).prune_session_events("ses_1", policy)

    assert counts == [1_000, 1_000, 1_000, 400]
    assert await gate_of(engine, "ses_1") == (3_500, 3_400, "live")


async def test_a_removal_that_broke_off_is_finished_and_not_archived_again(
    engine: AsyncEngine,
) -> None:
    """
    Until then the session is sound, closed, not to be restored, and still readable.
    """
    await store_long_session(engine)
    archived: list[int] = []

    async def archive(export: SessionExport) -> None:
        archived.append(len(export.events))

    def fail(*_: Any) -> None:
        if len(counts) == 3:
            raise RuntimeError

    policy = RetentionPolicy(archive=archive)
    maintenance = maintenance_at(engine, NOON)
    with watched_deletions(engine) as counts:
        sa_event.listen(engine.sync_engine, "after_cursor_execute", fail)
        with pytest.raises(RuntimeError):
            await maintenance.hard_delete_expired_sessions(policy)
        sa_event.remove(engine.sync_engine, "after_cursor_execute", fail)

    assert await gate_of(engine, "ses_1") == (3_500, 2_000, "deleting")
    assert await issues_of(engine) == set()
    store = SQLSessionStore(engine)
    assert len(await store.get_events("ses_1")) == 1_500
    for call in (
        store.append_event(make_event(id="new")),
        store.save_session(make_session()),
    ):
        with pytest.raises(SessionDeletedError):
            await call
    with pytest.raises(SessionNotFoundError):
        await maintenance.restore_session("ses_1")

    assert await maintenance.hard_delete_expired_sessions(policy) == 1
    assert archived == [3_500]
    assert await gate_of(engine, "ses_1") == (3_500, 3_500, "deleted")
    assert await issues_of(engine) == set()


async def test_a_session_that_is_being_removed_can_be_deleted_at_once(
    engine: AsyncEngine,
) -> None:
    """
    And its id be saved anew, while whoever was removing it finds nothing left.
    """
    await store_long_session(engine)
    store, maintenance = SQLSessionStore(engine), maintenance_at(engine, NOON)
    has_begun = asyncio.Event()

    def take_note(*told: Any) -> None:
        if told[2].startswith("DELETE"):
            has_begun.set()

    sa_event.listen(engine.sync_engine, "after_cursor_execute", take_note)
    removal = asyncio.create_task(
        maintenance.hard_delete_expired_sessions(RetentionPolicy())
    )
    await has_begun.wait()
    await store.delete_session("ses_1")
    await store.save_session(make_session())
    stored = await store.append_event_with_sequence(make_event())

    assert await removal == 0
    assert await store.get_events("ses_1") == [stored]
    assert await gate_of(engine, "ses_1") == (3_501, 3_500, "live")


async def test_a_session_goes_with_its_artifacts(engine: AsyncEngine) -> None:
    """
    However it is deleted; those of others and of none stay.
    """
    store, maintenance = SQLSessionStore(engine), maintenance_at(engine, NOON)
    insert = sa.insert(tables.artifacts)
    for number, owner in enumerate(["ses_1", "ses_2", "ses_3", None]):
        if owner:
            await store.save_session(make_session(id=owner))
        artifact = make_artifact(
            id=f"art_{number}", key=f"key_{number}", session_id=owner
        )
        await execute(engine, insert.values(rows.artifact_row(artifact)))
    earlier = maintenance_at(engine, NOON - timedelta(days=40))
    await earlier.soft_delete_session("ses_1")
    await maintenance.hard_delete_expired_sessions(RetentionPolicy())
    await store.delete_session("ses_2")

    async with engine.connect() as conn:
        left = (await conn.execute(sa.select(tables.artifacts.c.id))).scalars().all()
    assert sorted(left) == ["art_2", "art_3"]


async def test_orphaned_counters_are_closed_and_their_numbers_stay_used(
    engine: AsyncEngine,
) -> None:
    """
    A session that is saved under such an id goes on from there.
    """
    gate = {"pruned_count": 7, "last_sequence": 7, "state": "live"}
    insert = sa.insert(tables.session_sequences)
    for name in ("a", "b", "c"):
        await execute(engine, insert.values(session_id=name, updated_at=NOON, **gate))
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    report = await SQLMaintenance(engine).execute(RetentionPolicy(batch_size=2))

    assert report.orphaned_sequences_cleaned == 3
    assert await gate_of(engine, "a") == (7, 7, "deleted")
    assert await gate_of(engine, "ses_1") == (0, 0, "live")
    await store.save_session(make_session(id="b"))
    stored = await store.append_event_with_sequence(make_event(session_id="b"))
    assert stored.sequence_number == 8


async def test_a_step_whose_database_fails_is_told_and_the_others_are_taken(
    engine: AsyncEngine,
) -> None:
    """
    Here there is no table of tags, which only some of the steps look at.
    """
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    earlier = maintenance_at(engine, NOON - timedelta(days=40))
    await earlier.soft_delete_session("ses_1")
    gate = {"pruned_count": 7, "last_sequence": 7, "state": "live"}
    insert = sa.insert(tables.session_sequences)
    await execute(
        engine,
        sa.text("DROP TABLE asm_session_tags"),
        insert.values(session_id="lost", updated_at=NOON, **gate),
    )
    report = await maintenance_at(engine, NOON).execute(
        RetentionPolicy(max_events_per_session=1)
    )

    assert [step.value for step in report.errors] == [
        "soft_delete_expired_sessions",
        "hard_delete_expired_sessions",
        "prune_events",
    ]
    assert all(len(errors) == 1 for errors in report.errors.values())
    assert report.orphaned_sequences_cleaned == 1


async def test_agents_append_while_thousands_of_sessions_are_removed(
    url: str, engine: AsyncEngine
) -> None:
    """
    No append fails, none is lost, and every session's counter is right in the end.
    """
    old = datetime.now(UTC) - timedelta(days=100)
    over = {"status": SessionStatus.COMPLETED, "created_at": old, "updated_at": old}
    await load(engine, [make_session(id=f"old_{n}", **over) for n in range(1_200)])
    store = SQLSessionStore(engine)
    other = create_engine(url)
    is_done = asyncio.Event()

    async def maintain() -> None:
        now = datetime.now(UTC)
        for days in (0, 31):
            maintenance = maintenance_at(other, now + timedelta(days=days))
            report = await maintenance.execute(RetentionPolicy())
            assert report.errors == {}
            done = (report.sessions_soft_deleted, report.sessions_hard_deleted)
            assert done == ((0, 1_200) if days else (1_200, 0))
        is_done.set()

    async def append(writer: int) -> None:
        session_id = f"new_{writer}"
        await store.save_session(make_session(id=session_id))
        appended: list[Event] = []
        while not is_done.is_set():
            event = make_event(id=f"evt_{len(appended)}", session_id=session_id)
            appended.append(await store.append_event_with_sequence(event))
        assert await store.get_events(session_id) == appended

    await run_together([maintain(), *(append(writer) for writer in range(8))])
    await other.dispose()
    assert await issues_of(engine) == set()
    left = await SQLQueryAPI(engine).count_events()
    assert left > 0
    assert len(await store.list_sessions(include_deleted=True)) == 8


async def load(engine: AsyncEngine, sessions: list[Any]) -> None:
    """
    Store sessions with two events, a run and a tag each, in one transaction.
    """
    ids = [session.id for session in sessions]
    gates = [
        {"session_id": session.id, "pruned_count": 0, "last_sequence": 2}
        | {"state": "live", "updated_at": session.updated_at}
        | {"active_until": session.updated_at}
        for session in sessions
    ]
    events = [
        rows.event_row(make_event(id=f"evt_{n}", session_id=id_, sequence_number=n))
        for id_ in ids
        for n in (1, 2)
    ]
    runs = [rows.run_row(make_run(id=f"run_{id_}", session_id=id_)) for id_ in ids]
    async with engine.begin() as conn:
        for table, values in (
            (tables.sessions, [rows.session_row(session) for session in sessions]),
            (tables.session_tags, [{"session_id": id_, "tag": "a"} for id_ in ids]),
            (tables.session_sequences, gates),
            (tables.runs, runs),
            (tables.events, events),
        ):
            await conn.execute(sa.insert(table), values)


@pytest.mark.postgres
async def test_every_transaction_that_writes_takes_the_session_locks_first(
    undisputed_postgres_url: str,
) -> None:
    """
    So nobody who waits holds a transaction id, and nobody deadlocks.
    """
    engine = create_engine(undisputed_postgres_url)
    transactions: list[list[str]] = []

    def begin(_: object) -> None:
        transactions.append([])

    def take_down(*told: Any) -> None:
        transactions[-1].append(" ".join(told[2].split()))

    await store_long_session(engine, "long")
    old = NOON - timedelta(days=100)
    over = {"status": SessionStatus.COMPLETED, "created_at": old, "updated_at": old}
    await load(engine, [make_session(id=f"old_{n}", **over) for n in range(3)])
    await load(engine, [make_session(id=f"new_{n}") for n in range(2)])
    sa_event.listen(engine.sync_engine, "begin", begin)
    sa_event.listen(engine.sync_engine, "before_cursor_execute", take_down)
    maintenance = maintenance_at(engine, NOON)
    policy = RetentionPolicy(max_events_per_session=1, max_total_events=1)
    report = await maintenance.execute(policy)
    await maintenance.soft_delete_session("new_0")
    await maintenance.restore_session("new_0")
    await SQLSessionStore(engine).delete_session("new_1")
    await engine.dispose()

    assert report.errors == {}
    writes = ("UPDATE", "DELETE", "INSERT", "FOR UPDATE")
    writing = [
        statements
        for statements in transactions
        if any(word in text for text in statements for word in writes)
    ]
    assert len(writing) > 10
    assert all("pg_advisory_xact_lock" in statements[0] for statements in writing)
