"""
The thread of a portal, with the ports that are open in its loop.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import TypeAlias, TypeVar

from asm_async.errors import StoreClosedError
from asm_async.portal.loop_thread import LoopThread
from asm_async.portal.streams import stream
from asm_async.ports.together import Ports

T = TypeVar("T")

PortsFactory: TypeAlias = Callable[[], AbstractAsyncContextManager[Ports]]
"""
What opens ports in the loop in which it is called.
"""


class PortsThread:
    """
    Ports in a thread, both of which are there from the first call on.

    What is made before a server forks its workers therefore serves in each of them.

    Args:
        open_ports: Called in the thread's loop.

        timeout: How long, in seconds, is waited for what was cancelled or is closed.
    """

    def __init__(self, open_ports: PortsFactory, timeout: float) -> None:
        self._open_ports = open_ports
        self._timeout = timeout
        self._lock = threading.Lock()
        self._thread: LoopThread | None = None
        self._is_closed = False
        self._opening: asyncio.Task[Ports] | None = None
        self._stack = AsyncExitStack()
        self._opened: Ports | None = None

    async def run(self, make: Callable[[], Awaitable[T]]) -> T:
        """
        Await what *make* returns in the thread's loop, from any event loop.
        """
        return await self._started().run(make)

    def call(self, make: Callable[[], Awaitable[T]]) -> T:
        """
        Await what *make* returns in the thread's loop, and block this thread meanwhile.
        """
        return self._started().call(make)

    def stream(self, make: Callable[[], AsyncGenerator[T]]) -> AsyncGenerator[T]:
        """
        Yield in this loop what a generator yields in the thread's.
        """
        return stream(self._started(), make)

    async def open(self) -> Ports:
        """
        Open the ports, unless they are; in the thread's loop.

        After a failure the next call tries again.
        """
        while self._opened is None:
            if self._opening is None:
                self._opening = asyncio.create_task(self._enter())
            # A caller that is cancelled does not break off what others wait for.
            await asyncio.shield(self._opening)
        return self._opened

    def close(self) -> None:
        """
        Close the ports and end the thread; in a forked child do nothing.
        """
        with self._lock:
            self._is_closed = True
            thread = self._thread
            atexit.unregister(self.close)
        if thread is None or not thread.is_here:
            return
        try:
            thread.call(self._leave)
        finally:
            thread.stop()

    def _started(self) -> LoopThread:
        thread = self._thread
        if thread is not None:
            return thread
        with self._lock:
            if self._is_closed:
                raise StoreClosedError("the portal was closed: open another one")
            if self._thread is None:
                self._thread = LoopThread(self._timeout)
                atexit.register(self.close)
            return self._thread

    async def _enter(self) -> Ports:
        try:
            self._opened = await self._stack.enter_async_context(self._open_ports())
        finally:
            self._opening = None
        return self._opened

    async def _leave(self) -> None:
        if self._opening is not None:
            await asyncio.wait({self._opening})
        await self._stack.aclose()
