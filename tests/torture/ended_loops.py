"""
Calls whose event loop ends in the middle of them.
"""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from sqlalchemy.exc import SAWarning

from asm_async.testing.faults import act_at
from tests.torture.world import Ports, World, open_world

__all__ = ["call_in_ending_loop"]

_MAX_SECONDS = 10


async def call_in_ending_loop(
    world: World,
    call: Callable[[Ports], Coroutine[Any, Any, Any]],
    number: int,
    *,
    raises: bool,
) -> bool:
    """
    Make a call in an event loop of its own, which ends at one of the call's awaits.

    What was opened is closed as ``asyncio.run`` has it: all tasks are cancelled. After
    that no thread may be left, but for what the garbage collector ends.

    Args:
        world: On whose database to open other ports.

        call: Gives the call.

        number: At which await.

        raises: Whether ``KeyboardInterrupt`` ends the loop, or else ``loop.stop``.

    Returns:
        Whether the call was done before.
    """
    done: list[bool] = []

    async def make_call() -> None:
        loop = asyncio.get_running_loop()

        def end() -> None:
            if raises:
                loop.call_soon(_interrupt)
            else:
                loop.stop()

        async with open_world(
            world.url, world.directory, key_store=world.key_store
        ) as own:
            await act_at(number, call(own.ports), end)
            done.append(True)

    outer = asyncio.get_running_loop()
    ended = outer.create_future()

    def run() -> None:
        try:
            with suppress(KeyboardInterrupt, asyncio.CancelledError, RuntimeError):
                asyncio.run(make_call())
        finally:
            outer.call_soon_threadsafe(ended.set_result, None)

    before = set(threading.enumerate())
    with warnings.catch_warnings():
        # The loop cancels also the task in which SQLAlchemy gives a connection back.
        warnings.simplefilter("ignore", SAWarning)
        warnings.simplefilter("ignore", ResourceWarning)
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        await ended
        # Its frames hold what is to be collected.
        thread.join(_MAX_SECONDS)
        gc.collect()
    for left in set(threading.enumerate()) - before:
        left.join(_MAX_SECONDS)
        assert not left.is_alive(), f"{left} was left by the loop"
    return bool(done)


def _interrupt() -> None:
    raise KeyboardInterrupt
