from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any, Self

import pytest

from asm_async import InMemoryPorts, Ports
from asm_async.errors import (
    MigrationRequiredError,
    SessionNotFoundError,
    StoreClosedError,
    UnsupportedOperationError,
    ValidationError,
)
from asm_async.portal import Portal, PortsRunner, open_adapter, open_portal
from asm_async.testing.factories import make_event, make_session


def test_loops_and_threads_share_one_log(portal: Portal) -> None:
    """
    What several loops, and threads without one, append at once has one order.
    """
    session = make_session()
    portal.call(lambda: portal.opened.store.save_session(session))
    start = threading.Barrier(6)

    async def append_in_loop(name: str) -> list[int]:
        numbers: list[int] = []
        for count in range(10):
            event = make_event(session_id=session.id, id=f"{name}-{count}")
            stored = await portal.ports.store.append_event_with_sequence(event)
            numbers.append(stored.sequence_number)
        return numbers

    def in_a_loop(name: str) -> list[int]:
        start.wait()
        return asyncio.run(append_in_loop(name))

    def without_a_loop(name: str) -> list[int]:
        start.wait()
        return portal.call(lambda: append_in_loop(name))

    with ThreadPoolExecutor(6) as pool:
        works = [
            pool.submit(append, f"{append.__name__}-{round_}")
            for append in (in_a_loop, without_a_loop)
            for round_ in range(3)
        ]
        found = [number for work in works for number in work.result()]

    assert sorted(found) == list(range(1, 61))


async def test_an_error_reaches_the_caller_as_it_is(portal: Portal) -> None:
    """
    A portal changes no error, from a loop or without.
    """
    with pytest.raises(SessionNotFoundError) as from_loop:
        await portal.ports.store.get_session("ses_none")
    with pytest.raises(SessionNotFoundError) as from_thread:
        await asyncio.to_thread(
            portal.call, lambda: portal.opened.store.get_session("ses_none")
        )

    assert from_loop.value.args == from_thread.value.args


async def test_a_cancelled_call_waits_for_its_outcome() -> None:
    """
    It is cancelled in the portal's loop, and its caller goes on when it has ended.
    """
    begun, ended = threading.Event(), threading.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            # As a commit that must be waited for.
            await asyncio.sleep(0.2)
            ended.set()

    async with Portal(InMemoryPorts) as portal:
        call = asyncio.create_task(portal.run(work))
        await asyncio.to_thread(begun.wait)
        call.cancel()
        await asyncio.sleep(0.05)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

        assert ended.is_set()


async def test_what_is_cancelled_is_not_waited_for_longer_than_the_timeout() -> None:
    """
    A call that does not end when it is cancelled holds its caller for a time at most.
    """
    release = threading.Event()

    async def work() -> None:
        while not release.is_set():
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                continue

    async with Portal(InMemoryPorts, timeout=0) as portal:
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(portal.run(work), 0.05)
        took = time.monotonic() - begun
        release.set()

    assert 1.0 <= took < 5.0


async def test_a_call_sees_the_context_of_its_caller() -> None:
    """
    Context variables, such as those of tracing, come along.
    """
    variable: ContextVar[str] = ContextVar("variable", default="none")

    async def read() -> str:
        return variable.get()

    async with Portal(InMemoryPorts) as portal:
        variable.set("of the caller")

        assert await portal.run(read) == "of the caller"


async def test_what_comes_back_at_once_wakes_its_caller_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    Of calls that end while their caller's loop is busy, it is told all at once.
    """
    caller, ended = asyncio.get_running_loop(), threading.Event()
    wake_ups: list[object] = []
    wake = caller.call_soon_threadsafe

    def count_wake_ups(callback: Callable[..., object], *args: Any) -> asyncio.Handle:
        wake_ups.append(callback)
        return wake(callback, *args)

    async def end(number: int) -> int:
        # The last to end is the first that was begun.
        for _ in range(32 - number):
            await asyncio.sleep(0)
        if number == 0:
            ended.set()
        return number

    async with Portal(InMemoryPorts) as portal:
        monkeypatch.setattr(caller, "call_soon_threadsafe", count_wake_ups)
        calls = [
            asyncio.ensure_future(portal.run(partial(end, number)))
            for number in range(32)
        ]
        await asyncio.sleep(0)
        ended.wait()
        results = await asyncio.gather(*calls)
        monkeypatch.undo()

    assert results == list(range(32))
    # What the last one returns comes when its caller may go on already.
    assert len(wake_ups) <= 2


async def test_a_synchronous_call_in_the_portals_thread_is_refused() -> None:
    """
    It would wait for itself; the asynchronous one goes straight through.
    """
    async with Portal(InMemoryPorts) as portal:

        async def call_again() -> str:
            with pytest.raises(UnsupportedOperationError, match="own thread"):
                portal.call(read)
            return await portal.run(read)

        async def read() -> str:
            return threading.current_thread().name

        assert await portal.run(call_again) == "asm_async-portal"


def test_a_caller_whose_loop_has_ended_harms_nobody() -> None:
    """
    The call it has left behind ends, and the next one is answered.
    """
    begun, release = threading.Event(), threading.Event()

    async def work() -> None:
        begun.set()
        await asyncio.to_thread(release.wait)

    async def read() -> int:
        return 1

    with Portal(InMemoryPorts) as portal:
        loop = asyncio.new_event_loop()
        task = loop.create_task(portal.run(work))
        loop.run_until_complete(asyncio.to_thread(begun.wait))
        loop.run_until_complete(loop.shutdown_default_executor())
        # As a program that is interrupted: nobody is left to hear of the end.
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # asyncio's own
        loop.close()
        release.set()

        assert portal.call(read) == 1


async def test_what_is_under_way_ends_when_the_portal_is_closed() -> None:
    """
    It is refused like what comes after, and no thread is left.
    """
    portal = Portal(InMemoryPorts)
    begun = threading.Event()

    async def work() -> None:
        begun.set()
        await asyncio.sleep(60)

    call = asyncio.create_task(portal.run(work))
    await asyncio.to_thread(begun.wait)
    await portal.aclose()

    with pytest.raises(StoreClosedError, match="portal was closed"):
        await call
    with pytest.raises(StoreClosedError, match="portal was closed"):
        await portal.run(work)
    with pytest.raises(StoreClosedError, match="not open"):
        _ = portal.opened
    portal.close()


async def test_a_url_has_one_thread(migrated_sqlite_url: str) -> None:
    """
    Portals to the same URL share one, which ends with the last of them.
    """

    async def read() -> int:
        return threading.get_ident()

    first, second = open_portal(migrated_sqlite_url), open_portal(migrated_sqlite_url)
    ident = await first.run(read)
    assert await second.run(read) == ident
    await first.aclose()
    assert await second.run(read) == ident
    with pytest.raises(StoreClosedError):
        await first.ports.store.list_sessions()
    await second.aclose()

    with open_portal(migrated_sqlite_url) as third:
        assert await third.ports.store.list_sessions() == []


def test_other_options_for_the_same_url_are_refused(migrated_sqlite_url: str) -> None:
    """
    The error names the option, and the first portal goes on.
    """
    with open_portal(migrated_sqlite_url) as portal:
        with pytest.raises(ValidationError, match=r"^timeout: .* other options"):
            open_portal(migrated_sqlite_url, timeout=1.0)

        assert portal.call(portal.ports.store.list_sessions) == []


async def test_a_portal_that_could_not_be_opened_tries_again(tmp_path: Path) -> None:
    """
    What is wrong is raised where it is opened, and mended when it is mended.
    """
    portal = open_portal(f"sqlite+aiosqlite:///{tmp_path / 'new.sqlite3'}")
    for _ in range(2):
        with pytest.raises(MigrationRequiredError):
            await portal.ports.store.list_sessions()
    with pytest.raises(MigrationRequiredError):
        portal.call(portal.ports.store.list_sessions)
    migrating = open_portal(
        f"sqlite+aiosqlite:///{tmp_path / 'new.sqlite3'}", migrate=True
    )

    assert await portal.ports.store.list_sessions() == []
    await portal.aclose()
    await migrating.aclose()


async def test_many_first_calls_open_the_ports_once() -> None:
    """
    Calls that come meanwhile wait for that; one that is cancelled breaks nothing off.
    """
    opened: list[Ports] = []

    class SlowPorts(InMemoryPorts):
        async def __aenter__(self) -> Self:
            await asyncio.sleep(0.1)
            opened.append(self)
            return self

    async with asyncio.TaskGroup() as tasks:
        portal = Portal(SlowPorts)
        calls = [tasks.create_task(portal.ports.store.list_sessions()) for _ in "abcd"]
        await asyncio.sleep(0.05)
        calls[0].cancel()

    assert [each.result() for each in calls[1:]] == [[], [], []]
    assert len(opened) == 1
    await portal.aclose()


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"open_ports": "sqlite"}, "open_ports"),
        ({"open_ports": InMemoryPorts, "timeout": -1}, "timeout"),
        ({"open_ports": InMemoryPorts, "timeout": "soon"}, "timeout"),
    ],
)
def test_a_wrong_argument_is_named(arguments: dict[str, object], name: str) -> None:
    """
    A portal refuses it when it is made.
    """
    with pytest.raises(ValidationError, match=f"^{name}: "):
        Portal(**arguments)  # type: ignore[arg-type]  # what is tried here


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"url": ""}, "url"),
        ({"url": "sqlite+aiosqlite://", "timeout": None}, "timeout"),
        ({"url": "sqlite+aiosqlite://", "migrate": 1}, "migrate"),
    ],
)
def test_a_wrong_argument_of_a_url_is_named(
    arguments: dict[str, object], name: str
) -> None:
    """
    So does what opens one for a URL.
    """
    with pytest.raises(ValidationError, match=f"^{name}: "):
        open_portal(**arguments)  # type: ignore[arg-type]  # what is tried here


async def test_an_operation_of_several_calls_hops_once(portal: Portal) -> None:
    """
    A runner carries it out where the ports are, and has a synchronous half there.
    """
    runner = PortsRunner(portal.ports)
    session = make_session()

    async def save_twice() -> tuple[int, str]:
        await runner.ports.store.save_session(session)
        saved = await runner.ports.store.save_session(session)
        return saved.revision % 2, threading.current_thread().name

    name = "asm_async-portal"
    assert await runner.run(save_twice) == (0, name)
    assert await asyncio.to_thread(runner.call, save_twice) == (0, name)


async def test_a_runner_over_ordinary_ports_stays_in_the_loop() -> None:
    """
    It changes no thread, and refuses synchronous calls with what to do.
    """
    async with InMemoryPorts() as ports:
        runner = PortsRunner(ports)

        async def read() -> threading.Thread:
            return threading.current_thread()

        assert runner.ports is ports
        assert await runner.run(read) is threading.current_thread()
        with pytest.raises(UnsupportedOperationError, match="from_url"):
            runner.call(read)
        with pytest.raises(ValidationError, match=r"^ports: "):
            PortsRunner(None)  # type: ignore[arg-type]  # what is tried here


async def test_a_runner_over_a_portal_that_is_not_open_says_so() -> None:
    """
    Ports that are not open yet are not handed out.
    """
    portal = Portal(InMemoryPorts)
    runner = PortsRunner(portal.ports)
    with pytest.raises(StoreClosedError, match="not open"):
        _ = runner.ports

    async def read() -> AsyncGenerator[str] | Ports:
        return runner.ports

    assert await runner.run(read) is portal.opened
    await portal.aclose()


async def test_an_adapter_closes_the_portal_that_was_opened_for_it() -> None:
    """
    A runner closes the portal of its adapter, and no portal that others opened.
    """
    url = "sqlite+aiosqlite://"
    runner = open_adapter(url, PortsRunner, migrate=True)
    session = make_session()

    async def save() -> object:
        return await runner.ports.store.save_session(session)

    with open_portal(url) as others:
        await runner.run(save)
        other = PortsRunner(others.ports)
        await other.aclose()
        await runner.aclose()
        runner.close()
        saved = await others.ports.store.get_session(session.id)
        assert saved.id == session.id
        with pytest.raises(StoreClosedError, match="was closed"):
            await runner.run(save)
    # Nothing shares the thread any more: other options are taken.
    open_adapter(url, PortsRunner, timeout=5.0).close()


def test_an_adapter_that_refuses_leaves_no_portal() -> None:
    """
    What its constructor raises is raised, and the portal's thread is shared no more.
    """
    url = "sqlite+aiosqlite://"

    def refuse(_ports: Ports) -> None:
        raise ValidationError("namespace: expected a text")

    with pytest.raises(ValidationError, match="namespace"):
        open_adapter(url, refuse)
    open_portal(url, timeout=5.0).close()
