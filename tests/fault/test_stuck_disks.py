"""
Threads of SQLite that are stuck in the disk, such as one that the network has lost.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from asm_async.errors import StorageUnavailableError
from asm_async.files import LocalArtifactStore
from asm_async.sql import SQLQueryAPI, SQLSessionStore, create_engine
from asm_async.sql.open import open_ports
from asm_async.testing.factories import make_event, make_session
from tests.fault.stopwatch import GRACE, LONG_SECONDS, Stopwatch
from tests.fault.stuck_disk import StuckDisk
from tests.torture.port_calls import CALLS, DATABASE_CALLS, Subject
from tests.torture.world import Ports, later, sql_ports

TIMEOUT = 1.0


@pytest.fixture(autouse=True)
def no_thread_is_left() -> object:
    """
    Assert that the threads end which were left in the disk, once it answers.
    """
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        # Those of the loop's executor stay with it.
        if thread.name.startswith("asyncio_"):
            continue
        thread.join(LONG_SECONDS)
        assert not thread.is_alive()


@pytest.fixture(params=["own", "hosts"])
async def engine(
    request: pytest.FixtureRequest, sqlite_url: str
) -> AsyncIterator[AsyncEngine]:
    """
    Yield an engine of ours, and one that the host has made as SQLAlchemy says.
    """
    make = create_engine if request.param == "own" else create_async_engine
    engine = make(sqlite_url)
    yield engine
    await engine.dispose()


@pytest.fixture
async def disk(engine: AsyncEngine) -> AsyncIterator[StuckDisk]:
    """
    Yield the disk below the engine.
    """
    disk = StuckDisk(engine)
    yield disk
    disk.answer()


@pytest.fixture
async def store(disk: StuckDisk) -> SQLSessionStore:
    """
    Return a store of short timeout, with a session and an event.
    """
    store = SQLSessionStore(disk.engine, timeout=TIMEOUT)
    await store.save_session(make_session())
    await store.append_event(make_event(id="evt_0"))
    return store


@pytest.mark.parametrize("kind", ["own", "hosts"])
async def test_every_call_of_every_port_ends_in_time(
    stopwatch: Stopwatch, tmp_path: Path, sqlite_url: str, kind: str
) -> None:
    """
    Each ends a second after its timeout at the most, and so does closing.
    """
    make = create_engine if kind == "own" else create_async_engine
    contents = LocalArtifactStore(tmp_path / "contents")
    whole = tmp_path / "asm.sqlite3"
    cases: list[tuple[str, AsyncEngine, StuckDisk, Ports, Subject]] = []
    for number, name in enumerate(DATABASE_CALLS):
        file = tmp_path / f"{number}.sqlite3"
        shutil.copy(whole, file)
        engine = make(sqlite_url.replace("asm.sqlite3", file.name))
        disk, subject = StuckDisk(engine), Subject(f"x{number}x")
        ports = sql_ports(engine, contents, later, TIMEOUT)
        patient = sql_ports(engine, contents, later, LONG_SECONDS)
        await subject.prepare(patient)
        await CALLS[name].prepare(patient, subject)
        # Its port has looked at the database before.
        await ports.store.get_latest_sequence(subject.id("ses"))
        await ports.maintenance.clean_orphaned_artifacts()
        cases.append((name, engine, disk, ports, subject))
    for _, _, disk, _, _ in cases:
        disk.hang()
    took = await asyncio.gather(
        *(stopwatch.time(CALLS[name].call(p, s)) for name, _, _, p, s in cases)
    )
    closing = await asyncio.gather(
        *(stopwatch.time(ports.aclose()) for _, _, _, ports, _ in cases)
    )
    hung = [name for name, _, disk, _, _ in cases if disk.is_reached.is_set()]
    for _, engine, disk, _, _ in cases:
        disk.answer()
        await engine.dispose()

    late = {
        n: s for n, s in zip(DATABASE_CALLS, took, strict=True) if s > TIMEOUT + GRACE
    }
    assert late == {}
    assert max(closing) < TIMEOUT + GRACE
    # Nobody got away with a cache.
    assert len(hung) > len(DATABASE_CALLS) * 0.9


@pytest.mark.parametrize(
    ("statement", "is_unknown"),
    [("INSERT INTO asm_events", False), ("COMMIT", True)],
)
async def test_the_outcome_is_unknown_only_of_what_may_commit(
    store: SQLSessionStore, disk: StuckDisk, statement: str, *, is_unknown: bool
) -> None:
    """
    What had not begun to commit never will, also if the disk answers afterwards.
    """
    disk.hang(statement)
    with pytest.raises(StorageUnavailableError) as caught:
        async with asyncio.timeout(LONG_SECONDS):
            await store.append_event(make_event(id="evt_1"))
    disk.answer()

    assert caught.value.outcome_unknown is is_unknown
    # The lock of the file is free once the thread has closed it.
    await store.append_event(make_event(id="evt_2"))
    ids = {event.id for event in await store.get_events("ses_1")}
    assert {"evt_0", "evt_2"} <= ids <= {"evt_0", "evt_2", *(["evt_1"] * is_unknown)}


async def test_the_others_go_on_over_other_connections(
    store: SQLSessionStore, disk: StuckDisk
) -> None:
    """
    A read that is stuck keeps neither readers nor writers waiting, before it is over.
    """
    patient = SQLSessionStore(store.engine, timeout=LONG_SECONDS)
    await patient.open()
    disk.hang("SELECT")
    stuck = asyncio.create_task(patient.get_session("ses_1"))
    await asyncio.to_thread(disk.is_reached.wait, LONG_SECONDS)
    disk.hang("nothing at all")
    async with asyncio.timeout(LONG_SECONDS / 2):
        await store.append_event(make_event(id="evt_1"))
        assert len(await store.get_events("ses_1")) == 2

    assert not stuck.done()
    disk.answer()
    assert (await stuck).id == "ses_1"


async def test_writers_go_on_when_a_stuck_one_was_given_up(
    store: SQLSessionStore, disk: StuckDisk
) -> None:
    """
    Its thread has the lock of the file only if it had begun to write.
    """
    disk.hang("BEGIN")
    with pytest.raises(StorageUnavailableError):
        await store.append_event(make_event(id="evt_1"))
    disk.hang("nothing at all")

    await store.append_event(make_event(id="evt_2"))
    assert [e.id for e in await store.get_events("ses_1")] == ["evt_0", "evt_2"]


async def test_a_cancelled_reader_does_not_wait_for_a_stuck_thread(
    store: SQLSessionStore, disk: StuckDisk, stopwatch: Stopwatch
) -> None:
    """
    ``asyncio.timeout`` around a read is obeyed at once, whoever makes the statement.
    """
    patient = SQLSessionStore(store.engine, timeout=LONG_SECONDS)
    query_api = SQLQueryAPI(store.engine, timeout=LONG_SECONDS)
    await patient.open()
    await query_api.search_sessions()
    disk.hang()

    async def read(call: Awaitable[object]) -> None:
        async with asyncio.timeout(0.1):
            await call

    assert await stopwatch.time(read(query_api.search_sessions())) < 1
    assert await stopwatch.time(read(patient.get_session("ses_1"))) < 1
    disk.answer()
    assert len((await query_api.search_sessions()).items) == 1


class StuckFile(sqlite3.Connection):
    """
    A file that takes its time to be opened or closed.
    """

    answers = threading.Event()
    closed = threading.Event()
    is_stuck_at = ""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._wait("open")

    def close(self) -> None:
        """
        Close it once the disk answers.
        """
        self._wait("close")
        super().close()
        self.closed.set()

    def _wait(self, place: str) -> None:
        if self.is_stuck_at == place:
            self.answers.wait(LONG_SECONDS)


@pytest.fixture
def stuck_file() -> Iterator[type[StuckFile]]:
    """
    Yield a class of files of one's own, which answer in the end.
    """

    class Stuck(StuckFile):
        answers = threading.Event()
        closed = threading.Event()

    yield Stuck
    Stuck.answers.set()


async def test_a_lifespan_ends_though_files_cannot_be_closed(
    sqlite_url: str, stuck_file: type[StuckFile], stopwatch: Stopwatch
) -> None:
    """
    The threads go on with that, and nobody waits for them.
    """

    async def live() -> None:
        async with open_ports(
            sqlite_url, timeout=TIMEOUT, connect_args={"factory": stuck_file}
        ) as ports:
            await ports.store.save_session(make_session())
            stuck_file.is_stuck_at = "close"

    assert await stopwatch.time(live()) < TIMEOUT + GRACE


async def test_a_lifespan_waits_for_a_slow_disk(
    sqlite_url: str, stuck_file: type[StuckFile]
) -> None:
    """
    To copy a long log takes seconds, and who keeps the file alone needs all of it.
    """
    async with open_ports(
        sqlite_url, timeout=LONG_SECONDS, connect_args={"factory": stuck_file}
    ) as ports:
        await ports.store.save_session(make_session())
        stuck_file.is_stuck_at = "close"
        asyncio.get_running_loop().call_later(1, stuck_file.answers.set)

    assert stuck_file.closed.is_set()


async def test_a_file_that_cannot_be_opened_keeps_nobody(
    sqlite_url: str, stuck_file: type[StuckFile], stopwatch: Stopwatch
) -> None:
    """
    The call ends in time, and the file is closed when the thread is back.
    """
    engine = create_engine(sqlite_url, connect_args={"factory": stuck_file})
    store = SQLSessionStore(engine, timeout=TIMEOUT)
    stuck_file.is_stuck_at = "open"

    assert await stopwatch.time(store.save_session(make_session())) < TIMEOUT + GRACE
    stuck_file.is_stuck_at = ""
    await store.save_session(make_session())
    await engine.dispose()


async def test_a_process_ends_though_a_thread_is_stuck(sqlite_url: str) -> None:
    """
    What was given up keeps no process from its end.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fault.stuck_process", sqlite_url
    )
    async with asyncio.timeout(3 * LONG_SECONDS):
        assert await process.wait() == 0
