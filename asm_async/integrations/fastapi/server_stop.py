"""
Noticing in time that the server is about to stop.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any, TypeAlias

_Handler: TypeAlias = Callable[[int, FrameType | None], Any]


@contextmanager
def on_stop_signal(call: Callable[[], object]) -> Generator[None]:
    """
    Call back when the process is asked to stop, before any other handler of the signal.

    Servers wait for open responses before they end the application's lifespan, and tell
    the application nothing before that: a stream that waited for the lifespan's end
    would never end. What starts a server's stop is a signal, so that one is handled
    here first, and then passed on to the handler that was there: the server's.

    Signals have handlers in the main thread alone, and a signal that has no handler
    ends the process: in both cases there is nothing to wait for.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    with ExitStack() as handling:
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            if callable(handler):

                def chained(
                    signum: int,
                    frame: FrameType | None,
                    handler: _Handler = handler,
                ) -> None:
                    # A handler may run within any line of the loop's own code.
                    loop.call_soon_threadsafe(call)
                    handler(signum, frame)

                signal.signal(number, chained)
                handling.callback(_restore, number, chained, handler)
        yield


def _restore(number: signal.Signals, ours: _Handler, handler: _Handler) -> None:
    """
    Put a handler back, unless another has taken the place of ours since.
    """
    if signal.getsignal(number) is ours:
        signal.signal(number, handler)
