"""
Hearing in time that the server is about to stop.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import cast

__all__ = ["on_stop_signal"]


@contextmanager
def on_stop_signal(call: Callable[[], object]) -> Generator[None]:
    """
    Call back when the process is told to stop, before whoever else hears of it.

    Servers wait for open responses before they end the application's lifespan, and tell
    the application nothing before that: a stream that waited for the lifespan's end
    would wait for ever. What starts a server's stop is a signal, so that one is heard
    here first, and then given on to the handler that was there: the server's.

    Signals have handlers in the main thread alone, and where nobody handles one it ends
    the process: then there is nothing to hear.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    chained = [
        _Chained(number, handler, lambda: loop.call_soon_threadsafe(call))
        for number in (signal.SIGINT, signal.SIGTERM)
        if callable(handler := signal.getsignal(number))
    ]
    try:
        yield
    finally:
        for link in chained:
            link.restore()


class _Chained:
    """
    A signal's handler with something before it.
    """

    def __init__(
        self,
        number: signal.Signals,
        handler: Callable[[int, FrameType | None], object],
        before: Callable[[], object],
    ) -> None:
        self._number = number
        self._handler = handler
        self._before = before
        signal.signal(number, self)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self._before()
        self._handler(number, frame)

    def restore(self) -> None:
        """
        Put the handler back, unless somebody has put in another since.
        """
        is_ours = cast("object", signal.getsignal(self._number)) is self
        if is_ours:
            signal.signal(self._number, self._handler)
