"""
SQLite files that are moved, removed, replaced or made read-only while they are open.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import StorageError
from asm_async.sql import SQLSessionStore, create_engine, migrations
from asm_async.sql.dialects.sqlite import files
from asm_async.sql.dialects.sqlite.connection import OneHopConnection
from asm_async.sql.dialects.sqlite.driver import OpenFile
from asm_async.testing.factories import make_event, make_events, make_run, make_session
from asm_async.testing.session_store.contract import numbers_of
from tests.fault.leftovers import dispose_of

TIMEOUT = 0.3


@pytest.fixture
def path(migrated_sqlite_url: str) -> Path:
    """
    Return a file that has our tables, alone in its directory.
    """
    path = Path(str(sa.make_url(migrated_sqlite_url).database))
    place = path.parent / "place"
    place.mkdir()
    return path.rename(place / path.name)


@pytest.fixture
async def engine(path: Path) -> AsyncIterator[AsyncEngine]:
    """
    Yield an engine on that file; none of its connections is checked out in the end.
    """
    engine = create_engine(f"sqlite+aiosqlite:///{path}")
    yield engine
    await dispose_of(engine)


@pytest.fixture
async def store(engine: AsyncEngine) -> SQLSessionStore:
    """
    Return a store in which ``ses_1`` has three events, most of which lie in the log.
    """
    store = SQLSessionStore(engine, timeout=TIMEOUT)
    await store.save_session(make_session())
    await store.append_events(make_events(3))
    return store


def move(path: Path, target: Path) -> None:
    """
    Move a file into the place of another, if there is one.
    """
    path.replace(target)


def read(path: Path) -> bytes:
    """
    Read a file.
    """
    return path.read_bytes()


def names_beside(path: Path) -> list[str]:
    """
    Return the names in a file's directory.
    """
    return sorted(each.name for each in path.parent.iterdir())


async def each_call_fails(store: SQLSessionStore) -> list[StorageError]:
    """
    Assert that nothing can be written or read, and give the errors.
    """
    errors: list[StorageError] = []
    for call in (
        store.append_event(make_event(id="evt_lost")),
        store.append_event(make_event(id="evt_lost"), expected_sequence=3),
        store.save_session(make_session(tags=["lost"])),
        store.save_run(make_run(id="run_lost")),
        store.get_events("ses_1"),
    ):
        with pytest.raises(StorageError) as caught:
            await call
        errors.append(caught.value)
    return errors


@pytest.mark.parametrize("call", ["append_event", "get_events"])
async def test_a_file_that_is_given_up_is_closed_when_the_call_returns(
    store: SQLSessionStore, path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """
    SQLite, about to close it, may remove the log of the file that takes its place.
    """
    closed: list[str] = []
    close = OneHopConnection._close_file

    def close_slowly(connection: OneHopConnection) -> None:
        time.sleep(0.1)
        close(connection)
        closed.append(call)

    monkeypatch.setattr(OneHopConnection, "_close_file", close_slowly)
    shutil.copy(path, path.with_name("copy"))
    move(path.with_name("copy"), path)
    if call == "append_event":
        await store.append_event(make_event(id="evt_4"))
    else:
        await store.get_events("ses_1")

    assert closed == [call]


@pytest.mark.parametrize("whole_directory", [False, True])
async def test_nothing_is_written_to_a_file_that_was_moved_away(
    store: SQLSessionStore, path: Path, *, whole_directory: bool
) -> None:
    """
    Every call says that it is gone; brought back, it is gone on with.
    """
    moved = path.parent if whole_directory else path
    elsewhere = moved.rename(moved.with_name("elsewhere"))
    for error in await each_call_fails(store):
        assert type(error) is StorageError
        assert not error.outcome_unknown
        assert str(path) in str(error)
        assert "Put it back" in str(error)
    assert not moved.exists()
    elsewhere.rename(moved)

    stored = await store.append_event_with_sequence(make_event(id="evt_4"))
    assert stored.sequence_number == 4
    assert numbers_of(await store.get_events("ses_1")) == [1, 2, 3, 4]


async def test_a_backup_in_the_place_of_the_file_is_gone_on_with(
    store: SQLSessionStore, engine: AsyncEngine, path: Path
) -> None:
    """
    The next call opens it: what is stored then is in the file that is there.
    """
    async with engine.connect() as conn:
        await conn.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    backup = shutil.copy(path, path.with_name("backup"))
    await store.append_event(make_event(id="evt_4"))
    for ending in ("-wal", "-shm"):
        path.with_name(f"{path.name}{ending}").unlink()
    move(Path(backup), path)

    assert numbers_of(await store.get_events("ses_1")) == [1, 2, 3]
    stored = await store.append_event_with_sequence(make_event(id="evt_new"))
    assert stored.sequence_number == 4
    await store.aclose()
    await engine.dispose()
    reader = create_engine(engine.url)
    events = await SQLSessionStore(reader).get_events("ses_1")
    await reader.dispose()
    assert [event.id for event in events][3:] == ["evt_new"]


async def test_a_log_without_its_database_is_kept(
    store: SQLSessionStore, engine: AsyncEngine, path: Path
) -> None:
    """
    SQLite would take the missing file for a new one, and remove what lies beside it.
    """
    copy = path.with_name("copy")
    log = path.with_name(f"{path.name}-wal")
    shutil.copy(log, copy)
    await store.aclose()
    await engine.dispose()
    elsewhere = path.with_name("elsewhere")
    move(path, elsewhere)
    move(copy, log)
    content = read(log)
    other = create_engine(f"sqlite+aiosqlite:///file:{path}?uri=true")
    for lost in (engine, other):
        with pytest.raises(StorageError, match="log"):
            await SQLSessionStore(lost).open()
        await lost.dispose()

    assert read(log) == content
    assert path.name not in names_beside(path)
    move(elsewhere, path)
    reader = create_engine(engine.url)
    assert len(await SQLSessionStore(reader).get_events("ses_1")) == 3
    await reader.dispose()


@pytest.mark.parametrize(
    "url", ["{link}", "{directory}/asm.sqlite3", "file:{link}?uri=true", "{twice}"]
)
async def test_a_log_is_kept_behind_symbolic_links(
    store: SQLSessionStore, engine: AsyncEngine, path: Path, tmp_path: Path, url: str
) -> None:
    """
    SQLite follows them and has its log beside the file itself; so does the look at it.
    """
    links = {name: tmp_path / name for name in ("link", "directory", "twice")}
    links["link"].symlink_to(path)
    links["directory"].symlink_to(path.parent)
    links["twice"].symlink_to("link")
    log = path.with_name(f"{path.name}-wal")
    content = read(log)
    await store.aclose()
    await engine.dispose()
    move(path, path.with_name(log.name))
    log.write_bytes(content)
    lost = create_engine(f"sqlite+aiosqlite:///{url.format(**links)}")
    with pytest.raises(StorageError, match="log"):
        await SQLSessionStore(lost).open()
    await lost.dispose()

    assert read(log) == content
    assert names_beside(path) == [log.name]


async def test_a_file_with_two_names_is_refused(
    store: SQLSessionStore, path: Path
) -> None:
    """
    SQLite has a log for each name, and what is written by one is lost by the other.
    """
    other = path.with_name("other")
    other.hardlink_to(path)
    second = create_engine(f"sqlite+aiosqlite:///{other}")
    errors = await each_call_fails(store)
    errors += await each_call_fails(SQLSessionStore(second, timeout=TIMEOUT))
    await second.dispose()
    for error in errors:
        assert not error.outcome_unknown
        assert "one of 2 names" in str(error)
        assert "remove the other names" in str(error)
    assert not path.with_name("other-wal").exists()
    other.unlink()

    stored = await store.append_event_with_sequence(make_event(id="evt_4"))
    assert stored.sequence_number == 4


@pytest.mark.parametrize("url", ["{link}", "file:{path}?uri=true", "{path}"])
async def test_a_new_file_is_private_however_it_is_named(
    tmp_path: Path, url: str
) -> None:
    """
    Also where a link points to it before it is there.
    """
    path, link = tmp_path / "new #1%41.sqlite3", tmp_path / "link"
    link.symlink_to(path)
    names = {"path": path, "link": link}
    if url.startswith("file:"):
        names["path"] = Path(quote(str(path)))
    engine = create_engine(
        sa.make_url("sqlite+aiosqlite://").set(
            database=url.format(**names).partition("?")[0],
            query={"uri": "true"} if url.startswith("file:") else {},
        )
    )
    await migrations.upgrade(engine)
    await engine.dispose()

    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("expected_sequence", [None, 3])
async def test_a_file_that_is_made_writable_again_is_written_to(
    store: SQLSessionStore, path: Path, *, expected_sequence: int | None
) -> None:
    """
    A connection that was opened for reading alone does not stay in the pool.
    """
    await store.get_session("ses_1")
    engine = create_engine(f"sqlite+aiosqlite:///file:{path}?mode=ro&uri=true")

    @sa_event.listens_for(engine.sync_engine, "do_connect")
    def on_connect(_: object, __: object, args: list[Any], ___: object) -> None:
        if is_writable:
            args[0] = args[0].replace("mode=ro", "mode=rw")

    is_writable = False
    same = SQLSessionStore(engine, timeout=TIMEOUT)
    append = partial(
        same.append_event_with_sequence,
        make_event(id="evt_4"),
        expected_sequence=expected_sequence,
    )
    for _ in range(2):
        with pytest.raises(StorageError, match="allow it") as caught:
            await append()
        assert not caught.value.retryable
        assert not caught.value.outcome_unknown
    is_writable = True

    assert (await append()).sequence_number == 4
    await engine.dispose()


def test_a_database_in_memory_is_always_in_place() -> None:
    """
    Nothing is looked for where there is no file.
    """
    file = OpenFile("")
    file.check()

    assert not file.is_stale


@pytest.mark.parametrize("is_made", [True, False], ids=["by us", "by SQLite"])
async def test_a_file_that_goes_while_it_is_opened_keeps_its_log(
    path: Path,
    store: SQLSessionStore,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_made: bool,
) -> None:
    """
    No empty one comes in its place, which would take the log of the lost one with it.
    """
    sizes, elsewhere = sizes_in(path.parent), path.with_name("elsewhere")
    other = create_engine(f"sqlite+aiosqlite:///{path}")

    def lose(*_: object, **__: object) -> None:
        if path.exists():
            path.rename(elsewhere)

    if is_made:
        # Between the look and the making of a file that only its owner can read.
        look: Callable[..., None] = vars(files)["_refuse_to_replace"]

        def look_and_lose(at: str, **told: bool) -> None:
            look(at, **told)
            lose()

        monkeypatch.setattr(files, "_refuse_to_replace", look_and_lose)
    else:
        sa_event.listen(other.sync_engine, "do_connect", lose)
    with pytest.raises((StorageError, OperationalError), match=r"missing|open"):
        await SQLSessionStore(other, timeout=TIMEOUT).get_events("ses_1")
    monkeypatch.undo()

    sizes[elsewhere.name] = sizes.pop(path.name)
    assert sizes_in(path.parent) == sizes
    elsewhere.rename(path)
    await store.append_event(make_event(id="evt_back"))
    await other.dispose()
    again = create_engine(f"sqlite+aiosqlite:///{path}")
    found = await SQLSessionStore(again).get_events("ses_1")
    assert numbers_of(found) == [1, 2, 3, 4]
    await again.dispose()


def sizes_in(place: Path) -> dict[str, int]:
    """
    Return how large the files of a directory are, by their names.
    """
    return {path.name: path.stat().st_size for path in place.iterdir()}
