"""
Reads that a hot standby answers, and the primary where it cannot.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any

import attrs
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async import Session, open_ports
from asm_async.errors import (
    NotFoundError,
    SessionNotFoundError,
    UnsupportedOperationError,
    ValidationError,
)
from asm_async.sql import Readers, ReaderState, SQLPorts, create_engine, migrations
from asm_async.sql.readers.positions import ReadToken, token_of
from asm_async.sql.readers.readers import reads_of
from asm_async.sql.transactions.transaction import Transactions
from asm_async.testing.event_feed.contract import Collecting
from asm_async.testing.factories import make_event, make_events, make_run, make_session
from asm_async.values.maintenance import HealthIssueKind
from asm_async.values.run import RunStatus
from tests.postgres_databases import PostgresDatabases
from tests.standby_pair import Pair, running_pair
from tests.standby_server import StandbyServer, ask

pytestmark = pytest.mark.postgres

LONG_SECONDS = 60
TIMEOUT = 4.0


@attrs.frozen
class Servers:
    """
    A primary and its standby, with a database of which the URL is the primary's.
    """

    pair: Pair
    url: str

    @property
    def standby(self) -> StandbyServer:
        """
        The standby.
        """
        return self.pair.standby

    @property
    def standby_url(self) -> str:
        """
        Where it has the database.
        """
        return self.pair.on_standby(self.url)


@pytest.fixture(scope="module")
def pair() -> Generator[Pair]:
    """
    Yield a primary and its standby, which each test leaves as it found them.
    """
    with running_pair() as pair:
        yield pair


@pytest.fixture(scope="module")
def databases(pair: Pair) -> Generator[PostgresDatabases]:
    """
    Yield what makes databases on both.
    """
    databases = PostgresDatabases(pair.primary.url)
    yield databases
    databases.close()


@pytest.fixture(scope="module")
def template(databases: PostgresDatabases) -> Generator[str]:
    """
    Yield the name of a database that has our tables and is copied, never used.
    """
    with databases.migrated() as name:
        yield name


@pytest.fixture
def url(databases: PostgresDatabases, template: str) -> Generator[str]:
    """
    Yield a database of the test's own, on the primary.
    """
    with databases.copy(template) as url:
        yield url


@pytest.fixture
async def servers(pair: Pair, url: str) -> Servers:
    """
    Return the primary and the standby, which is as far, with a database of the test's.
    """
    await pair.standby.catch_up()
    return Servers(pair, url)


def opened(servers: Servers, count: int = 1, **options: Any) -> Any:
    """
    Open ports on the primary, with the standby so many times among the readers.
    """
    return open_ports(servers.url, readers=[servers.standby_url] * count, **options)


def readers_of(ports: SQLPorts) -> Readers:
    """
    Return the readers, which are there.
    """
    assert ports.readers is not None
    return ports.readers


def state_of(ports: SQLPorts) -> ReaderState:
    """
    Return the state of the only standby.
    """
    (state,) = readers_of(ports).states
    return state


async def until(ports: SQLPorts, is_so: Callable[[ReaderState], bool]) -> ReaderState:
    """
    Wait until the only standby's state is so.
    """
    async with asyncio.timeout(LONG_SECONDS):
        while not is_so(state := state_of(ports)):  # noqa: ASYNC110 - none is set
            await asyncio.sleep(0.01)
    return state


async def until_read(ports: SQLPorts) -> None:
    """
    Wait until the standby is read from.
    """
    await until(ports, lambda state: state.reason is None)


@asynccontextmanager
async def held_back(servers: Servers) -> AsyncGenerator[None]:
    """
    Have the standby replay nothing while the block lasts.
    """
    await servers.standby.hold_back()
    try:
        yield
    finally:
        await servers.standby.go_on()


async def ids_of_events(ports: SQLPorts) -> list[str]:
    """
    Search for all events.
    """
    page = await ports.query.search_events(order_by="timestamp_asc")
    return [event.id for event in page.items]


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


async def test_what_a_standby_does_not_find_the_primary_may(servers: Servers) -> None:
    """
    That something is not there is said by the primary alone.
    """
    async with opened(servers) as ports:
        await until_read(ports)
        async with held_back(servers):
            await ports.store.save_session(make_session())
            stats = await ports.query.get_session_stats("ses_1")
            assert stats.event_count == 0
            with pytest.raises(SessionNotFoundError):
                await ports.query.export_session("ses_2")


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
    servers: Servers,
) -> None:
    """
    A restart costs no caller anything.
    """
    async with opened(servers) as ports:
        await until_read(ports)
        await ports.store.save_session(make_session())
        await ports.store.append_event(make_event())
        await servers.standby.catch_up()
        await ids_of_events(ports)
        await asyncio.to_thread(servers.standby.stop)
        for _ in range(3):
            assert await ids_of_events(ports) == ["evt_1"]
        await until(ports, lambda state: state.reason is not None)
        await asyncio.to_thread(servers.standby.start)
        await until_read(ports)
        before = state_of(ports).reads
        assert await ids_of_events(ports) == ["evt_1"]
        assert state_of(ports).reads == before + 1


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


async def test_followers_of_a_standby_miss_nothing_when_it_goes(
    servers: Servers,
) -> None:
    """
    They look there without listening, and at the primary once it is gone.
    """
    async with opened(servers) as ports, open_ports(servers.url) as other:
        await until_read(ports)
        await other.store.save_session(make_session())
        followers: list[Collecting[Any]] = [
            Collecting(ports.feed.follow_session("ses_1")),
            Collecting(ports.feed.follow_all()),
        ]
        await other.store.append_events(make_events(5))
        for follower in followers:
            await follower.until(5)
        assert state_of(ports).reads > 0
        await asyncio.to_thread(servers.standby.stop)
        await other.store.append_events(make_events(5, first=6))
        for follower in followers:
            await follower.until(10)
        await asyncio.to_thread(servers.standby.start)
        await until_read(ports)
        await other.store.append_events(make_events(5, first=11))
        for follower in followers:
            await follower.until(15)
            await follower.stop()
        events = [followers[0].items, [event for event, _ in followers[1].items]]
        for followed in events:
            numbers = [event.sequence_number for event in followed]
            assert numbers == [*range(1, 16)]
    assert "LISTEN" not in servers.standby.log_text()


async def test_consumers_stay_with_the_primary(servers: Servers) -> None:
    """
    One is given what the standby does not have yet.
    """
    async with opened(servers, max_lag=10 * LONG_SECONDS) as ports:
        await until_read(ports)
        await ports.store.save_session(make_session())
        async with held_back(servers):
            await ports.store.append_events(make_events(3))
            seen = 0
            batches = ports.feed.consumer("counting").batches()
            async with asyncio.timeout(LONG_SECONDS), aclosing(batches):
                async for batch in batches:
                    seen += len(batch.events)
                    await batch.acknowledge()
                    if seen == 3:
                        break


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


async def own_token(servers: Servers) -> str:
    """
    Return a token of these servers.
    """
    async with opened(servers) as ports:
        return await readers_of(ports).token()


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
