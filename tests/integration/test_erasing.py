"""
What an erasure leaves in a database, and in its file.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async import Ports
from asm_async.sql import (
    SQLMaintenance,
    SQLPorts,
    SQLSessionStore,
    create_engine,
    migrations,
)
from asm_async.sql.core import tables
from asm_async.sql.notifications.hub import WakeUp
from asm_async.sql.retention.batches import MAX_ROWS_PER_TRANSACTION
from asm_async.sql.runtime.shared_state import shared_state
from asm_async.testing.factories import (
    make_artifact,
    make_event,
    make_events,
    make_execution_result,
    make_item,
    make_run,
    make_session,
)
from tests.integration.by_hand import execute, issues_of
from tests.integration.test_maintenance import (
    gate_of,
    store_long_session,
    watched_deletions,
)

SAID = "my number is 555-0100"


async def tell_secrets(ports: Ports, session_id: str = "ses_1") -> None:
    """
    Store a session of a user's that holds a secret wherever it can.
    """
    secret = {"text": SAID}
    await ports.store.flush(
        make_execution_result(
            session=make_session(
                id=session_id,
                tenant_id="acme",
                user_id="ann",
                tags=[SAID],
                metadata=secret,
                context=secret,
            ),
            run=make_run(session_id=session_id, input=secret, metadata=secret),
            events=[
                make_event(id=f"evt_{n}", session_id=session_id, data=secret)
                for n in range(300)
            ],
        )
    )
    item = make_item(session_id=session_id, data=secret, content=SAID.encode())
    await ports.state.save_items([item])
    artifact = make_artifact(session_id=session_id, key=SAID, metadata=secret)
    await ports.artifacts.register(artifact)


async def test_no_transaction_of_an_erasure_removes_many_rows(
    engine: AsyncEngine,
) -> None:
    """
    A session of thousands goes a thousand at a time; small ones go together.
    """
    await store_long_session(engine)
    store = SQLSessionStore(engine)
    for number in range(100):
        await store.save_session(make_session(id=f"small_{number}", user_id="ann"))
    with watched_deletions(engine) as counts:
        maintenance = SQLMaintenance(engine)
        report = await maintenance.erase(session_ids=["ses_1"])
        assert (report.event_count, report.run_count) == (3_500, 1_500)
        assert max(counts) == MAX_ROWS_PER_TRANSACTION
        counts.clear()
        assert (await maintenance.erase(user_id="ann")).session_count == 100
        assert counts.count(100) == 1

    assert await gate_of(engine, "ses_1") == (3_500, 3_500, "deleted")
    assert await issues_of(engine) == set()


async def test_a_hard_deletion_that_broke_off_is_finished_by_an_erasure(
    engine: AsyncEngine,
) -> None:
    """
    Whose session it was nothing tells any more, since its row goes first.
    """
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    await store.append_events(make_events(50))
    await execute(
        engine,
        sa.delete(tables.sessions),
        sa.update(tables.session_sequences).values(state="deleting"),
    )
    report = await SQLMaintenance(engine).erase(user_id="ann")
    assert report.is_complete
    assert await gate_of(engine, "ses_1") == (50, 50, "deleted")
    assert await issues_of(engine) == set()


async def test_what_stays_of_an_erased_session_is_no_more_than_ids_and_numbers(
    engine: AsyncEngine,
) -> None:
    """
    No table says what was said, by whom, or whose it was.
    """
    async with SQLPorts(engine) as ports:
        await tell_secrets(ports)
        assert SAID in await everything_in(engine)
        await ports.maintenance.erase(user_id="ann")
        left = await everything_in(engine)
    assert [word for word in (SAID, "acme", "ann", "assistant") if word in left] == []
    assert "ses_1" in left


async def everything_in(engine: AsyncEngine) -> str:
    """
    Write down all rows of all tables.
    """
    async with engine.connect() as conn:
        rows = [
            row
            for table in tables.METADATA.tables.values()
            for row in await conn.execute(sa.select(table))
        ]
    return repr(rows)


async def test_an_erasure_wakes_those_who_wait_for_its_sessions(
    engine: AsyncEngine,
) -> None:
    """
    They need not wait until they look by themselves.
    """
    store = SQLSessionStore(engine)
    await store.save_session(make_session(user_id="ann"))
    watching = WakeUp(watches_status=True)
    with shared_state(engine).hub.waiting_for("ses_1", watching):
        await SQLMaintenance(engine).erase(user_id="ann")
        assert watching.is_set()


async def test_followers_of_an_erased_session_are_done(ports: Ports) -> None:
    """
    And a consumer goes on behind the last event of it that it has acknowledged.
    """
    await tell_secrets(ports)
    following = ports.feed.follow_session("ses_1", until_over=True)
    assert (await anext(following)).sequence_number == 1
    async with aclosing(ports.feed.consumer("one").batches()) as batches:
        await (await anext(batches)).acknowledge()

    async def end() -> int:
        return len([event async for event in following])

    async with asyncio.timeout(30):
        ending = asyncio.create_task(end())
        await asyncio.sleep(0)
        await ports.maintenance.erase(user_id="ann")
        assert await ending <= 299
        await ports.store.save_session(make_session(id="ses_2"))
        await ports.store.append_event(make_event(id="new", session_id="ses_2"))
        async with aclosing(ports.feed.consumer("one").batches()) as batches:
            batch = await anext(batches)
    assert [event.session_id for event in batch.events] == ["ses_2"]


@pytest.mark.parametrize("way", ["vacuum", "secure_delete"])
async def test_no_byte_of_what_was_erased_is_left_in_an_sqlite_file(
    tmp_path: Path, way: str
) -> None:
    """
    After a VACUUM, or deleted by connections that overwrite, and a checkpoint.
    """
    path = tmp_path / "asm.sqlite3"
    engine = create_engine(f"sqlite+aiosqlite:///{path}")
    if way == "secure_delete":
        sa_event.listen(engine.sync_engine, "connect", overwrite_what_is_deleted)
    await migrations.upgrade(engine)
    async with SQLPorts(engine) as ports:
        await tell_secrets(ports)
        await ports.store.save_session(make_session(id="other"))
        await ports.store.append_events(make_events(300, session_id="other"))
        await ports.maintenance.erase(user_id="ann")
        assert files_with_secret(tmp_path)
        with closing(sqlite3.connect(path)) as conn:
            if way == "vacuum":
                conn.execute("VACUUM")
            busy, *_ = conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert not busy
        assert files_with_secret(tmp_path) == []
        assert len(await ports.store.get_events("other")) == 300
    await engine.dispose()


def overwrite_what_is_deleted(connection: Any, _: object) -> None:
    """
    Set up a new connection.
    """
    connection.cursor().execute("PRAGMA secure_delete = ON")


def files_with_secret(directory: Path) -> list[str]:
    """
    List the files in which the secret's bytes stand.
    """
    return [
        path.name for path in directory.iterdir() if SAID.encode() in path.read_bytes()
    ]
