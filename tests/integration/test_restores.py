"""
Backups that are really restored, by the databases' own means.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async import Run, RunStatus, Session, StateItem
from asm_async.errors import HistoryLostError, RevisionConflictError
from asm_async.integrations.fastapi import engine_lifespan, router
from asm_async.sql import SQLEventFeed, SQLPorts, create_engine, migrations
from asm_async.testing.event_feed.contract import Collecting, take
from asm_async.testing.factories import (
    make_event,
    make_events,
    make_run,
    make_session,
)
from asm_async.testing.session_store.contract import numbers_of
from tests.integration.by_hand import issues_of
from tests.page_blocks import ROOT
from tests.postgres_server import PostgresServer
from tests.restored_server import ArchivingServer, RestoredServer
from tests.standby_server import Address

PAGE = ROOT / "docs" / "howto" / "back-up.md"
MOMENT = "noon"


def told_in(page: Path) -> list[str]:
    """
    Return the scripts of SQL that a page tells its readers to run.
    """
    return re.findall(
        r"^```sql\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )


def statements_of(script: str) -> list[str]:
    """
    Part a script into its statements.
    """
    return [each for each in script.split(";\n") if each.strip()]


@attrs.frozen
class Seen:
    """
    What was seen of a history of ten events.
    """

    followers: list[Collecting[Any]]

    checkpoint: str
    """
    Behind the last event.
    """


@asynccontextmanager
async def followed(engine: AsyncEngine) -> AsyncGenerator[tuple[SQLPorts, Seen]]:
    """
    Yield the ports over a database whose ten events two followers have seen.
    """
    async with AsyncExitStack() as stack:
        ports = await stack.enter_async_context(SQLPorts(engine))
        feed = SQLEventFeed(engine, listens=False, poll_interval=0.05)
        stack.push_async_callback(feed.aclose)
        followers: list[Collecting[Any]] = [
            Collecting(feed.follow_session("ses_1")),
            Collecting(feed.follow_all()),
        ]
        for follower in followers:
            stack.push_async_callback(follower.stop)
            await follower.until(10)
        yield ports, Seen(followers, followers[1].items[-1][1])


async def expect_all_are_told(ports: SQLPorts, seen: Seen) -> None:
    """
    Prove that nobody is given what came in the place of what was lost.
    """
    for follower in seen.followers:
        with pytest.raises(HistoryLostError):
            await follower.end()
    with pytest.raises(HistoryLostError):
        await take(ports.feed.follow_all(checkpoint=seen.checkpoint), 1)


async def fill(engine: AsyncEngine, count: int, *, first: int = 1) -> None:
    """
    Append to a session, which is there or is made.
    """
    async with SQLPorts(engine) as ports:
        if first == 1:
            await ports.store.save_session(make_session())
        await ports.store.append_events(make_events(count, first=first))


async def append_others(ports: SQLPorts, count: int) -> None:
    """
    Append what comes after the restored moment, in another history.
    """
    events = [make_event(id=f"other_{number}") for number in range(count)]
    await ports.store.append_events(events)


def put_in_place(backup: Path, path: Path) -> None:
    """
    Restore a file, whose log belongs to the file that was there before.
    """
    for ending in ("", "-wal", "-shm"):
        Path(f"{path}{ending}").unlink(missing_ok=True)
    backup.rename(path)


async def test_a_restored_file_has_the_moment_of_its_backup(
    tmp_path: Path, migrated_sqlite_url: str
) -> None:
    """
    The numbers go on from there, nothing is wrong with it, and followers are told.
    """
    engine = create_engine(migrated_sqlite_url)
    path = Path(str(engine.url.database))
    await fill(engine, 7)
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("VACUUM INTO ?", [str(tmp_path / "backup.sqlite3")])
    await fill(engine, 3, first=8)
    async with followed(engine) as (_, seen):
        pass
    await engine.dispose()
    put_in_place(tmp_path / "backup.sqlite3", path)

    engine = create_engine(migrated_sqlite_url)
    async with SQLPorts(engine) as ports:
        assert numbers_of(await ports.store.get_events("ses_1")) == list(range(1, 8))
        await append_others(ports, 3)
        assert await ports.store.get_latest_sequence("ses_1") == 10
        with pytest.raises(HistoryLostError):
            await take(ports.feed.follow_all(checkpoint=seen.checkpoint), 1)
    assert await issues_of(engine) == set()
    await engine.dispose()


@contextmanager
def started(server: PostgresServer) -> Generator[PostgresServer]:
    """
    Run a server, and leave nothing of it.
    """
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.mark.postgres
async def test_a_dump_on_another_server_is_noticed_and_put_right() -> None:
    """
    The health check finds it, followers are told, and the page's statements mend it.
    """
    source, target = PostgresServer(), PostgresServer()
    with started(source), started(target):
        engine = create_engine(source.url)
        await migrations.upgrade(engine)
        # This server's transactions have come farther than the other's.
        async with engine.connect() as conn:
            await conn.execution_options(isolation_level="AUTOCOMMIT")
            for _ in range(500):
                await conn.execute(sa.text("SELECT pg_current_xact_id()"))
        await fill(engine, 10)
        async with followed(engine) as (_, seen):
            pass
        await engine.dispose()
        file = source.directory / "agents.dump"
        options = ["--format=custom", "--table=asm_*", f"--file={file}"]
        source.run("pg_dump", *options, f"--dbname={source.url}")
        target.run(
            "pg_restore", "--single-transaction", f"--dbname={target.url}", str(file)
        )

        engine = create_engine(target.url)
        assert {subject for _, subject in await issues_of(engine)} == {"ses_1"}
        async with SQLPorts(engine) as ports:
            with pytest.raises(HistoryLostError):
                await take(ports.feed.follow_all(checkpoint=seen.checkpoint), 1)
        following = ROOT / "docs" / "explanation" / "following.md"
        (script,) = [each for each in told_in(following) if "transaction_id" in each]
        async with engine.begin() as conn:
            for statement in statements_of(script):
                await conn.execute(sa.text(statement))
        assert await issues_of(engine) == set()
        async with SQLPorts(engine) as ports:
            await append_others(ports, 3)
            found = await take(ports.feed.follow_all(), 13)
        assert numbers_of(event for event, _ in found) == list(range(1, 14))
        await engine.dispose()


@pytest.mark.postgres
async def test_a_moment_is_restored_from_the_archived_log() -> None:
    """
    What came later is gone, followers under way and those who resume are told.
    """
    source = ArchivingServer()
    with started(source):
        address = Address(source)
        engine = address.engine()
        await migrations.upgrade(engine)
        await fill(engine, 4)
        source.back_up()
        await fill(engine, 3, first=5)
        await source.name_this_moment(MOMENT)
        await fill(engine, 3, first=8)
        async with followed(engine) as (ports, seen):
            await source.archive_all()
            await asyncio.to_thread(source.stop)
            restored = RestoredServer(source, MOMENT)
            with started(restored):
                await restored.take_over()
                address.server = restored
                numbers = numbers_of(await ports.store.get_events("ses_1"))
                assert numbers == list(range(1, 8))
                await append_others(ports, 3)
                await expect_all_are_told(ports, seen)
                assert await issues_of(engine) == set()
        await engine.dispose()


async def test_after_the_pages_statements_no_revision_names_two_contents(
    engine: AsyncEngine,
) -> None:
    """
    Who has seen a later revision than the backup meets a conflict, and a cache a miss.
    """
    place = engine.dialect.name
    (script,) = [each for each in told_in(PAGE) if each.startswith(f"-- {place}\n")]
    async with SQLPorts(engine) as ports:
        session = await ports.store.save_session(make_session(tenant_id="acme"))
        (item,) = await ports.state.save_items([StateItem(scope="s", key="k", data=1)])
        run = await ports.store.save_run(make_run())
        # In the history that was lost, these were saved once more.
        lost_session, lost_item = session.revision + 1, item.revision + 1
        lost_run = run.revision + 1

    async with engine.begin() as conn:
        for statement in statements_of(script):
            await conn.execute(sa.text(statement))

    app = FastAPI(lifespan=engine_lifespan(engine))
    app.include_router(router(authorize=_acme), prefix="/asm")
    async with SQLPorts(engine) as ports:
        await ports.store.update_session("ses_1", _other_title)
        with pytest.raises(RevisionConflictError):
            await ports.store.save_session(session, expected_revision=lost_session)
        await ports.store.update_run(run.id, _running)
        with pytest.raises(RevisionConflictError):
            await ports.store.save_run(run, expected_revision=lost_run)
        (saved,) = await ports.state.save_items([StateItem(scope="s", key="k", data=2)])
        assert saved.revision > lost_item
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://test"
        ) as client,
    ):
        cached = {"If-None-Match": f'"{lost_session}"'}
        answer = await client.get("/asm/sessions/ses_1", headers=cached)
    assert answer.status_code == httpx.codes.OK
    assert await issues_of(engine) == set()


def _other_title(session: Session) -> Session:
    return session.with_metadata(title="another")


def _running(run: Run) -> Run:
    return run.update_status(RunStatus.RUNNING)


def _acme() -> str:
    return "acme"
