"""
Sessions in several event loops and threads, and calls that are cancelled.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from agents import Runner

from asm_async import Ports
from asm_async.integrations.openai_agents import AsmSession
from asm_async.portal import Portal
from tests.frameworks.openai_agents.sdk_items import (
    USER,
    UntypedSession,
    numbered,
    weather_agent,
)


def test_one_session_serves_many_loops(portal: Portal) -> None:
    """
    One instance is used from many loops at once, and every item is there, in order.
    """
    session = UntypedSession("chat", portal.ports)
    barrier = threading.Barrier(6)

    def work(writer: int) -> None:
        barrier.wait()
        for number in range(10):
            items = numbered(1, first=100 * writer + number)
            asyncio.run(session.add_items(items))

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(work, range(6)))

    items = asyncio.run(session.get_items())
    for writer in range(6):
        own = [n for i in items if (n := int(i["content"])) // 100 == writer]
        assert own == [100 * writer + number for number in range(10)]


def test_pops_from_many_loops_are_given_different_items(portal: Portal) -> None:
    """
    Threads that pop at the same time never pop the same item.
    """
    session = UntypedSession("chat", portal.ports)
    asyncio.run(session.add_items(numbered(20)))
    barrier = threading.Barrier(5)

    def work(_: int) -> list[Any]:
        barrier.wait()
        return [asyncio.run(session.pop_item()) for _ in range(5)]

    with ThreadPoolExecutor(5) as threads:
        popped = [item for found in threads.map(work, range(5)) for item in found]

    found = sorted(int(item["content"]) for item in popped if item is not None)
    assert found == list(range(20))


def test_run_sync_keeps_its_history(portal: Portal) -> None:
    """
    The SDK's synchronous runner, with a loop of its own each time, uses one session.
    """
    session = UntypedSession("chat", portal.ports)
    for _ in range(2):
        with ThreadPoolExecutor(1) as thread:
            run = partial(_run_sync, session)
            result = thread.submit(run).result()
        assert result == "It is sunny."

    items = asyncio.run(session.get_items())
    assert len(items) == 8
    assert [item["role"] for item in items if "role" in item] == [
        "user",
        "assistant",
    ] * 2


def _run_sync(session: AsmSession) -> Any:
    asyncio.set_event_loop(loop := asyncio.new_event_loop())
    try:
        return Runner.run_sync(
            weather_agent(), "How is the weather?", session=session
        ).final_output
    finally:
        asyncio.set_event_loop(None)
        loop.close()


async def test_a_url_is_enough(tmp_path: Path) -> None:
    """
    From a URL the tables are made, other loops see what was added, and closing ends it.
    """
    url = f"sqlite+aiosqlite:///{tmp_path}/history.sqlite3"
    before = threading.active_count()
    session = UntypedSession.from_url("chat", url, user_id="ann")
    await session.add_items([USER])

    other = UntypedSession.from_url("chat", url)
    assert await asyncio.to_thread(asyncio.run, other.get_items()) == [USER]

    session.close()
    assert await other.get_items() == [USER]
    other.close()
    other.close()
    assert threading.active_count() <= before + 1


async def test_a_cancelled_call_is_done_or_not_done(ports: Ports) -> None:
    """
    A call that is cancelled at any moment is done as a whole or not at all.
    """
    await _cancel_all(ports)


async def test_a_call_through_a_portal_is_done_or_not_done(portal: Portal) -> None:
    """
    It is the same where the store is in another thread.
    """
    await _cancel_all(portal.ports)


async def _cancel_all(ports: Ports) -> None:
    session = UntypedSession("chat", ports)
    await session.add_items(numbered(200))
    for turns in range(30):
        await _cancelled(partial(session.add_items, numbered(2, first=1_000)), turns)
        left = await session.get_items()
        assert left == numbered(200) + numbered(2, first=1_000) * (
            (len(left) - 200) // 2
        )
        while len(await session.get_items()) > 200:
            assert await session.pop_item() is not None
    for turns in range(30):
        before = await session.get_items()
        await _cancelled(session.pop_item, turns)
        assert await session.get_items() in (before, before[:-1])
    for turns in range(20):
        before = await session.get_items()
        await _cancelled(session.clear_session, turns)
        assert await session.get_items() in (before, [])


async def _cancelled(call: Callable[[], Awaitable[Any]], turns: int) -> None:
    task = asyncio.ensure_future(call())
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
