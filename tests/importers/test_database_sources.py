"""
Databases as sources: how they are opened, and what that does to those who write.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from asm_async import InMemoryPorts, Ports
from asm_async.errors import (
    NotFoundError,
    StorageError,
    UnsupportedOperationError,
    ValidationError,
)
from asm_async.importers import ImportSummary, import_from
from asm_async.importers.databases.source import Query
from asm_async.importers.databases.sqlite_source import open_sqlite_file
from asm_async.sql import create_engine
from tests.importers.written_databases import WrittenDatabase

KINDS = ["google-adk", "langgraph", "openai-agents"]
TABLES = """
CREATE TABLE agent_sessions (session_id TEXT PRIMARY KEY, created_at TEXT,
    updated_at TEXT);
CREATE TABLE agent_messages (id INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT,
    message_data TEXT, created_at TEXT DEFAULT '2026-01-01 00:00:00');
"""


def add(conn: sqlite3.Connection, *contents: str) -> None:
    """
    Add messages to a session.
    """
    rows = [
        ("chat", json.dumps({"role": "user", "content": content}))
        for content in contents
    ]
    conn.executemany(
        "INSERT INTO agent_messages (session_id, message_data) VALUES (?, ?)", rows
    )
    conn.commit()


def created(path: Path, mode: str = "wal") -> sqlite3.Connection:
    """
    Return a connection to a new database, in a journal mode.
    """
    conn = sqlite3.connect(path, timeout=0)
    conn.execute(f"PRAGMA journal_mode = {mode}")
    conn.executescript(TABLES)
    return conn


async def imported(ports: Ports, path: Path | str, **options: Any) -> ImportSummary:
    """
    Import a database of the OpenAI Agents SDK.
    """
    return await import_from(ports, "openai-agents", str(path), **options)


@pytest.mark.parametrize("mode", ["wal", "delete"])
async def test_writers_go_on_while_it_is_read(tmp_path: Path, mode: str) -> None:
    """
    Between two batches the source is not locked, in whatever mode its journal is.
    """
    path = tmp_path / "theirs.sqlite3"
    with closing(created(path, mode)) as conn:
        add(conn, *(f"before {n}" for n in range(1_200)))
        seen: list[int] = []

        def write(done: ImportSummary) -> None:
            # It does not wait: a lock would be an error.
            add(conn, f"meanwhile {len(seen)}")
            seen.append(done.events_imported)

        async with InMemoryPorts() as ports:
            await imported(ports, path, progress=write)
            await imported(ports, path)
            events = await ports.store.get_events("chat")
    assert len(seen) > 2
    said = [event.data["content"] for event in events]
    assert said[:1_200] == [f"before {n}" for n in range(1_200)]
    assert said[1_200:] == [f"meanwhile {n}" for n in range(len(seen))]


async def test_a_file_is_never_written_to(tmp_path: Path) -> None:
    """
    A file that may only be read, in a folder of that kind, is read, and stays as it is.
    """
    folder = tmp_path / "theirs"
    folder.mkdir()
    path = folder / "theirs ?#%20.sqlite3"
    with closing(created(path, "delete")) as conn:
        add(conn, "one")
    content = path.read_bytes()
    path.chmod(0o400)
    folder.chmod(0o500)
    try:
        async with InMemoryPorts() as ports:
            done = await imported(ports, path)
        assert [each.name for each in folder.iterdir()] == [path.name]
    finally:
        folder.chmod(0o700)
    assert done.events_imported == 1
    assert path.read_bytes() == content


READ_ONLY = """
import asyncio, os, sys
from asm_async.importers.databases.sqlite_source import open_sqlite_file

async def read(path):
    async with open_sqlite_file(path) as source:
        return sorted(await source.tables())

whole = asyncio.run(read(sys.argv[1]))
if os.geteuid() == 0:
    # Nothing keeps this one from writing.
    os.setuid(65534)
os.chdir("/")
assert asyncio.run(read(sys.argv[2])) == whole
assert os.listdir(os.path.dirname(sys.argv[2])) == ["theirs.sqlite3"]
"""


def test_a_file_in_wal_mode_on_a_read_only_disk_is_read() -> None:
    """
    Where no file can be made beside it, and nobody writes, it is read by itself.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "theirs.sqlite3"
        with closing(created(path)) as conn:
            add(conn, "one")
        with tempfile.NamedTemporaryFile(suffix=".sqlite3") as copy:
            copy.write(path.read_bytes())
            copy.flush()
            path.chmod(0o444)
            folder.chmod(0o555)
            try:
                arguments = [sys.executable, "-c", READ_ONLY, copy.name, str(path)]
                done = subprocess.run(  # noqa: S603 - our own program
                    arguments, capture_output=True, text=True, check=False
                )
            finally:
                folder.chmod(0o700)
    assert (done.returncode, done.stderr) == (0, "")


async def test_statements_that_write_are_refused(tmp_path: Path) -> None:
    """
    The connection itself takes no write, whatever a statement says.
    """
    path = tmp_path / "theirs.sqlite3"
    created(path).close()
    async with open_sqlite_file(str(path)) as source:
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            source._conn.execute("DELETE FROM agent_messages")


async def test_text_that_is_no_utf_8_stops_nothing(tmp_path: Path) -> None:
    """
    Bytes that no text has come as lone surrogates, and the other rows as they are.
    """
    path = tmp_path / "theirs.sqlite3"
    with closing(created(path)) as conn:
        conn.execute(
            "INSERT INTO agent_messages (session_id, message_data) VALUES"
            """ ('chat', CAST(X'7B2261223A22FF227D' AS TEXT))"""
        )
        add(conn, "two")
    async with InMemoryPorts() as ports:
        done = await imported(ports, path)
        events = await ports.store.get_events("chat")
    assert done.problem_count == 0
    assert events[0].data["original"] == {"a": "\udcff"}


async def test_pages_are_bounded_in_bytes(tmp_path: Path) -> None:
    """
    Rows of a megabyte come a few at a time, each once, in their order.
    """
    path = tmp_path / "theirs.sqlite3"
    with closing(created(path)) as conn:
        add(conn, *("x" * 1_000_000 for _ in range(20)))
    query = Query(
        table="agent_messages", columns=["id", "message_data"], order_by=["id"]
    )
    async with open_sqlite_file(str(path)) as source:
        pages = [[row["id"] for row in page] async for page in source.pages(query)]
    assert [number for page in pages for number in page] == list(range(1, 21))
    assert max(len(page) for page in pages) <= 5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "url", ["mysql+aiomysql://u:secret@h/db", "mysql://h/db", "mssql://h/db"]
)
async def test_other_databases_are_refused(kind: str, url: str) -> None:
    """
    MySQL and others are named as what is not supported, without the password.
    """
    async with InMemoryPorts() as ports:
        with pytest.raises(UnsupportedOperationError, match="PostgreSQL") as refused:
            await import_from(ports, kind, url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_database_is_not_followed(kind: str, tmp_path: Path) -> None:
    """
    Following is refused before anything is read.
    """
    async with InMemoryPorts() as ports:
        with pytest.raises(ValidationError, match="import it again"):
            await import_from(ports, kind, str(tmp_path / "none"), follow=True)


@pytest.mark.parametrize("path", ["none.sqlite3", "sqlite:///none.sqlite3"])
async def test_a_missing_file_is_not_made(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A path of no file is an error, and there is no file afterwards.
    """
    monkeypatch.chdir(tmp_path)
    async with InMemoryPorts() as ports:
        with pytest.raises(NotFoundError, match="no such file"):
            await imported(ports, path)
    assert os.listdir() == []  # noqa: PTH208 - nothing waits for it


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """
    Any other file is told apart, by SQLite's own word.
    """
    path = tmp_path / "notes.txt"
    path.write_text("no database " * 100)
    async with InMemoryPorts() as ports:
        with pytest.raises(StorageError, match="not a database"):
            await imported(ports, path)


async def test_the_kind_of_a_database_is_found(tmp_path: Path) -> None:
    """
    A file of the SDK is known by its tables.
    """
    path = tmp_path / "theirs.sqlite3"
    with closing(created(path)) as conn:
        add(conn, "one")
    async with InMemoryPorts() as ports:
        done = await import_from(ports, "auto", str(path))
    assert done.events_imported == 1


@pytest.mark.postgres
async def test_a_server_is_read_as_it_was_at_one_moment(postgres_url: str) -> None:
    """
    What is written while a PostgreSQL database is read is there in the next import.
    """
    engine = create_engine(postgres_url)
    written = WrittenDatabase(postgres_url, engine)
    await written.create(
        "agent_messages", "id {number}", "session_id TEXT", "message_data TEXT"
    )
    row = {"session_id": "chat", "message_data": '{"role": "user", "content": "x"}'}
    await written.insert("agent_messages", *[row] * 1_200)
    tasks: list[asyncio.Task[None]] = []

    def write(_: ImportSummary) -> None:
        if not tasks:
            insert = written.insert("agent_messages", row)
            tasks.append(asyncio.get_running_loop().create_task(insert))

    async with InMemoryPorts() as ports:
        first = await imported(ports, postgres_url, progress=write)
        await asyncio.gather(*tasks)
        second = await imported(ports, postgres_url)
    assert (first.events_imported, second.events_imported) == (1_200, 1)
    await engine.dispose()
