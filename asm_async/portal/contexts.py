"""
Context managers of the portal's loop, entered from other loops.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class RunInLoop(Protocol):
    """
    Awaits in the portal's loop what a function returns there.
    """

    async def __call__(self, make: Callable[[], Awaitable[None]], /) -> None:
        """
        Await what *make* returns.
        """
        ...


@asynccontextmanager
async def entered(
    run: RunInLoop, make: Callable[[], AbstractAsyncContextManager[object]]
) -> AsyncGenerator[None]:
    """
    Hold a context manager of the portal's loop open for as long as the block lasts.

    One task there enters and leaves it. What it raises, when it is entered or left, is
    raised here.

    Args:
        run: Runs that task.

        make: Called there; returns the context manager.
    """
    here = asyncio.get_running_loop()
    leave: asyncio.Future[Callable[[], object]] = here.create_future()

    async def hold() -> None:
        there, is_left = asyncio.get_running_loop(), asyncio.Event()
        async with make():
            leaving = partial(there.call_soon_threadsafe, is_left.set)
            here.call_soon_threadsafe(leave.set_result, leaving)
            await is_left.wait()

    holding = asyncio.ensure_future(run(hold))
    try:
        either: set[asyncio.Future[Any]] = {holding, leave}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if leave.done():
            yield
    finally:
        if leave.done():
            # The loop is closed if the portal was closed meanwhile.
            with suppress(RuntimeError):
                leave.result()()
        else:
            holding.cancel()
        await holding
