"""
Standbys that lag, are gone, stand still or are none: the primary answers instead.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async import open_ports
from asm_async.errors import NotFoundError, StorageUnavailableError
from asm_async.sql import create_engine, migrations
from asm_async.sql.readers.routing import reads_of
from asm_async.sql.transactions.transaction import Transactions
from asm_async.testing.factories import make_event, make_events, make_session
from asm_async.values.maintenance import HealthIssueKind
from tests.integration.readers.servers import (
    LONG_SECONDS,
    Servers,
    held_back,
    ids_of_events,
    opened,
    readers_of,
    state_of,
    until,
    until_read,
)
from tests.postgres_server import give_away
from tests.standby_pair import running_pair
from tests.standby_server import ask

pytestmark = pytest.mark.postgres

TIMEOUT = 4.0


async def test_a_standby_that_lags_is_left_alone_until_it_catches_up(
    servers: Servers, caplog: pytest.LogCaptureFixture
) -> None:
    """
    The primary answers meanwhile; the log and the health check say why.
    """
    caplog.set_level(logging.INFO, logger="asm_async.sql.readers")
    async with opened(servers, max_lag=0.5) as ports:
        await until_read(ports)
        await ports.store.save_session(make_session())
        async with held_back(servers):
            await ports.store.append_event(make_event())
            state = await until(ports, lambda state: state.reason is not None)
            assert "lags by more than 0.5 s" in str(state.reason)
            assert await ids_of_events(ports) == ["evt_1"]
            issues = await ports.maintenance.health_check()
            unused = [i for i in issues if i.kind is HealthIssueKind.UNUSED_READER]
            assert [issue.subject for issue in unused] == [state.name]
            assert "lags" in unused[0].message
        await until_read(ports)
        issues = await ports.maintenance.health_check()
        assert HealthIssueKind.UNUSED_READER not in {issue.kind for issue in issues}
        await asyncio.sleep(0.3)
    warnings = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert len([r for r in warnings if "is not read from" in r.getMessage()]) == 1
    assert "is read from again" in caplog.text


async def test_a_frozen_standby_keeps_nobody_waiting(servers: Servers) -> None:
    """
    Calls that read from it, or wait for it, are answered by the primary in time.
    """
    async with opened(servers, timeout=TIMEOUT) as ports:
        await until_read(ports)
        await ports.store.save_session(make_session())
        await ports.store.append_event(make_event())
        await servers.standby.catch_up()
        readers = readers_of(ports)
        assert await ids_of_events(ports) == ["evt_1"]
        servers.standby.freeze()
        try:
            await ports.store.append_event(make_event(id="evt_2"))
            token = await readers.token()

            async def seconds_of(call: Callable[[], Any]) -> float:
                began = time.monotonic()
                await call()
                return time.monotonic() - began

            async def after_token() -> None:
                with readers.reading(after=token):
                    assert len(await ports.store.get_events("ses_1")) == 2

            calls: list[Callable[[], Any]] = [
                ports.query.search_events,
                ports.query.search_sessions,
                ports.query.get_usage_summary,
                lambda: ports.query.export_session("ses_1"),
                lambda: ports.text_search.search_text("hello"),
                after_token,
            ]
            seconds = await asyncio.gather(*map(seconds_of, calls))
            assert max(seconds) < TIMEOUT + 1
            state = await until(ports, lambda state: state.reason is not None)
            assert "did not answer" in str(state.reason)
            # By now nobody tries it any more.
            assert max([await seconds_of(call) for call in calls]) < TIMEOUT
        finally:
            servers.standby.thaw()
        await until_read(ports)
        before = state_of(ports).reads
        await ids_of_events(ports)
        assert state_of(ports).reads == before + 1


async def test_a_standby_that_is_gone_is_read_from_again_when_it_is_back(
    servers: Servers, caplog: pytest.LogCaptureFixture
) -> None:
    """
    A restart costs no caller anything: it is tried once in vain, at the most.
    """
    caplog.set_level(logging.DEBUG, logger="asm_async.sql.readers")
    async with opened(servers) as ports:
        await until_read(ports)
        await ports.store.save_session(make_session())
        await ports.store.append_event(make_event())
        await servers.standby.catch_up()
        await ids_of_events(ports)
        await asyncio.to_thread(servers.standby.stop)
        for _ in range(3):
            assert await ids_of_events(ports) == ["evt_1"]
        assert state_of(ports).failed_reads <= 1
        assert "fell silent" not in caplog.text
        await until(ports, lambda state: state.reason is not None)
        await asyncio.to_thread(servers.standby.start)
        await until_read(ports)
        before = state_of(ports).reads
        assert await ids_of_events(ports) == ["evt_1"]
        assert state_of(ports).reads == before + 1


async def test_a_connection_that_was_ended_is_no_reason_against_a_standby(
    servers: Servers,
) -> None:
    """
    It is asked on another one, as after a restart.
    """
    ended = (
        "SELECT bool_and(pg_terminate_backend(pid, 60000)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    async with opened(servers) as ports:
        await until_read(ports)
        assert await ask(servers.standby_url, ended)
        await readers_of(ports).look()
        assert state_of(ports).reason is None


async def test_what_replay_has_to_cancel_the_primary_answers(servers: Servers) -> None:
    """
    A read that is in the way of the log's replay is done again, on the primary.
    """
    url = servers.standby_url
    await ask(url, "ALTER SYSTEM SET max_standby_streaming_delay = 0")
    await ask(url, "SELECT pg_reload_conf()")
    async with opened(servers) as ports, AsyncExitStack() as closing:
        await until_read(ports)
        await ports.store.save_session(make_session())
        await ports.store.append_events(make_events(100))
        await servers.standby.catch_up()
        engine = create_engine(servers.url)
        closing.push_async_callback(engine.dispose)
        reads = reads_of(
            readers_of(ports), Transactions(engine, LONG_SECONDS), by_default=True
        )
        is_reading = asyncio.Event()
        asked: list[bool] = []

        async def read(conn: AsyncConnection) -> int:
            asked.append(bool(await conn.scalar(sa.text("SELECT pg_is_in_recovery()"))))
            count = await conn.scalar(sa.text("SELECT count(*) FROM asm_events"))
            is_reading.set()
            while asked[-1]:
                await conn.execute(sa.text("SELECT pg_sleep(0.05)"))
            return int(count or 0)

        reading = asyncio.create_task(reads.read_snapshot(read))
        await is_reading.wait()
        await ports.store.delete_session("ses_1")
        await ask(servers.url, "VACUUM asm_events")
        async with asyncio.timeout(LONG_SECONDS):
            assert await reading == 0
        assert asked == [True, False]
        assert state_of(ports).failed_reads == 1
    await ask(url, "ALTER SYSTEM RESET max_standby_streaming_delay")
    await ask(url, "SELECT pg_reload_conf()")


async def test_a_standby_of_another_server_is_not_read_from(
    servers: Servers, migrated_postgres_url: str
) -> None:
    """
    Nor is the primary itself, which may be named among the readers.
    """
    readers = [servers.standby_url, servers.url]
    async with open_ports(migrated_postgres_url, readers=readers) as ports:
        foreign, primary = readers_of(ports).states
        assert "another server" in str(foreign.reason)
        assert "no standby" in str(primary.reason)
        assert await ids_of_events(ports) == []
        with readers_of(ports).reading(after=await own_token(servers)):
            assert await ports.query.count_events() == 0
        assert [state.reads for state in readers_of(ports).states] == [0, 0]


async def test_a_primary_that_is_a_standby_tells_nothing_of_others(
    servers: Servers,
) -> None:
    """
    How far the log goes, it does not know: it answers itself, and makes no tokens.
    """
    url = servers.standby_url
    async with open_ports(url, readers=[url]) as ports:
        assert "did not answer yet" in str(state_of(ports).reason)
        assert await ports.query.count_events() == 0
        assert state_of(ports).reads == 0
        with pytest.raises(StorageUnavailableError, match="there is no token"):
            await readers_of(ports).token()


async def own_token(servers: Servers) -> str:
    """
    Return a token of these servers.
    """
    async with opened(servers) as ports:
        return await readers_of(ports).token()


async def test_standbys_answer_while_the_primary_is_away() -> None:
    """
    The one that is promoted is read from no more as a standby.
    """
    with running_pair() as pair:
        engine = create_engine(pair.primary.url)
        await migrations.upgrade(engine)
        await engine.dispose()
        servers = Servers(pair, pair.primary.url)
        async with opened(servers, timeout=TIMEOUT) as ports:
            await until_read(ports)
            await ports.query.search_sessions()
            await ports.store.save_session(make_session())
            await pair.standby.catch_up()
            await asyncio.to_thread(pair.primary.kill)
            page = await ports.query.search_sessions()
            assert [session.id for session in page.items] == ["ses_1"]
            with pytest.raises(NotFoundError), readers_of(ports).reading():
                await ports.store.get_session("ses_2")
            await pair.standby.promote()
            state = await until(ports, lambda state: state.reason is not None)
            assert "promoted" in str(state.reason)


async def test_a_standby_that_holds_what_was_lost_is_not_read_from() -> None:
    """
    It is ahead of the server that was promoted without all that the old one had.
    """
    with running_pair() as pair:
        old, new = pair.primary, pair.standby
        engine = create_engine(old.url)
        await migrations.upgrade(engine)
        await engine.dispose()
        await new.catch_up()
        await new.stop_following()
        text = secrets.token_hex(500_000)
        async with open_ports(old.url) as ports:
            await ports.store.save_session(make_session(metadata={"text": text}))
        await asyncio.to_thread(old.stop)
        signal = old.directory / "data" / "standby.signal"
        signal.touch()
        give_away(signal)
        await asyncio.to_thread(old.start)
        await new.promote()
        async with open_ports(new.url, readers=[old.url]) as ports:
            assert "holds what the primary does not" in str(state_of(ports).reason)
            assert (await ports.query.search_sessions()).items == ()
            assert state_of(ports).reads == 0
