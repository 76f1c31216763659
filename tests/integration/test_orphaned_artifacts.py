"""
Artifacts whose session is gone, or that were soft-deleted long ago, are removed.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.fronts.maintenance import Batches
from asm_async.memory import (
    InMemoryArtifactRegistry,
    InMemoryDatabase,
    InMemoryMaintenance,
    InMemorySessionStore,
)
from asm_async.sql import SQLArtifactRegistry, SQLSessionStore
from asm_async.sql.core import rows, tables
from asm_async.sql.retention.batches import ThrottledWriter
from asm_async.sql.retention.orphans import (
    remove_deleted_artifacts,
    remove_orphaned_artifacts,
)
from asm_async.sql.transactions.transaction import Transactions
from asm_async.testing.concurrency import run_together
from asm_async.testing.factories import make_artifact, make_session
from asm_async.values.artifact import ArtifactStats
from asm_async.values.fields import MAX_COUNT

SOON = timedelta(hours=1)


def writes_of(engine: AsyncEngine) -> ThrottledWriter:
    """
    Return what maintenance writes with.
    """
    return ThrottledWriter(Transactions(engine, 10.0))


async def counts_of(batches: Batches) -> list[int]:
    """
    Have all batches done and give what each has counted.
    """
    return [batch.count async for batch in batches]


async def insert_artifacts(
    engine: AsyncEngine, count: int, **fields: object
) -> list[str]:
    """
    Store artifacts past the registry, each of a session of its own or of one given.
    """
    artifacts = [
        make_artifact(
            **{
                "id": f"art_{number:04}",
                "key": f"key_{number}",
                "session_id": f"gone_{number}",
                **fields,
            }
        )
        for number in range(count)
    ]
    async with engine.begin() as conn:
        await conn.execute(
            sa.insert(tables.artifacts), [rows.artifact_row(one) for one in artifacts]
        )
    return [artifact.id for artifact in artifacts]


async def ids_in(engine: AsyncEngine) -> list[str]:
    """
    Return the ids of all artifacts.
    """
    query = sa.select(tables.artifacts.c.id).order_by(tables.artifacts.c.id)
    async with engine.connect() as conn:
        return list(await conn.scalars(query))


async def test_artifacts_of_no_living_session_are_removed(engine: AsyncEngine) -> None:
    """
    In batches; those of a session, soft-deleted or not, and those of none stay.
    """
    store, registry = SQLSessionStore(engine), SQLArtifactRegistry(engine)
    await insert_artifacts(engine, 230)
    await store.save_session(make_session())
    await registry.register(make_artifact(id="kept_1", key="a"))
    await registry.register(make_artifact(id="kept_2", key="b", session_id=None))
    async with engine.begin() as conn:
        await conn.execute(
            sa.update(tables.sessions).values(deleted_at=datetime.now(UTC))
        )
    writes = writes_of(engine)

    assert await counts_of(remove_orphaned_artifacts(writes)) == [100, 100, 30]
    assert await ids_in(engine) == ["kept_1", "kept_2"]
    assert await counts_of(remove_orphaned_artifacts(writes)) == []
    await store.aclose()


async def test_many_artifacts_of_one_gone_session_are_removed(
    engine: AsyncEngine,
) -> None:
    """
    Though they be more than a batch.
    """
    await insert_artifacts(engine, 130, session_id="gone")
    removed = await counts_of(remove_orphaned_artifacts(writes_of(engine)))

    assert removed == [100, 30]
    assert await ids_in(engine) == []


async def test_a_session_that_comes_back_in_time_keeps_its_artifacts(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Whether it is there is looked at again under its lock.
    """
    store, writes = SQLSessionStore(engine), writes_of(engine)
    await insert_artifacts(engine, 3)
    read = writes.transactions.read

    async def read_and_be_late(work: Any) -> Any:
        found: Any = await read(work)
        await store.save_session(make_session(id="gone_1"))
        return found

    monkeypatch.setattr(writes.transactions, "read", read_and_be_late)

    assert await counts_of(remove_orphaned_artifacts(writes)) == [2]
    assert await ids_in(engine) == ["art_0001"]
    await store.aclose()


async def test_artifacts_that_were_deleted_long_ago_are_removed(
    engine: AsyncEngine,
) -> None:
    """
    Whatever their session; exactly at the time is not before it.
    """
    now = datetime.now(UTC)
    await insert_artifacts(engine, 130, session_id=None, deleted_at=now)
    writes = writes_of(engine)

    assert await counts_of(remove_deleted_artifacts(writes, now)) == []
    removed = await counts_of(remove_deleted_artifacts(writes, now + SOON))
    assert removed == [100, 30]
    assert await ids_in(engine) == []


async def test_two_who_remove_at_once_do_no_harm(engine: AsyncEngine) -> None:
    """
    Nothing is counted twice, and they do not lock each other out.
    """
    await insert_artifacts(engine, 150, deleted_at=datetime.now(UTC) - SOON)
    await insert_late(engine)
    both = [writes_of(engine), writes_of(engine)]
    orphans = await run_together(
        counts_of(remove_orphaned_artifacts(writes)) for writes in both
    )
    deleted = await run_together(
        counts_of(remove_deleted_artifacts(writes, datetime.now(UTC)))
        for writes in both
    )

    assert sum(map(sum, orphans)) == 150
    assert sum(map(sum, deleted)) == 150
    assert await ids_in(engine) == []


async def insert_late(engine: AsyncEngine) -> None:
    """
    Store soft-deleted artifacts of no session, which no session's lock protects.
    """
    artifacts = [
        make_artifact(
            id=f"late_{number}",
            key=f"late_{number}",
            session_id=None,
            deleted_at=datetime.now(UTC) - SOON,
        )
        for number in range(150)
    ]
    async with engine.begin() as conn:
        await conn.execute(
            sa.insert(tables.artifacts), [rows.artifact_row(one) for one in artifacts]
        )


async def test_sizes_are_added_up_beyond_64_bits(engine: AsyncEngine) -> None:
    """
    To the last byte.
    """
    await insert_artifacts(engine, 1100, session_id="ses_1", byte_size=MAX_COUNT)
    stats = await SQLArtifactRegistry(engine).session_stats("ses_1")

    assert 1100 * MAX_COUNT > 2**63
    assert stats == ArtifactStats(artifact_count=1100, total_bytes=1100 * MAX_COUNT)


async def test_memory_removes_what_sql_removes() -> None:
    """
    Orphans, and what was deleted before a time.
    """
    database = InMemoryDatabase()
    registry = InMemoryArtifactRegistry(database)
    await InMemorySessionStore(database).save_session(make_session())
    for number, session_id in enumerate(("ses_1", None, "ses_1")):
        artifact = make_artifact(
            id=f"art_{number}", key=f"key_{number}", session_id=session_id
        )
        await registry.register(artifact)
    orphan = make_artifact(id="art_9", key="key_9", session_id="gone")
    database.artifacts[orphan.id] = orphan
    deleted = await registry.soft_delete("art_1")
    assert deleted.deleted_at is not None

    assert await InMemoryMaintenance(database).clean_orphaned_artifacts() == 1
    at, later = deleted.deleted_at, deleted.deleted_at + timedelta(microseconds=1)
    assert await registry.hard_delete_expired(at) == 0
    assert await registry.hard_delete_expired(later) == 1
    assert sorted(database.artifacts) == ["art_0", "art_2"]
