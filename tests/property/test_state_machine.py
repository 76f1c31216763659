"""
Whatever is done in whatever order, every database does what the one in memory does.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from asm_async.sql import (
    SQLArtifactRegistry,
    SQLMaintenance,
    SQLQueryAPI,
    SQLSessionStore,
    create_engine,
    migrations,
)
from asm_async.sql.core import tables
from asm_async.testing.state_machine import Clock, OpenPorts, Ports, state_machine
from tests.effort import examples
from tests.fault.broken_stores import UnexpectingStore


@asynccontextmanager
async def sql_ports(url: str, clock: Clock) -> AsyncGenerator[Ports]:
    """
    Open a database that has our tables; one in memory gets them here.
    """
    # Who listens for events would be told of them in tasks of their own.
    engine = create_engine(url, execution_options={"asm_announces": False})
    if engine.url.database is None:
        await migrations.upgrade(engine)
    store = SQLSessionStore(engine)
    yield Ports(
        session_store=store,
        query_api=SQLQueryAPI(engine),
        maintenance=SQLMaintenance(engine, clock=clock),
        artifact_registry=SQLArtifactRegistry(engine),
        state_store=store.state_store(),
    )
    await store.aclose()
    await engine.dispose()


def check(open_ports: OpenPorts, *, runs: int, steps: int = 30) -> None:
    """
    Run the machine so many times, with at most so many calls, always the same way.
    """
    run_state_machine_as_test(
        state_machine(open_ports),
        settings=settings(
            max_examples=runs,
            stateful_step_count=steps,
            derandomize=True,
            # To shrink takes long enough; what remains explains itself.
            phases=[Phase.generate, Phase.shrink],
        ),
    )


def test_sqlite_in_memory_does_what_memory_does() -> None:
    """
    SQLite in memory gives the same results, errors and contents.
    """
    check(lambda clock: sql_ports("sqlite+aiosqlite://", clock), runs=examples(80))


def test_an_sqlite_file_does_what_memory_does(
    tmp_path: Path, sqlite_template: Path
) -> None:
    """
    SQLite in a file gives the same results, errors and contents.
    """
    numbers = count()

    def open_file(clock: Clock) -> AbstractAsyncContextManager[Ports]:
        path = shutil.copy(sqlite_template, tmp_path / f"{next(numbers)}.sqlite3")
        return sql_ports(f"sqlite+aiosqlite:///{path}", clock)

    check(open_file, runs=examples(50))


@pytest.mark.postgres
def test_postgresql_does_what_memory_does(migrated_postgres_url: str) -> None:
    """
    PostgreSQL gives the same results, errors and contents.
    """

    @asynccontextmanager
    async def open_emptied(clock: Clock) -> AsyncGenerator[Ports]:
        engine = create_engine(migrated_postgres_url)
        names = ", ".join(tables.METADATA.tables)
        async with engine.begin() as conn:
            await conn.execute(sa.text(f"TRUNCATE {names}"))
        await engine.dispose()
        async with sql_ports(migrated_postgres_url, clock) as ports:
            yield ports

    check(open_emptied, runs=examples(20))


def test_what_is_wrong_with_an_adapter_is_told_in_few_calls() -> None:
    """
    A store that overlooks expectations is found out, by an append and little else.
    """

    @asynccontextmanager
    async def open_broken(_: Clock) -> AsyncGenerator[Ports]:
        yield Ports(session_store=UnexpectingStore())

    with pytest.raises(AssertionError, match="append_event") as found:
        # Hypothesis gives up on long runs before it has left out all that it could.
        check(open_broken, runs=500, steps=4)

    steps = [note for note in found.value.__notes__ if note.startswith("state.")]
    assert len(steps) <= 3
