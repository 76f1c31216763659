"""
Waiting for the first event that a filter lets through.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, suppress
from typing import Protocol

from asm_async.values.event import Event


class Waiter(Protocol):
    """
    What is set when a session is written to: an ``asyncio.Event``, or like one.
    """

    def clear(self) -> None:
        """
        Forget that it was set.
        """
        ...

    def wait(self) -> Awaitable[object]:
        """
        Wait until it is set.
        """
        ...


async def wait_for_events(
    read: Callable[[], Awaitable[list[Event]]],
    waiting: AbstractContextManager[Waiter],
    timeout: float,
) -> list[Event]:
    """
    Read whenever the waiter is set, until something is found or time runs out.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + timeout
    # The waiter is registered before the first read, and cleared before each: what is
    # committed between a read and the wait after it ends that wait.
    with waiting as waiter:
        while True:
            waiter.clear()
            events = await read()
            left = deadline - clock()
            if events or left <= 0:
                return events
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await waiter.wait()
