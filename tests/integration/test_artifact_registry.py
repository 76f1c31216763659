"""
What the registry asks of a database: by indexes, and under its sessions' locks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeAlias

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import StorageBusyError
from asm_async.sql import SQLArtifactRegistry, SQLSessionStore, create_engine
from asm_async.sql.core import rows, tables
from asm_async.sql.retention.batches import ThrottledWriter
from asm_async.sql.retention.orphans import (
    remove_deleted_artifacts,
    remove_orphaned_artifacts,
)
from asm_async.sql.transactions.transaction import Transaction, Transactions
from asm_async.testing.factories import NOON, make_artifact, make_session
from tests.integration.query_plans import is_scan, is_sort, statements_of, steps_of

Call: TypeAlias = Callable[[SQLArtifactRegistry], Awaitable[Any]]

ARTIFACTS = 3_000


@pytest.fixture
async def registry(engine: AsyncEngine) -> SQLArtifactRegistry:
    """
    Return a registry in whose database the session ``ses_1`` is.
    """
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    await store.aclose()
    return SQLArtifactRegistry(engine)


async def fill(engine: AsyncEngine) -> None:
    """
    Store many artifacts, a tenth of which are soft-deleted.
    """
    artifacts = [
        make_artifact(
            id=f"art_{number}",
            key=f"key_{number}",
            session_id=f"ses_{number % 100}",
            checksum_sha256=f"{number:064x}",
            created_at=NOON + timedelta(seconds=number),
            deleted_at=None if number % 10 else NOON + timedelta(days=number),
        )
        for number in range(ARTIFACTS)
    ]
    async with engine.begin() as conn:
        await conn.execute(
            sa.insert(tables.artifacts), [rows.artifact_row(one) for one in artifacts]
        )
    async with engine.connect() as conn:
        await conn.exec_driver_sql("ANALYZE")
        await conn.commit()


CALLS: dict[str, Call] = {
    "register": lambda registry: registry.register(
        make_artifact(id="new", key="new", session_id="ses_1")
    ),
    "get": lambda registry: registry.get("art_7"),
    "get_by_key": lambda registry: registry.get_by_key("key_7"),
    "list": lambda registry: registry.list_by_session("ses_1", limit=5),
    "stats": lambda registry: registry.session_stats("ses_1"),
    "soft_delete": lambda registry: registry.soft_delete("art_7"),
    "named": lambda registry: registry.named_checksums(
        [f"{number:064x}" for number in range(5)]
    ),
}

INDEXES = {
    "list": "ix_asm_artifacts_session_id",
    "stats": "ix_asm_artifacts_session_id",
    "named": "ix_asm_artifacts_checksum_sha256",
}


async def test_every_statement_uses_an_index(
    engine: AsyncEngine, registry: SQLArtifactRegistry
) -> None:
    """
    Among thousands of artifacts nothing is found by a scan; lists need no sort.
    """
    await fill(engine)
    await registry.get("art_1")
    plans: dict[str, list[str]] = {}
    for name, call in CALLS.items():
        with statements_of(engine) as statements:
            await call(registry)
        steps = [await steps_of(engine, statement) for statement in statements]
        plans[name] = [step for some in steps for step in some]

    assert all(plans.values())
    for name, index in INDEXES.items():
        assert any(index in step for step in plans[name]), (name, plans[name])
    taken = [step for plan in plans.values() for step in plan]
    assert [step for step in taken if is_scan(step) and "asm_artifacts" in step] == []
    assert not any(map(is_sort, plans["list"]))


@pytest.mark.postgres
async def test_whoever_writes_an_artifact_waits_for_its_session(
    undisputed_postgres_url: str,
) -> None:
    """
    Registrations, deletions and removals alike; those of no session wait for none.
    """
    engine = create_engine(undisputed_postgres_url)
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    await SQLArtifactRegistry(engine).register(make_artifact())
    quick = SQLArtifactRegistry(engine, timeout=1)
    orphan = make_artifact(id="art_2", key="b", session_id="gone", deleted_at=NOON)
    async with engine.begin() as conn:
        insert = sa.insert(tables.artifacts)
        await conn.execute(insert, [rows.artifact_row(orphan)])
    writes = ThrottledWriter(Transactions(engine, 1))

    async def hold(transaction: Transaction) -> None:
        await transaction.lock_sessions({"ses_1", "gone"})
        for call in (
            quick.register(make_artifact(id="art_3", key="c")),
            quick.soft_delete("art_1"),
            anext(remove_orphaned_artifacts(writes)),
            anext(remove_deleted_artifacts(writes, NOON + timedelta(days=1))),
        ):
            with pytest.raises(StorageBusyError):
                await call
        await quick.register(make_artifact(id="art_4", key="d", session_id=None))
        await quick.soft_delete("art_4")

    try:
        await Transactions(engine, 60).write(hold, is_repeatable=False)
        assert await quick.soft_delete("art_1") == await quick.get("art_1")
    finally:
        await store.aclose()
        await engine.dispose()
