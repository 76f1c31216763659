"""
Exports and imports on SQL databases: little memory, short transactions, no damage.
"""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import HistoryConflictError, StorageError
from asm_async.sql import SQLQueryAPI, SQLSessionStore, create_engine, migrations
from asm_async.sql.core import tables
from asm_async.testing.factories import make_event, make_events, make_session
from asm_async.testing.query_api.transfer import (
    export_of,
    exported,
    history,
    pieces,
    store_session,
)

MEBIBYTE = 1 << 20


class Statements:
    """
    Statements of some kind, as they are about to run.
    """

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.first = asyncio.Event()


@contextmanager
def statements(engine: AsyncEngine, part: str) -> Generator[Statements]:
    """
    Note the statements that hold *part*.
    """
    found = Statements()

    def note(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        if part in statement:
            found.seen.append(statement)
            found.first.set()

    sa_event.listen(engine.sync_engine, "before_cursor_execute", note)
    yield found
    sa_event.remove(engine.sync_engine, "before_cursor_execute", note)


@contextmanager
def peak_of_memory() -> Generator[list[float]]:
    """
    Note how many mebibytes Python took at most, beyond what it had.
    """
    found: list[float] = []
    gc.collect()
    tracemalloc.start()
    try:
        yield found
        found.append(tracemalloc.get_traced_memory()[1] / MEBIBYTE)
    finally:
        tracemalloc.stop()


async def test_memory_does_not_grow_with_a_session(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    """
    Half of a session of 29 MiB is more than its export and its import need.
    """
    store, query_api = SQLSessionStore(engine), SQLQueryAPI(engine)
    await store.save_session(make_session())
    for start in range(1, 3_001, 500):
        events = make_events(500, first=start, data={"text": "x" * 10_000})
        await store.append_events(events)
    file = tmp_path / "export.jsonl"
    other = create_engine(f"sqlite+aiosqlite:///{tmp_path / 'other.sqlite3'}")
    await migrations.upgrade(other)

    with file.open("wb") as output, peak_of_memory() as exporting:

        async def write(data: bytes) -> None:
            output.write(data)

        report = await query_api.export_sessions(write)
    with file.open("rb") as source, peak_of_memory() as importing:

        async def read() -> AsyncGenerator[bytes]:
            while data := source.read(1 << 16):
                yield data

        await SQLQueryAPI(other).import_sessions(read())
    await other.dispose()

    assert report.byte_count > 29 * MEBIBYTE
    assert exporting[0] < 15
    assert importing[0] < 15


@pytest.mark.parametrize("latest", [None, 4, 6])
async def test_a_damaged_counter_is_not_exported(
    engine: AsyncEngine, latest: int | None
) -> None:
    """
    A session whose counter is missing or wrong is an error, from both kinds of export.
    """
    query_api, gates = SQLQueryAPI(engine), tables.session_sequences
    await store_session(SQLSessionStore(engine), "ses_1")
    async with engine.begin() as conn:
        if latest is None:
            await conn.execute(sa.delete(gates))
        else:
            await conn.execute(sa.update(gates).values(last_sequence=latest))

    with pytest.raises(StorageError, match="session 'ses_1' is damaged: "):
        await query_api.export_session("ses_1")
    with pytest.raises(StorageError, match="session 'ses_1' is damaged: "):
        await exported(query_api)


async def test_a_counter_without_its_session_is_a_tombstone(
    engine: AsyncEngine,
) -> None:
    """
    An import does not go on from a number that somebody may have seen.
    """
    await SQLSessionStore(engine).save_session(make_session())
    async with engine.begin() as conn:
        await conn.execute(sa.delete(tables.sessions))

    with pytest.raises(HistoryConflictError, match="deleted here"):
        await SQLQueryAPI(engine).import_sessions(pieces(export_of(history())))


async def test_what_is_here_is_compared_without_locks(engine: AsyncEngine) -> None:
    """
    Importing again begins no transaction that writes.
    """
    query_api, export = SQLQueryAPI(engine), export_of(history())
    await query_api.import_sessions(pieces(export))

    with (
        statements(engine, "BEGIN IMMEDIATE") as begun,
        statements(engine, "pg_advisory") as locked,
    ):
        await query_api.import_sessions(pieces(export))

    assert begun.seen + locked.seen == []


@pytest.mark.parametrize("part", ["FROM asm_events", "INSERT INTO asm_events"])
async def test_a_cancelled_transfer_stops_soon(engine: AsyncEngine, part: str) -> None:
    """
    The batch in hand is the last, however long the session is; nothing is stored.
    """
    query_api, store = SQLQueryAPI(engine), SQLSessionStore(engine)
    events = [
        make_event(id=f"evt_{number}", sequence_number=number)
        for number in range(1, 10_001)
    ]
    export = export_of(history(runs=(), events=events))
    is_import = part.startswith("INSERT")
    if not is_import:
        await query_api.import_sessions(pieces(export))
    call = (
        query_api.import_sessions(pieces(export)) if is_import else exported(query_api)
    )
    task: asyncio.Task[object] = asyncio.create_task(call)
    with statements(engine, part) as found:
        await found.first.wait()
        task.cancel()
        await asyncio.wait({task})

    assert task.cancelled()
    assert len(found.seen) <= 2
    if is_import:
        assert await store.list_sessions() == []
        assert await store.get_events("ses_1") == []


async def test_a_session_is_read_at_one_moment(engine: AsyncEngine) -> None:
    """
    What is appended while it is being read does not show.
    """
    store, query_api = SQLSessionStore(engine), SQLQueryAPI(engine)
    await store.save_session(make_session())
    await store.append_events(make_events(10_000))
    with statements(engine, "FROM asm_events") as found:
        exporting = asyncio.create_task(exported(query_api))
        await found.first.wait()
        await store.append_events(make_events(10, first=20_000))
        assert not exporting.done()
        export = await exporting

    assert export.count(b'{"record":"event"') == 10_000


async def test_large_rows_are_read_by_few(engine: AsyncEngine) -> None:
    """
    A batch is about a mebibyte, whether its rows are large or small.
    """
    store, query_api = SQLSessionStore(engine), SQLQueryAPI(engine)
    await store.save_session(make_session())
    for start in range(1, 201, 20):
        large = make_events(20, first=start, data={"text": "x" * 100_000})
        await store.append_events(large)
    written: list[int] = []

    async def write(data: bytes) -> None:
        written.append(len(data))

    await query_api.export_sessions(write)

    # The first 32 are read before anybody knows how large they are.
    assert max(written) < 4 * MEBIBYTE
    assert max(written[4:]) < 1.1 * MEBIBYTE
