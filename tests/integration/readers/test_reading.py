"""
Reads that a hot standby answers, and those that only the primary does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from asm_async import Event, Session, open_ports
from asm_async.errors import (
    SessionNotFoundError,
    UnsupportedOperationError,
    ValidationError,
)
from asm_async.sql.readers.positions import ReadToken, token_of
from asm_async.testing.factories import make_event, make_events, make_run, make_session
from asm_async.values.run import RunStatus
from tests.integration.readers.servers import (
    LONG_SECONDS,
    Servers,
    held_back,
    ids_of_events,
    opened,
    readers_of,
    state_of,
    until_read,
)
from tests.standby_server import ask

pytestmark = pytest.mark.postgres


async def test_what_may_lag_is_read_from_the_standby(servers: Servers) -> None:
    """
    Searches, exports, text search: each of these is answered there, and none elsewhere.
    """
    async with opened(servers) as ports:
        await until_read(ports)
        await ports.store.save_session(make_session())
        await ports.store.save_run(make_run(status=RunStatus.COMPLETED))
        await ports.store.append_events(make_events(3))
        await ports.text_search.update()
        await servers.standby.catch_up()
        before = state_of(ports).reads
        query = ports.query
        lines: list[bytes] = []

        async def write(line: bytes) -> None:
            lines.append(line)

        calls: list[Callable[[], Any]] = [
            query.search_sessions,
            query.search_runs,
            query.search_events,
            query.count_events,
            query.get_usage_summary,
            lambda: query.get_session_stats("ses_1"),
            lambda: query.export_session("ses_1"),
            lambda: query.export_sessions(write),
            lambda: ports.text_search.search_text("hello"),
        ]
        for count, call in enumerate(calls, start=1):
            await call()
            assert state_of(ports).reads >= before + count

        assert len(lines) > 1
        before = state_of(ports).reads
        await ports.store.get_session("ses_1")
        await ports.store.get_events("ses_1")
        await ports.feed.get_latest_checkpoint()
        await ports.feed.feed_lag()
        assert state_of(ports).reads == before
        assert state_of(ports).failed_reads == 0


async def test_a_read_waits_for_what_its_token_stands_for(servers: Servers) -> None:
    """
    A standby that is behind is waited for, and then the primary answers.
    """
    async with opened(servers) as ports:
        await until_read(ports)
        await ports.store.save_session(make_session())
        await servers.standby.catch_up()
        readers = readers_of(ports)
        async with held_back(servers):
            await ports.store.append_event(make_event())
            token = await readers.token()
            assert await ids_of_events(ports) == []
            with readers.reading(after=token, max_wait=0.2):
                assert await ids_of_events(ports) == ["evt_1"]
                assert len(await ports.store.get_events("ses_1")) == 1
            with readers.reading():
                assert await ports.store.get_events("ses_1") == []

        before = state_of(ports).reads
        with readers.reading(after=token, max_wait=LONG_SECONDS):
            assert await ids_of_events(ports) == ["evt_1"]
            assert len(await ports.store.get_events("ses_1")) == 1
        assert state_of(ports).reads == before + 2
        with readers.reading(after=str(ReadToken(1, 1))):
            assert await ids_of_events(ports) == ["evt_1"]
        assert state_of(ports).reads == before + 2


async def test_a_token_waits_for_nothing_that_was_not_acknowledged(
    servers: Servers,
) -> None:
    """
    It is no further than what the server has flushed, which alone standbys are sent.
    """
    # Nobody else flushes meanwhile.
    await ask(servers.url, "ALTER SYSTEM SET wal_writer_delay = '10s'")
    await ask(servers.url, "SELECT pg_reload_conf()")
    async with opened(servers) as ports:
        await until_read(ports)
        await ports.store.save_session(make_session())
        readers = readers_of(ports)
        for number in range(5):
            await ports.store.append_event(make_event(id=f"evt_{number}"))
            await ask(servers.url, "SELECT pg_logical_emit_message(false, 'a', 'b')")
            token = await readers.token()
            flushed = "SELECT CAST(pg_current_wal_flush_lsn() - '0/0' AS BIGINT)"
            assert token_of(token, "token").position <= await ask(servers.url, flushed)
            with readers.reading(after=token, max_wait=LONG_SECONDS):
                assert len(await ports.store.get_events("ses_1")) == number + 1
        assert (state_of(ports).reads, state_of(ports).failed_reads) == (5, 0)
    await ask(servers.url, "ALTER SYSTEM RESET wal_writer_delay")
    await ask(servers.url, "SELECT pg_reload_conf()")


def counted(session: Session) -> Session:
    """
    Count one more.
    """
    return make_session(metadata={"count": session.metadata["count"] + 1})


async def test_what_is_decided_by_is_read_from_the_primary(servers: Servers) -> None:
    """
    Inside a block, too: numbers, active runs, and what is changed by what it was.
    """
    async with opened(servers, max_lag=10 * LONG_SECONDS) as ports:
        await until_read(ports)
        store, readers = ports.store, readers_of(ports)
        await store.save_session(make_session(metadata={"count": 0}))
        await servers.standby.catch_up()
        async with held_back(servers):
            for count in (1, 2):
                await store.save_session(make_session(metadata={"count": count}))
            await store.append_events(make_events(2))
            await store.save_run(make_run(status=RunStatus.RUNNING))
            with readers.reading():
                assert (await store.get_session("ses_1")).metadata == {"count": 0}
                assert await store.get_latest_sequence("ses_1") == 2
                assert await store.get_active_run("ses_1") is not None
                changed = await store.update_session("ses_1", counted)
                assert changed.metadata == {"count": 3}
                assert (await store.get_session("ses_1")).metadata == {"count": 3}


async def test_who_waits_for_events_is_given_what_a_standby_lacks(
    servers: Servers,
) -> None:
    """
    The primary answers, and all that is read later in the block.
    """
    async with opened(servers, max_lag=10 * LONG_SECONDS) as ports:
        await until_read(ports)
        await ports.store.save_session(make_session())
        await servers.standby.catch_up()

        async def wait() -> list[Event]:
            with readers_of(ports).reading():
                found: list[Event] = await ports.store.get_events(
                    "ses_1", wait_timeout=LONG_SECONDS / 4
                )
                assert await ports.store.get_events("ses_1") == found
            return found

        async with held_back(servers):
            waiting = asyncio.create_task(wait())
            await asyncio.sleep(0)
            await ports.store.append_event(make_event())
            assert [event.id for event in await waiting] == ["evt_1"]


async def test_what_a_standby_does_not_find_the_primary_may(servers: Servers) -> None:
    """
    It alone says that something is not there, and answers what is read after that.
    """
    async with opened(servers) as ports:
        await until_read(ports)
        async with held_back(servers):
            await ports.store.save_session(make_session())
            stats = await ports.query.get_session_stats("ses_1")
            assert stats.event_count == 0
            with readers_of(ports).reading():
                await ports.query.get_session_stats("ses_1")
                page = await ports.query.search_sessions()
            assert [session.id for session in page.items] == ["ses_1"]
            with pytest.raises(SessionNotFoundError):
                await ports.query.export_session("ses_2")


async def test_standbys_take_turns(servers: Servers) -> None:
    """
    Reads are spread evenly, but all of a block, and of an export, are one standby's.
    """
    async with opened(servers, 2) as ports:
        readers = readers_of(ports)
        async with asyncio.timeout(LONG_SECONDS):
            while any(state.reason for state in readers.states):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        await asyncio.gather(*(ports.query.count_events() for _ in range(20)))
        assert [state.reads for state in readers.states] == [10, 10]
        with readers.reading():
            for _ in range(10):
                await ports.query.count_events()
        assert sorted(state.reads for state in readers.states) == [10, 20]

        async def write(_: bytes) -> None:
            return

        before = [state.reads for state in readers.states]
        await ports.query.export_sessions(write)
        after = [state.reads for state in readers.states]
        used = [new - old for old, new in zip(before, after, strict=True)]
        assert min(used) == 0
        assert max(used) > 1


async def test_wrong_readers_are_refused(
    servers: Servers, migrated_sqlite_url: str
) -> None:
    """
    Each error names what is wrong before anything is opened.
    """
    url = servers.url
    with pytest.raises(UnsupportedOperationError, match="only PostgreSQL has standbys"):
        await opens(migrated_sqlite_url, readers=[migrated_sqlite_url])
    with pytest.raises(UnsupportedOperationError, match="only PostgreSQL has standbys"):
        await opens(url, readers=[migrated_sqlite_url])
    with pytest.raises(ValidationError, match="readers: expected a list"):
        await opens(url, readers=url)
    with pytest.raises(ValidationError, match="readers: expected a list"):
        await opens(url, readers=sa.make_url(url))
    with pytest.raises(ValidationError, match="max_lag"):
        await opens(url, readers=[url], max_lag=0)
    async with opened(servers) as ports:
        for wrong in ("", "1.x.y", 7):
            with (
                pytest.raises(ValidationError, match="after: this is no token"),
                readers_of(ports).reading(after=wrong),  # type: ignore[arg-type] # so
            ):
                pass


async def opens(url: str, **options: Any) -> None:
    """
    Open ports and close them.
    """
    async with open_ports(url, **options):
        pass
