"""
A thread with an event loop of its own, and calls into it from others.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

from asm_async.errors import StoreClosedError, UnsupportedOperationError
from asm_async.fronts.cancellation import wait_uninterruptible

T = TypeVar("T")
Outcome: TypeAlias = "asyncio.Future[T] | concurrent.futures.Future[T]"


class LoopThread:
    """
    A daemon thread in which an event loop runs until it is stopped.

    Args:
        timeout: How long, in seconds, is waited for a call that was cancelled.
    """

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        """
        How long, in seconds, is waited for a call that was cancelled.
        """
        self._loop = asyncio.new_event_loop()
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._is_stopped = False
        self._inbox = _Inbox()
        self._callers = WeakKeyDictionary[asyncio.AbstractEventLoop, _Inbox]()
        self._thread = threading.Thread(
            target=self._work, name="asm_async-portal", daemon=True
        )
        self._thread.start()

    @property
    def is_here(self) -> bool:
        """
        Whether the thread is one of this process: a fork copies no thread.
        """
        return self._process == os.getpid()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """
        The loop that runs in the thread.
        """
        return self._loop

    async def run(self, make: Callable[[], Awaitable[T]]) -> T:
        """
        Await what *make* returns in the thread's loop, from any event loop.

        Raises:
            StoreClosedError: If the loop was stopped, before or meanwhile, or this is a
                forked child.
        """
        caller = asyncio.get_running_loop()
        if caller is self._loop:
            return await make()
        outcome: asyncio.Future[T] = caller.create_future()
        call = _Call(self._loop, make, outcome)

        inbox = self._inbox_of(caller)

        def tell(task: asyncio.Task[T]) -> None:
            if not task.cancelled():
                # Whether anybody hears of it or not, it is no error of this loop.
                task.exception()
            inbox.put(caller, partial(call.hand_over, task))

        self._submit(partial(call.begin, copy_context(), tell))
        try:
            return await outcome
        except asyncio.CancelledError:
            # What the call has begun to write is then stored, or it is not.
            if not call.is_over:
                call.outcome = ended = caller.create_future()
                # Its outcome is known then, and nobody's result any more.
                ended.add_done_callback(_look_at)
                self._submit(call.cancel)
                await wait_uninterruptible(ended, caller.time() + self.timeout)
            raise

    def call(self, make: Callable[[], Awaitable[T]]) -> T:
        """
        Await what *make* returns in the thread's loop, and block this thread meanwhile.

        Raises:
            UnsupportedOperationError: If this is the thread itself, which would wait
                for itself.

            StoreClosedError: As for :meth:`run`.
        """
        if threading.get_ident() == self._thread.ident:
            raise UnsupportedOperationError(
                "a synchronous call from the portal's own thread would wait for itself:"
                " await the asynchronous method"
            )
        outcome: concurrent.futures.Future[T] = concurrent.futures.Future()
        call = _Call(self._loop, make, outcome)
        self._submit(partial(call.begin, copy_context(), call.hand_over))
        try:
            return outcome.result()
        except BaseException:
            # Ctrl-C, not an error of the call's own.
            if not outcome.done():
                self._submit(call.cancel)
                concurrent.futures.wait([outcome], self.timeout)
            raise

    def stop(self) -> None:
        """
        Cancel what still runs in the loop, and wait for the end of the thread.
        """
        if not self.is_here:
            return
        with self._lock:
            if not self._is_stopped:
                self._is_stopped = True
                self._loop.call_soon_threadsafe(self._loop.stop)
        if threading.get_ident() != self._thread.ident:
            self._thread.join(self.timeout)

    def _submit(self, callback: Callable[[], object]) -> None:
        if not self.is_here:
            raise StoreClosedError(
                "the portal belongs to the process that this one was forked from: open"
                " another one here"
            )
        # Without the lock a callback could come behind the one that stops the loop, and
        # be left in it.
        with self._lock:
            if self._is_stopped:
                raise StoreClosedError("the portal was closed: open another one")
            self._inbox.put(self._loop, callback)

    def _inbox_of(self, caller: asyncio.AbstractEventLoop) -> _Inbox:
        inbox = self._callers.get(caller)
        if inbox is None:
            inbox = self._callers.setdefault(caller, _Inbox())
        return inbox

    def _work(self) -> None:
        # In the end it cancels what is left, and waits for it.
        with asyncio.Runner(loop_factory=lambda: self._loop):
            self._loop.run_forever()


def _look_at(ended: asyncio.Future[Any]) -> None:
    ended.exception()


class _Inbox:
    """
    Callbacks for one event loop from other threads: all that wait wake it once.
    """

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], object]] = deque()
        self._is_woken = False

    def put(
        self, loop: asyncio.AbstractEventLoop, callback: Callable[[], object]
    ) -> None:
        """
        Have *callback*, which raises nothing, called in *loop*.
        """
        self._waiting.append(callback)
        if not self._is_woken:
            self._is_woken = True
            try:
                loop.call_soon_threadsafe(self._empty)
            except RuntimeError:
                # A caller whose loop was closed meanwhile waits for nothing any more.
                self._waiting.clear()

    def _empty(self) -> None:
        # Before they are counted: what comes later wakes the loop once more.
        self._is_woken = False
        for _ in range(len(self._waiting)):
            self._waiting.popleft()()


class _Call(Generic[T]):
    """
    One call from elsewhere.

    Args:
        loop: That of the thread, in which :meth:`begin` and :meth:`cancel` are called.

        make: What is called there.

        outcome: What the caller waits for, which :meth:`hand_over` sets.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        make: Callable[[], Awaitable[T]],
        outcome: Outcome[T],
    ) -> None:
        self.outcome = outcome
        self.is_over = False
        self._loop = loop
        self._make = make
        self._task: asyncio.Task[T] | None = None

    def begin(
        self, context: Context, tell: Callable[[asyncio.Task[T]], object]
    ) -> None:
        """
        Start the task in *context*, and have *tell* called when it is over.
        """
        self._task = self._loop.create_task(self._perform(), context=context)
        self._task.add_done_callback(tell)

    def cancel(self) -> None:
        """
        Cancel the task.
        """
        if self._task is not None:
            self._task.cancel()

    def hand_over(self, task: asyncio.Task[T]) -> None:
        """
        Set the outcome, where somebody still waits for it.
        """
        self.is_over = True
        error = (
            StoreClosedError("the portal was closed: open another one")
            if task.cancelled()
            else task.exception()
        )
        if self.outcome.done():
            return
        if error is not None:
            self.outcome.set_exception(error)
        else:
            self.outcome.set_result(task.result())

    async def _perform(self) -> T:
        return await self._make()
