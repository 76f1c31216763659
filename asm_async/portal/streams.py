"""
Iterators of the portal's loop for other loops, and the other way round.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from contextlib import aclosing
from typing import Generic, TypeVar

from asm_async.fronts.cancellation import wait_uninterruptible
from asm_async.portal.loop_thread import LoopThread

T = TypeVar("T")

MAX_WAITING = 64
"""
How many items of a stream are fetched ahead of its consumer, twice over.
"""


async def stream(
    thread: LoopThread, make: Callable[[], AsyncGenerator[T]]
) -> AsyncGenerator[T]:
    """
    Yield in this loop what a generator yields in the thread's.

    Args:
        thread: Where the generator runs.

        make: Called there.
    """
    caller = asyncio.get_running_loop()
    if caller is thread.loop:
        async with aclosing(make()) as source:
            async for item in source:
                yield item
        return
    items = _Items[T](thread.loop, caller)
    filling = asyncio.ensure_future(thread.run(lambda: items.fill(make())))
    filling.add_done_callback(items.end)
    try:
        while batch := await items.take():
            for item in batch:
                yield item
        # An error comes behind what was yielded before it.
        await filling
    finally:
        filling.cancel()
        await wait_uninterruptible(filling, caller.time() + thread.timeout)


class _Items(Generic[T]):
    """
    A bounded queue between two loops, emptied whole each time.
    """

    def __init__(
        self, filler: asyncio.AbstractEventLoop, taker: asyncio.AbstractEventLoop
    ) -> None:
        self._filler = filler
        self._taker = taker
        self._lock = threading.Lock()
        self._waiting: list[T] = []
        self._drained: asyncio.Future[None] | None = None
        self._wake_up: asyncio.Future[None] | None = None
        self._is_over = False

    async def fill(self, source: AsyncGenerator[T]) -> None:
        """
        Put in all that *source* yields; in the filler's loop.
        """
        async with aclosing(source):
            async for item in source:
                drained = None
                with self._lock:
                    self._waiting.append(item)
                    wake_up, self._wake_up = self._wake_up, None
                    if len(self._waiting) >= MAX_WAITING:
                        self._drained = drained = self._filler.create_future()
                if wake_up is not None:
                    self._taker.call_soon_threadsafe(_wake, wake_up)
                if drained is not None:
                    await drained

    async def take(self) -> list[T]:
        """
        Wait for items and return all there are; none at the end.
        """
        while True:
            with self._lock:
                batch, self._waiting = self._waiting, []
                drained, self._drained = self._drained, None
                wake_up = None
                if not batch and not self._is_over:
                    self._wake_up = wake_up = self._taker.create_future()
            if drained is not None:
                self._filler.call_soon_threadsafe(_wake, drained)
            if wake_up is None:
                return batch
            await wake_up

    def end(self, filling: asyncio.Future[None]) -> None:
        """
        Wake the taker for the last time; in its loop.
        """
        if not filling.cancelled():
            # A consumer that has gone does not ask for it.
            filling.exception()
        self._is_over = True
        if self._wake_up is not None:
            _wake(self._wake_up)


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


class CallersStream(Generic[T]):
    """
    An iterable of a caller's loop, for the thread's.

    Args:
        caller: The loop that it belongs to.

        source: What is iterated there, and closed in the end.
    """

    def __init__(
        self, caller: asyncio.AbstractEventLoop, source: AsyncIterable[T]
    ) -> None:
        self._caller = caller
        self._source = source

    async def __aiter__(self) -> AsyncGenerator[T]:
        """
        Yield what the caller's iterable yields, one hop each.
        """
        steps = aiter(self._source)
        try:
            while True:
                try:
                    yield await run_in(self._caller, lambda: anext(steps))
                except StopAsyncIteration:
                    return
        finally:
            if isinstance(steps, AsyncGenerator):
                await run_in(self._caller, steps.aclose)


async def run_in(
    loop: asyncio.AbstractEventLoop, make: Callable[[], Awaitable[T]]
) -> T:
    """
    Await what *make* returns in another loop, which runs in another thread.
    """

    async def perform() -> T:
        return await make()

    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(perform(), loop))
