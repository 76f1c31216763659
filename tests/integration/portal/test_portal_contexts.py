from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from asm_async import InMemoryPorts
from asm_async.conventions import message_sent
from asm_async.errors import StoreClosedError, UnsupportedOperationError
from asm_async.fronts.text_search import text_search_of
from asm_async.portal import Portal
from asm_async.portal.contexts import entered
from asm_async.testing.factories import make_session
from asm_async.testing.text_search.contract import found_soon


class Context:
    """
    A context manager that remembers who entered and left it.
    """

    def __init__(self) -> None:
        self.entered_by: tuple[str, str] | None = None
        self.left_by: tuple[str, str] | None = None
        self.error: Exception | None = None
        self.is_slow = False

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """
        Enter, unless that never ends, and raise the error when it is left.
        """
        if self.is_slow:
            await asyncio.Event().wait()
        self.entered_by = who()
        try:
            yield
        finally:
            await asyncio.sleep(0.01)
            self.left_by = who()
            if self.error is not None:
                raise self.error


def who() -> tuple[str, str]:
    """
    Return the names of this thread and this task.
    """
    task = asyncio.current_task()
    assert task is not None
    return threading.current_thread().name, task.get_name()


async def test_one_task_of_the_portal_enters_and_leaves() -> None:
    """
    It has left when the block has ended.
    """
    context = Context()
    async with Portal(InMemoryPorts) as portal:
        async with entered(portal.run, context.open):
            before = context.entered_by, context.left_by
        after = context.entered_by, context.left_by

    thread, task = before[0] or ("", "")
    assert thread == "asm_async-portal"
    assert before == ((thread, task), None)
    assert after == ((thread, task), (thread, task))


async def test_what_leaving_raises_is_raised_at_the_end_of_the_block() -> None:
    """
    As without a portal, where the follower of an index has failed.
    """
    context = Context()
    context.error = LookupError("of the context")
    async with Portal(InMemoryPorts) as portal:
        with pytest.raises(LookupError, match="of the context"):
            async with entered(portal.run, context.open):
                pass
        context.error = None
        with pytest.raises(KeyError):
            async with entered(portal.run, context.open):
                raise KeyError


async def test_what_entering_raises_is_raised_before_the_block() -> None:
    """
    The block is not begun.
    """

    def refuse() -> None:
        raise LookupError

    async with Portal(InMemoryPorts) as portal:
        with pytest.raises(LookupError):
            async with entered(portal.run, refuse):  # type: ignore[arg-type] # never is
                raise AssertionError


@pytest.mark.parametrize("is_slow", [False, True])
async def test_a_cancelled_block_is_left(is_slow: bool) -> None:  # noqa: FBT001 - as the cases are named
    """
    Also where it was still being entered; nothing is left in the portal's loop.
    """
    context, is_in = Context(), asyncio.Event()
    context.is_slow = is_slow

    async def hold() -> None:
        async with entered(portal.run, context.open):
            is_in.set()
            await asyncio.Event().wait()

    async def count_tasks() -> int:
        return len(asyncio.all_tasks())

    async with Portal(InMemoryPorts) as portal:
        holding = asyncio.create_task(hold())
        if is_slow:
            await portal.run(count_tasks)
        else:
            await is_in.wait()
        holding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await holding

        assert await portal.run(count_tasks) == 1
    assert context.left_by == context.entered_by
    assert (context.entered_by is None) is is_slow


async def test_a_block_ends_though_its_portal_was_closed() -> None:
    """
    The context manager was left with the portal.
    """
    context, portal = Context(), Portal(InMemoryPorts)
    with pytest.raises(StoreClosedError, match="portal was closed"):
        async with entered(portal.run, context.open):
            await portal.aclose()
    assert context.left_by is not None


async def test_an_index_is_followed_through_a_portal(portal: Portal) -> None:
    """
    What another loop appends is found, and who follows gives the lease up.
    """
    search = text_search_of(portal.ports)
    session = make_session()
    await portal.ports.store.save_session(session)
    async with search.following():
        said = message_sent(session_id=session.id, content="rain in the hills")
        await portal.ports.store.append_event(said)
        await found_soon(search, "rain", [1])
        assert (await search.lag()).holder is not None
    assert (await search.lag()).holder is None


async def test_ports_without_an_index_say_so() -> None:
    """
    A portal forwards what it has, and names what it has not.
    """

    class Without(InMemoryPorts):
        def __init__(self) -> None:
            super().__init__()
            object.__setattr__(self, "text_search", None)

    async with Portal(Without) as portal:
        search = text_search_of(portal.ports)
        with pytest.raises(UnsupportedOperationError, match="no text_search"):
            await search.search_text("rain")
        with pytest.raises(UnsupportedOperationError, match="no text_search"):
            async with search.following():
                raise AssertionError
