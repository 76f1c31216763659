"""
Servers and proxies that fall silent: nothing is refused, and nothing is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.conventions import message_sent
from asm_async.encryption import InMemoryKeyStore
from asm_async.errors import StorageUnavailableError
from asm_async.files import LocalArtifactStore
from asm_async.sql import SQLQueryAPI, SQLSessionStore, SQLTextIndex
from asm_async.testing.factories import make_event, make_session
from asm_async.testing.faults import ProxyAct, TCPProxy
from asm_async.values.changes import Changes
from tests.fault.conftest import OpenEngine
from tests.fault.stopwatch import GRACE, LONG_SECONDS, Stopwatch
from tests.proxies import by_way, way_to
from tests.torture.port_calls import CALLS, DATABASE_CALLS, PortCall, Subject
from tests.torture.world import Ports, encrypting_ports, later, sql_ports

pytestmark = pytest.mark.postgres

TIMEOUT = 1.0


@pytest.fixture
async def relay(migrated_postgres_url: str) -> AsyncIterator[TCPProxy]:
    """
    Yield a way to a server that can fall silent.
    """
    async with way_to(migrated_postgres_url) as relay:
        yield relay


@pytest.fixture
def engine(
    relay: TCPProxy, migrated_postgres_url: str, open_engine: OpenEngine
) -> AsyncEngine:
    """
    Return an engine whose connections go that way.
    """
    return open_engine(by_way(relay, migrated_postgres_url))


@pytest.fixture
async def store(engine: AsyncEngine) -> SQLSessionStore:
    """
    Return a store of short timeout, with two sessions.
    """
    store = SQLSessionStore(engine, timeout=TIMEOUT)
    for id_ in ("ses_1", "ses_2"):
        await store.save_session(make_session(id=id_))
    await store.append_event(make_event(id="evt_0"))
    return store


@pytest.mark.parametrize("encrypts", [False, True], ids=["plain", "encrypted"])
async def test_every_call_of_every_port_ends_in_time(
    relay: TCPProxy,
    open_engine: OpenEngine,
    stopwatch: Stopwatch,
    tmp_path: Path,
    *,
    migrated_postgres_url: str,
    encrypts: bool,
) -> None:
    """
    On a connection that falls silent each ends a second after its timeout at the most.
    """
    contents = LocalArtifactStore(tmp_path / "contents")
    key_store = InMemoryKeyStore()

    def ports_on(url: str, timeout: float) -> Ports:
        ports = sql_ports(open_engine(url), contents, later, timeout)
        return encrypting_ports(ports, key_store) if encrypts else ports

    silent_url = by_way(relay, migrated_postgres_url)
    patient = ports_on(migrated_postgres_url, LONG_SECONDS)
    calls: list[tuple[PortCall, Ports, Subject]] = []
    for number, name in enumerate(DATABASE_CALLS):
        subject, ports = (
            Subject(f"x{number}x"),
            ports_on(silent_url, TIMEOUT),
        )
        await subject.prepare(patient)
        await CALLS[name].prepare(patient, subject)
        # The call finds a connection, and its port looked at the database before.
        await ports.store.get_latest_sequence(subject.id("ses"))
        await ports.maintenance.clean_orphaned_artifacts()
        calls.append((CALLS[name], ports, subject))
    relay.fall_silent()
    took = await asyncio.gather(
        *(stopwatch.time(case.call(ports, subject)) for case, ports, subject in calls)
    )
    closing = await asyncio.gather(
        *(stopwatch.time(ports.aclose()) for _, ports, _ in calls)
    )
    relay.speak()

    late = {
        n: s for n, s in zip(DATABASE_CALLS, took, strict=True) if s > TIMEOUT + GRACE
    }
    assert late == {}
    assert max(closing) < TIMEOUT + GRACE


# What is looked at before it is written begins a transaction.
CREATING = Changes(
    create_session=make_session(id="ses_3"), events=(make_event(session_id="ses_3"),)
)

Call = Callable[[SQLSessionStore], Coroutine[Any, Any, object]]


OUTCOMES: list[tuple[Call, bool]] = [
    (lambda store: store.append_event(make_event(id="evt_1")), True),
    (lambda store: store.commit(CREATING), False),
    (lambda store: store.get_session("ses_1"), False),
    (lambda store: SQLQueryAPI(store.engine, timeout=1).search_sessions(), False),
]


@pytest.mark.parametrize(
    ("call", "is_unknown"),
    OUTCOMES,
    ids=["append", "first_of_two_statements", "get", "search"],
)
async def test_the_outcome_is_unknown_only_of_what_may_commit(
    store: SQLSessionStore, relay: TCPProxy, call: Call, *, is_unknown: bool
) -> None:
    """
    The error of a statement in flight says so, that of a read or of a BEGIN does not.
    """
    await asyncio.sleep(0)
    relay.fall_silent()
    with pytest.raises(StorageUnavailableError) as caught:
        async with asyncio.timeout(LONG_SECONDS):
            await call(store)
    relay.speak()

    assert caught.value.outcome_unknown is is_unknown
    assert isinstance(await store.get_events("ses_1"), list)


async def test_the_others_go_on_over_other_connections(
    engine: AsyncEngine, relay: TCPProxy
) -> None:
    """
    An append on a silent connection keeps no append to another session waiting.
    """
    store = SQLSessionStore(engine, timeout=LONG_SECONDS)
    for id_ in ("ses_1", "ses_2"):
        await store.save_session(make_session(id=id_))
    # Several connections lie in the pool, all of which fall silent.
    await asyncio.gather(*(store.list_sessions() for _ in range(3)))
    relay.fall_silent(lets_new_through=True)
    first = asyncio.create_task(store.append_event(make_event(id="evt_1")))
    await asyncio.sleep(0.05)
    async with asyncio.timeout(LONG_SECONDS / 2):
        await store.append_event(make_event(id="evt_2", session_id="ses_2"))

    assert not first.done()
    relay.speak()
    await first
    assert [event.id for event in await store.get_events("ses_1")] == ["evt_1"]


async def test_a_cancelled_reader_does_not_wait_for_a_silent_server(
    store: SQLSessionStore, relay: TCPProxy, stopwatch: Stopwatch
) -> None:
    """
    ``asyncio.timeout`` around a read is obeyed at once, whoever makes the statement.
    """
    query_api = SQLQueryAPI(store.engine, timeout=LONG_SECONDS)
    await query_api.search_sessions()
    relay.fall_silent()

    async def search() -> None:
        async with asyncio.timeout(0.1):
            await query_api.search_sessions()

    assert await stopwatch.time(search()) < 1
    relay.speak()
    assert len((await query_api.search_sessions()).items) == 2


async def test_an_index_that_is_written_ends_in_time(
    engine: AsyncEngine, relay: TCPProxy, stopwatch: Stopwatch
) -> None:
    """
    An update whose connection falls silent in its transaction, and a search.
    """
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    await store.append_event(message_sent(session_id="ses_1", content="rain"))
    index = SQLTextIndex(engine, timeout=TIMEOUT)
    await index.search_text("rain")
    stalled = relay.arm(ProxyAct.STALL, b"INSERT INTO asm_text_rows")

    assert await stopwatch.time(index.update()) < TIMEOUT + GRACE
    assert stalled.happened.is_set()
    stalled.released.set()
    await index.update()
    assert len(await index.search_text("rain")) == 1
    relay.fall_silent()
    assert await stopwatch.time(index.search_text("rain")) < TIMEOUT + GRACE
    relay.speak()
    await index.aclose()


async def test_an_engine_is_disposed_of_though_its_server_is_silent(
    engine: AsyncEngine, relay: TCPProxy, stopwatch: Stopwatch
) -> None:
    """
    Idle connections are broken off if they cannot be closed.
    """
    store = SQLSessionStore(engine, timeout=TIMEOUT)
    await asyncio.gather(*(store.list_sessions() for _ in range(5)))
    await store.aclose()
    relay.fall_silent()

    assert await stopwatch.time(engine.dispose()) < 2


async def test_a_first_call_ends_in_time(
    relay: TCPProxy, engine: AsyncEngine, stopwatch: Stopwatch
) -> None:
    """
    What its look at the database takes is not given to it a second time.
    """
    store = SQLSessionStore(engine, timeout=2 * TIMEOUT)
    look = relay.arm(ProxyAct.STALL, b"transaction_read_only")
    append = relay.arm(ProxyAct.STALL, b"evt_1")
    calling = asyncio.create_task(
        stopwatch.time(store.append_event(make_event(id="evt_1")))
    )
    async with asyncio.timeout(LONG_SECONDS):
        await look.happened.wait()
    asyncio.get_running_loop().call_later(1.5 * TIMEOUT, look.released.set)
    assert await calling < 2 * TIMEOUT + GRACE
    append.released.set()
    await store.aclose()
