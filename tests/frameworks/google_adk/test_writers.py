"""
Several that write to one session: objects, loops and processes, some of them killed.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path
from typing import Any

import attrs
import pytest
from google.adk.errors import StaleSessionError
from google.adk.sessions.session import Session

from asm_async import Ports, open_ports
from asm_async.errors import StoreClosedError
from asm_async.integrations.google_adk import AsmSessionService
from asm_async.portal import Portal
from asm_async.ports.session_store import SessionStore
from asm_async.values.run import Run
from tests.frameworks.google_adk.adk_events import changed, said, usage

ROOT = Path(__file__).parents[3]
SESSION = {"app_name": "app", "user_id": "ann", "session_id": "s1"}
TRIALS = 8
EVENTS_EACH = 4
KILLS = 4


async def _get(service: AsmSessionService) -> Session:
    session = await service.get_session(**SESSION)
    assert session is not None
    return session


async def test_a_stale_object_is_refused_whatever_its_clock_says(ports: Ports) -> None:
    """
    Of two objects read at one moment the second is refused, at equal and earlier times.
    """
    service = AsmSessionService(ports)
    await service.create_session(**SESSION)
    first, second = await _get(service), await _get(service)
    await service.append_event(first, changed({"k": 1}, timestamp=50.0))
    for timestamp in (50.0, 1.0, 99.0):
        with pytest.raises(StaleSessionError, match="modified in storage"):
            await service.append_event(second, changed({"k": 2}, timestamp=timestamp))
    got = await _get(service)
    assert got == first
    assert got.state == {"k": 1}


async def test_of_concurrent_writers_one_wins(ports: Ports) -> None:
    """
    Of six copies of one object exactly one appends, each of eight times.
    """
    service = AsmSessionService(ports)
    await service.create_session(**SESSION)
    for attempt in range(TRIALS):
        latest = await _get(service)
        copies = [latest.model_copy(deep=True) for _ in range(6)]
        results = await asyncio.gather(
            *(
                service.append_event(each, changed({f"k{attempt}": number}))
                for number, each in enumerate(copies)
            ),
            return_exceptions=True,
        )
        refused = [each for each in results if isinstance(each, StaleSessionError)]
        assert len(refused) == len(copies) - 1
        assert len((await _get(service)).events) == attempt + 1


async def test_appends_of_one_object_follow_each_other(ports: Ports) -> None:
    """
    An object may be appended to by many tasks at once: none is stale to the others.
    """
    service = AsmSessionService(ports)
    session = await service.create_session(**SESSION)
    events = [said(str(n), usage_metadata=usage(1, 1)) for n in range(20)]
    await asyncio.gather(*(service.append_event(session, each) for each in events))
    assert session == await _get(service)
    assert session.events == events
    (run,) = await ports.store.list_runs("adk/app/ann/s1")
    assert run.total_tokens == 40


async def test_a_session_is_read_as_of_one_moment(ports: Ports) -> None:
    """
    Beside a writer, events and state are always those of the same append.
    """
    service = AsmSessionService(ports)
    session = await service.create_session(**SESSION, state={"n": 0})

    async def write() -> None:
        for number in range(1, 30):
            await service.append_event(session, changed({"n": number}))

    writing = asyncio.create_task(write())
    while not writing.done():
        # In memory no read waits for anything.
        await asyncio.sleep(0)
        got = await _get(service)
        assert got.state["n"] == len(got.events)
    await writing


class BusyStore:
    """
    A store in which others set a run's cost each time after it was read.
    """

    def __init__(self, store: SessionStore) -> None:
        self._store = store
        self.costs = [3.0, 5.0, 7.0]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def get_run(self, run_id: str) -> Run:
        """
        Return the run as it was a moment ago.
        """
        run = await self._store.get_run(run_id)
        if self.costs:
            cost = self.costs.pop(0)
            await self._store.update_run(run_id, lambda run: run.set_cost(cost))
        return run


async def test_what_others_save_of_a_run_stays(ports: Ports) -> None:
    """
    A cost that is set while an event is appended is not overwritten by it.
    """
    session = await AsmSessionService(ports).create_session(**SESSION)
    busy: Any = BusyStore(ports.store)
    names = [field.name for field in attrs.fields(Ports)]
    parts = {name: getattr(ports, name) for name in names}
    service = AsmSessionService(Ports(**{**parts, "store": busy}))
    for _ in range(3):
        event = said("x", author="agent", usage_metadata=usage(1, 1))
        await service.append_event(session, event)
    (run,) = await ports.store.list_runs("adk/app/ann/s1")
    assert (run.cost_usd, run.total_tokens) == (7.0, 6)
    assert not busy.costs


async def test_a_cancelled_append_is_whole_or_nothing(ports: Ports) -> None:
    """
    Cancelled at any moment, an append has stored all or nothing, and can be repeated.
    """
    service = AsmSessionService(ports)
    await service.create_session(**SESSION)
    for turns in range(25):
        session = await _get(service)
        before = len(session.events)
        event = said("x", author="agent", usage_metadata=usage(1, 1), id=f"e{turns}")
        event.actions.state_delta = {"n": turns}
        task = asyncio.create_task(service.append_event(session, event))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        got = await _get(service)
        is_stored = len(got.events) == before + 1
        assert (got.state.get("n") == turns) is is_stored
        # The object did not learn of it, and the event may be appended again.
        await service.append_event(session, event)
        assert await _get(service) == session
        (run,) = await ports.store.list_runs("adk/app/ann/s1")
        assert run.total_tokens == 2 * (before + 1)


def test_a_portal_serves_several_loops_and_threads(portal: Portal) -> None:
    """
    Four threads with loops of their own write to one service, and lose nothing.
    """
    service = AsmSessionService(portal.ports)
    asyncio.run(_create(service))
    started = threading.Barrier(4)

    async def write(name: str) -> None:
        for count in range(5):
            while True:
                session = await _get(service)
                try:
                    await service.append_event(session, changed({f"{name}{count}": 1}))
                except StaleSessionError:
                    continue
                break

    def work(name: str) -> None:
        started.wait()
        asyncio.run(write(name))

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    session = asyncio.run(_get(service))
    assert len(session.events) == 20
    assert session.state == {f"{n}{c}": 1 for n in "abcd" for c in range(5)}


async def _create(service: AsmSessionService) -> None:
    await service.create_session(**SESSION)


def test_a_service_of_a_url_is_for_every_loop(tmp_path: Path) -> None:
    """
    It makes the tables, serves one loop after the other, and is refused when closed.
    """
    service = AsmSessionService.from_url(f"sqlite+aiosqlite:///{tmp_path / 'a.db'}")
    asyncio.run(_create(service))
    assert asyncio.run(_get(service)).id == "s1"
    asyncio.run(service.close())
    with pytest.raises(StoreClosedError):
        asyncio.run(_get(service))


@pytest.fixture
def shared_url(request: pytest.FixtureRequest) -> str:
    """
    Return a database that processes can share.
    """
    return str(request.getfixturevalue(request.param))


on_disk = pytest.mark.parametrize(
    "shared_url",
    [
        pytest.param("migrated_sqlite_url", id="sqlite_file"),
        pytest.param(
            "undisputed_postgres_url", id="postgresql", marks=pytest.mark.postgres
        ),
    ],
    indirect=True,
)


async def _run(*arguments: object) -> list[str]:
    """
    Run the process that writes, and return the lines that it has written.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.frameworks.google_adk.writing_process",
        *map(str, arguments),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return output.decode().split()


@on_disk
async def test_two_processes_lose_no_key(shared_url: str) -> None:
    """
    In eight trials two processes that write keys of all scopes at once lose none.
    """
    async with open_ports(shared_url) as ports:
        service = AsmSessionService(ports)
        for trial in range(TRIALS):
            await service.create_session(**{**SESSION, "session_id": f"s{trial}"})
    await _run("write", shared_url, 2, TRIALS, EVENTS_EACH)
    async with open_ports(shared_url) as ports:
        service = AsmSessionService(ports)
        for trial in range(TRIALS):
            name = {**SESSION, "session_id": f"s{trial}"}
            session = await service.get_session(**name)
            assert session is not None
            keys = [f"w{w}-{trial}-{n}" for w in (0, 1) for n in range(EVENTS_EACH)]
            _check_whole(session, keys)
            (run,) = await ports.store.list_runs(f"adk/app/ann/s{trial}")
            assert run.total_tokens == 2 * len(keys)
        shared = await service.get_user_state(app_name="app", user_id="ann")
        assert len(shared) == 2 * TRIALS * EVENTS_EACH


@on_disk
async def test_a_killed_writer_leaves_whole_events(shared_url: str) -> None:
    """
    Killed at any moment, a writer leaves all that it acknowledged, and nothing halved.
    """
    async with open_ports(shared_url) as ports:
        service = AsmSessionService(ports)
        await service.create_session(**{**SESSION, "session_id": "s0"})
    acknowledged = set(await _run("kill", shared_url, KILLS, 0.1))
    assert len(acknowledged) >= KILLS
    async with open_ports(shared_url) as ports:
        service = AsmSessionService(ports)
        session = await service.get_session(**{**SESSION, "session_id": "s0"})
        (run,) = await ports.store.list_runs("adk/app/ann/s0")
    assert session is not None
    stored = [event.id for event in session.events]
    assert acknowledged <= set(stored)
    # What was not acknowledged is whole, too: of each writer one event at the most.
    assert len(stored) <= len(acknowledged) + KILLS
    _check_whole(session, stored)
    assert run.total_tokens == 2 * len(stored)


def _check_whole(session: Session, keys: list[str]) -> None:
    """
    Require these events, each once, and the state that each has changed, in each scope.
    """
    assert sorted(event.id for event in session.events) == sorted(keys)
    own = {key for key in session.state if ":" not in key}
    assert own == set(keys)
    shared = {f"{scope}{key}" for key in keys for scope in ("user:", "app:")}
    assert shared <= set(session.state)
