from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from asm_async import InMemoryPorts, Ports
from asm_async.errors import (
    StoreClosedError,
    UnsupportedOperationError,
    ValidationError,
)
from asm_async.portal import Portal
from asm_async.portal.streams import MAX_WAITING
from asm_async.ports.event_feed import EventFeed
from asm_async.ports.maintenance import Maintenance
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.ports.state_store import StateStore
from asm_async.ports.text_search import TextSearch
from asm_async.testing.factories import make_event, make_events, make_session

PORTS = [
    ("store", SessionStore),
    ("state", StateStore),
    ("query", QueryAPI),
    ("maintenance", Maintenance),
    ("feed", EventFeed),
    ("text_search", TextSearch),
]


class Counter:
    """
    A generator that counts what was asked of it.
    """

    def __init__(self) -> None:
        self.made = 0
        self.is_closed = False
        self.threads: set[str] = set()

    async def numbers(self, end: int | None = None) -> AsyncGenerator[int]:
        """
        Yield 0, 1, 2 ...; fail at *end*.
        """
        try:
            while self.made != end:
                self.threads.add(threading.current_thread().name)
                self.made += 1
                yield self.made - 1
            raise LookupError(end)
        finally:
            await asyncio.sleep(0.01)
            self.is_closed = True


async def test_a_follower_is_given_each_event_once_in_order(portal: Portal) -> None:
    """
    Also those that are appended while it follows, in another loop.
    """
    session = make_session()
    await portal.ports.store.save_session(session)
    await portal.ports.store.append_events(make_events(150, session_id=session.id))
    seen: list[int] = []
    follower = portal.ports.feed.follow_session(session.id)
    async with aclosing(follower) as events:
        async for event in events:
            seen.append(event.sequence_number)
            if len(seen) == 150:
                more = make_events(150, first=151, session_id=session.id)
                await portal.ports.store.append_events(more)
            if len(seen) == 300:
                break

    assert seen == list(range(1, 301))


async def test_what_is_fetched_ahead_is_bounded() -> None:
    """
    A slow consumer has a generator wait, whatever it could yield.
    """
    counter = Counter()
    async with Portal(InMemoryPorts) as portal:
        async with aclosing(portal.stream(counter.numbers)) as numbers:
            async for number in numbers:
                await asyncio.sleep(0.001)
                assert counter.made - number <= 2 * MAX_WAITING + 1
                if number == 300:
                    break
        # Closed as soon as its consumer has closed it.
        assert counter.is_closed

    assert counter.threads == {"asm_async-portal"}


async def test_an_error_comes_behind_what_was_yielded_before_it() -> None:
    """
    No item is lost to it.
    """
    counter, seen = Counter(), list[int]()
    async with Portal(InMemoryPorts) as portal:
        numbers = portal.stream(lambda: counter.numbers(200))
        with pytest.raises(LookupError):
            await collect(numbers, seen)

    assert seen == list(range(200))


async def test_a_consumer_that_is_cancelled_ends_the_generator() -> None:
    """
    Nothing of it is left in the portal's loop.
    """
    counter, waiting = Counter(), asyncio.Event()

    async def consume() -> None:
        async with aclosing(portal.stream(counter.numbers)) as numbers:
            async for _ in numbers:
                waiting.set()
                await asyncio.sleep(60)

    async with Portal(InMemoryPorts) as portal:
        consumer = asyncio.create_task(consume())
        await waiting.wait()
        consumer.cancel()
        with pytest.raises(asyncio.CancelledError):
            await consumer

        assert counter.is_closed
        assert await portal.run(count_tasks) == 1


async def collect(numbers: AsyncGenerator[int], seen: list[int]) -> None:
    """
    Remember each number as it comes, also where an error comes behind it.
    """
    async for number in numbers:
        seen += [number]


async def count_tasks() -> int:
    """
    Count the tasks of this loop.
    """
    return len(asyncio.all_tasks())


async def test_a_follower_that_waits_ends_with_the_portal() -> None:
    """
    It is told that the store was closed.
    """
    portal = Portal(InMemoryPorts)
    follower = portal.ports.feed.follow_all()
    waiting = asyncio.ensure_future(anext(follower))
    await asyncio.sleep(0.05)
    await portal.aclose()

    with pytest.raises(StoreClosedError):
        await waiting


async def test_a_bad_argument_is_refused_at_the_call(portal: Portal) -> None:
    """
    Before the iteration, as without a portal.
    """
    with pytest.raises(ValidationError, match=r"^after: "):
        portal.ports.feed.follow_session("ses_1", after=-1)


async def test_a_consumer_is_refused_with_what_to_do(portal: Portal) -> None:
    """
    Its batches belong to the loop in which their lease is kept.
    """
    with pytest.raises(UnsupportedOperationError, match=r"portal\.run"):
        portal.ports.feed.consumer("totals")


async def test_exports_and_imports_stay_in_the_callers_loop(portal: Portal) -> None:
    """
    What takes the bytes, and what yields them, is called where it belongs.
    """
    session = make_session()
    await portal.ports.store.save_session(session)
    await portal.ports.store.append_events([make_event(session_id=session.id)])
    here, lines, closed = threading.current_thread(), list[bytes](), list[bool]()

    async def write(data: bytes) -> None:
        assert threading.current_thread() is here
        lines.append(data)

    async def read() -> AsyncGenerator[bytes]:
        try:
            for line in lines:
                assert threading.current_thread() is here
                yield line
        finally:
            closed.append(threading.current_thread() is here)

    report = await portal.ports.query.export_sessions(write)
    assert (report.session_count, report.event_count) == (1, 1)
    async with Portal(InMemoryPorts) as other:
        imported = await other.ports.query.import_sessions(reader=read())
        assert imported.sessions_imported == 1
        stored = await other.ports.store.get_session(session.id)
        assert stored.id == session.id
    assert closed == [True]


async def test_an_error_of_the_callers_reader_comes_back(portal: Portal) -> None:
    """
    What it raises ends the import, and is raised.
    """

    async def read() -> AsyncGenerator[bytes]:
        yield b""
        raise LookupError("the file has gone")

    with pytest.raises(LookupError, match="the file has gone"):
        await portal.ports.query.import_sessions(read())


async def test_ports_that_were_closed_refuse(portal: Portal) -> None:
    """
    Closing what a portal has forwarded closes it as it is closed without one.
    """
    async with portal.ports as ports:
        await ports.store.list_sessions()
    with pytest.raises(StoreClosedError):
        await ports.store.list_sessions()
    with pytest.raises(StoreClosedError):
        await ports.state.list_items("a")
    with pytest.raises(StoreClosedError):
        await anext(ports.feed.follow_all())


@pytest.mark.parametrize(("name", "port"), PORTS, ids=[name for name, _ in PORTS])
async def test_a_forwarded_port_is_that_port(name: str, port: type) -> None:
    """
    It has all methods of the protocol.
    """
    ports: Ports = Portal(InMemoryPorts).ports

    assert isinstance(getattr(ports, name), port)
