"""
The history checker catches a store that has lost one of its safeguards.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from asm_async.errors import ConflictError
from asm_async.memory import InMemoryDatabase, InMemorySessionStore
from asm_async.ports.session_store import SessionStore
from asm_async.sql.dialects.direct import AppendBlock
from asm_async.sql.dialects.sqlite import write as sqlite_write
from asm_async.testing.concurrency import run_together
from asm_async.testing.factories import (
    make_event,
    make_events,
    make_execution_result,
    make_run,
    make_session,
)
from asm_async.testing.history import (
    HistoryError,
    HistoryWriter,
    RecordingSessionStore,
    check_histories,
)
from tests.backends import SQLBackend
from tests.fault.broken_stores import (
    BufferingStore,
    ForgetfulStore,
    HalfwayStore,
    LastWriterStore,
    OneByOneStore,
    RacingStore,
    ReservingStore,
    UnexpectingStore,
)


async def work(store: SessionStore, name: str) -> None:
    """
    Do a little of everything: compete, append batches, repeat, and be cancelled.
    """
    mine = make_event(id=f"{name}-first")
    with suppress(ConflictError):
        await store.append_event_with_sequence(mine, expected_sequence=0)
    for number in range(4):
        batch = [make_event(id=f"{name}-{number}-{place}") for place in range(2)]
        await store.append_events(batch)
        await asyncio.sleep(0)
    await store.append_events([make_event(id="evt_both")])
    with suppress(ConflictError):
        await store.save_session(make_session(tags=[name]), expected_revision=1)
    result = make_execution_result(
        session=make_session(id=f"ses_{name}"),
        run=make_run(session_id=f"ses_{name}", id=f"run_{name}"),
        events=make_events(2, session_id=f"ses_{name}"),
    )
    flushing = asyncio.create_task(store.flush(result))
    await asyncio.sleep(0)
    flushing.cancel()
    await asyncio.wait({flushing})


async def judge(directory: Path, first: SessionStore, second: SessionStore) -> None:
    """
    Let two stores work on one database at the same time, and judge their histories.
    """
    paths = [directory / f"{name}.jsonl" for name in ("setup", "one", "two")]
    with (
        HistoryWriter(paths[0]) as setup,
        HistoryWriter(paths[1]) as one,
        HistoryWriter(paths[2]) as two,
    ):
        await RecordingSessionStore(first, setup).save_session(make_session())
        await run_together(
            [
                work(RecordingSessionStore(first, one), "one"),
                work(RecordingSessionStore(second, two), "two"),
            ]
        )
    await check_histories(paths, first)


async def test_a_store_with_all_its_safeguards_is_accepted(tmp_path: Path) -> None:
    """
    What catches broken stores lets a whole one pass.
    """
    database = InMemoryDatabase()

    await judge(
        tmp_path, InMemorySessionStore(database), InMemorySessionStore(database)
    )


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (RacingStore, "was given to event"),
        (ForgetfulStore, "'evt_both' .* was acknowledged as number .*, and is number"),
        (UnexpectingStore, "which expected the same, won it"),
        (LastWriterStore, "expected revision 1 and gave 3"),
        (OneByOneStore, "torn apart"),
        (HalfwayStore, "flush .* was stored in part"),
        (BufferingStore, "and is absent|and that number is|was given to event"),
        (ReservingStore, "began to append"),
    ],
)
async def test_a_broken_store_is_caught(
    tmp_path: Path, kind: Callable[[InMemoryDatabase], SessionStore], words: str
) -> None:
    """
    Each safeguard that is left out breaks a promise that is found broken.
    """
    database = InMemoryDatabase()

    with pytest.raises(HistoryError, match=words):
        await judge(tmp_path, kind(database), kind(database))


async def judge_sqlite(tmp_path: Path, url: str) -> None:
    """
    Let two stores work on one SQLite file.
    """
    async with SQLBackend(url) as backend:
        stores = await backend.open_store(), await backend.open_store()
        try:
            await judge(tmp_path, *stores)
        finally:
            for store in stores:
                await store.aclose()


def look_away(*_: object) -> None:
    """
    Check nothing.
    """


async def test_sqlite_with_all_its_safeguards_is_accepted(
    tmp_path: Path, sqlite_url: str
) -> None:
    """
    What catches a broken SQLite lets a whole one pass.
    """
    await judge_sqlite(tmp_path, sqlite_url)


@pytest.mark.parametrize(
    ("safeguard", "words"),
    [
        ("sql.writes.decide_append.check_sequence", "which expected the same, won it"),
        ("fronts.saving.check_revisions", "expected revision 1 and gave 3"),
    ],
)
async def test_a_broken_sqlite_is_caught(
    tmp_path: Path,
    sqlite_url: str,
    monkeypatch: pytest.MonkeyPatch,
    safeguard: str,
    words: str,
) -> None:
    """
    A check that is left out lets two writers win.
    """
    monkeypatch.setattr(f"asm_async.{safeguard}", look_away)

    with pytest.raises(HistoryError, match=words):
        await judge_sqlite(tmp_path, sqlite_url)


def count_what_is_stored(
    connection: sqlite3.Connection, block: AppendBlock, _now: int
) -> dict[str, int]:
    """
    Number events behind the greatest number that is stored, past the counter.
    """
    greatest = "SELECT max(sequence_number) FROM asm_events WHERE session_id = ?"
    latest: dict[str, int] = {}
    for session_id, more in block.counts.items():
        (stored,) = connection.execute(greatest, (session_id,)).fetchone()
        latest[session_id] = (stored or 0) + more
        connection.execute(
            "UPDATE asm_session_sequences SET last_sequence = ? WHERE session_id = ?",
            (latest[session_id], session_id),
        )
    return latest


async def test_numbering_without_the_counter_is_caught(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A number that is used again after pruning was given to two events.
    """
    monkeypatch.setattr(sqlite_write, "_count", count_what_is_stored)
    path = tmp_path / "writer.jsonl"

    async with SQLBackend(sqlite_url) as backend:
        store = await backend.open_store()
        with HistoryWriter(path) as history:
            recording = RecordingSessionStore(store, history)
            await recording.save_session(make_session())
            await recording.append_events(make_events(2))
            await backend.prune("ses_1", [2])
            await recording.append_events(make_events(1, first=3))
        with pytest.raises(HistoryError, match=r"number 2 .* 'evt_2' .* 'evt_3'"):
            await check_histories([path], store, gates=await backend.gates())
        await store.aclose()
