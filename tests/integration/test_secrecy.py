"""
What must not be seen by others is not: in files, errors, logs and announcements.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import traceback
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async import open_store
from asm_async.errors import StorageError
from asm_async.sql import SQLEventFeed, SQLQueryAPI, SQLSessionStore, create_engine
from asm_async.testing.event_feed.contract import take
from asm_async.testing.factories import make_event, make_run, make_session

WORDS = "what the agent said to nobody else"

PERMISSIONS = 0o777


@pytest.fixture
def open_umask() -> Iterator[None]:
    """
    Let whatever makes a file decide on its permissions.
    """
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
async def store(engine: AsyncEngine) -> AsyncIterator[SQLSessionStore]:
    """
    Yield a store with a live session.
    """
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    yield store
    await store.aclose()


def permissions(directory: Path) -> dict[str, int]:
    """
    Return the permissions of all files in a directory.
    """
    return {
        path.name: path.stat().st_mode & PERMISSIONS for path in directory.iterdir()
    }


@pytest.mark.usefixtures("open_umask")
async def test_a_new_sqlite_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    """
    So are its log and the log's index, whatever the umask allows.
    """
    async with open_store(f"sqlite:///{tmp_path}/a.sqlite3", migrate=True) as store:
        await store.save_session(make_session())

        assert permissions(tmp_path) == dict.fromkeys(
            ["a.sqlite3", "a.sqlite3-wal", "a.sqlite3-shm"], 0o600
        )


@pytest.mark.usefixtures("open_umask")
async def test_an_sqlite_file_that_is_there_keeps_its_permissions(
    tmp_path: Path,
) -> None:
    """
    Whoever shares one with a group has made it so; log and index follow it.
    """
    path = tmp_path / "a.sqlite3"
    path.touch(0o660)
    async with open_store(f"sqlite:///{path}", migrate=True) as store:
        await store.save_session(make_session())

        assert set(permissions(tmp_path).values()) == {0o660}


async def test_an_sqlite_file_that_cannot_be_made_is_told_of_as_ever(
    tmp_path: Path,
) -> None:
    """
    The error is the database's own.
    """
    with pytest.raises(StorageError, match="unable to open database file"):
        async with open_store(f"sqlite:///{tmp_path}/missing/a.sqlite3", timeout=0.2):
            pass


async def failed_save(engine: AsyncEngine, store: SQLSessionStore) -> StorageError:
    """
    Make the database refuse a run whose input nobody else may see.
    """
    async with engine.begin() as conn:
        await conn.exec_driver_sql("ALTER TABLE asm_runs RENAME COLUMN input TO input_")
    with pytest.raises(StorageError) as caught:
        await store.save_run(make_run(input=WORDS))
    return caught.value


async def test_an_error_and_what_caused_it_tell_nothing_that_was_stored(
    engine: AsyncEngine, store: SQLSessionStore
) -> None:
    """
    Not even the whole traceback, which is what is logged.
    """
    error = await failed_save(engine, store)

    told = "".join(traceback.format_exception(error))
    assert "column" in told
    assert WORDS not in told


async def test_statements_are_logged_without_what_is_stored(
    engine: AsyncEngine, store: SQLSessionStore, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Also when SQLAlchemy is asked to log every statement.
    """
    with caplog.at_level(logging.INFO, "sqlalchemy.engine"):
        await store.save_run(make_run(input=WORDS))

    assert WORDS not in caplog.text
    assert engine.sync_engine.hide_parameters


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:hunter2@127.0.0.1:1/nowhere",
        "postgresql://user:hunter2@127.0.0.1:port/nowhere",
        "mysql://user:hunter2@127.0.0.1/nowhere",
        "sqlite+aiosqlite:////nowhere/hunter2?password=hunter2",
        "postgresql://user@127.0.0.1:1/nowhere?password=hunter2",
    ],
)
async def test_no_error_tells_the_password_of_a_url(url: str) -> None:
    """
    Neither one that is wrong nor one that leads nowhere.
    """
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is
        async with open_store(url, timeout=0.1):
            pass

    told = "".join(traceback.format_exception(caught.value))
    lines = [line for line in told.splitlines() if "hunter2" in line]
    assert lines == []


async def test_what_is_made_of_a_url_does_not_show_its_password() -> None:
    """
    An engine or a store in a log is no leak.
    """
    engine = create_engine("postgresql://user:hunter2@127.0.0.1:1/nowhere")

    assert "hunter2" not in f"{engine!r} {SQLSessionStore(engine)!r}"
    await engine.dispose()


@pytest.mark.postgres
async def test_an_announcement_names_sessions_and_nothing_else(
    migrated_postgres_url: str,
) -> None:
    """
    Whoever may connect to the database can hear that, and no content.
    """
    engine = create_engine(migrated_postgres_url)
    store, heard = SQLSessionStore(engine), list[str]()

    def hear(_: object, __: int, ___: str, payload: str) -> None:
        heard.append(payload)

    async with engine.connect() as conn:
        raw = await conn.get_raw_connection()
        driver = raw.driver_connection
        assert driver is not None
        await driver.add_listener("asm_events", hear)
        await store.save_session(make_session())
        await store.append_event(make_event(data={"content": WORDS}))
        await store.aclose()
        while not any("ses_1" in payload for payload in heard):
            await driver.execute("SELECT 1")
    await engine.dispose()

    for payload in heard:
        origin, *session_ids = json.loads(payload)
        assert len(origin) == 16
        assert session_ids == ["ses_1"]


def forged(cursor: str, old: str, new: str) -> str:
    """
    Put another text into a cursor, with a checksum that fits.
    """
    plain = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    body = plain[16:].replace(old.encode(), new.encode())
    assert body != plain[16:]
    sealed = hashlib.sha256(body).digest()[:16] + body
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


async def test_no_forged_cursor_or_checkpoint_leads_to_another_tenant(
    engine: AsyncEngine, store: SQLSessionStore
) -> None:
    """
    They are places, not permissions: the tenant that is asked for alone is read.
    """
    for number in range(6):
        tenant_id = "ours" if number % 2 else "theirs"
        session = make_session(id=f"ses_{number}", tenant_id=tenant_id)
        await store.save_session(session)
        await store.append_event(make_event(session_id=session.id))
    query, feed = SQLQueryAPI(engine), SQLEventFeed(engine)
    page = await query.search_sessions(tenant_id="ours", limit=1)
    assert page.cursor is not None

    for number in range(6):
        cursor = page.cursor
        if page.items[0].id != f"ses_{number}":
            cursor = forged(cursor, page.items[0].id, f"ses_{number}")
        found = await query.search_sessions(tenant_id="ours", cursor=cursor)
        assert {session.tenant_id for session in found.items} <= {"ours"}

    theirs = await take(feed.follow_all(tenant_id="theirs"), 1)
    for event, _ in await take(
        feed.follow_all(tenant_id="ours", checkpoint=theirs[0][1]), 3
    ):
        assert event.session_id in {"ses_1", "ses_3", "ses_5"}
    await feed.aclose()
