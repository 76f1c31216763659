"""
Blocking work beside the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import ParamSpec, TypeVar

from asm_async.files.os_errors import translated_os_errors

__all__ = ["in_thread"]

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """
    Do *work* in a thread, and be done with it before a cancellation goes on.

    A thread cannot be interrupted: a caller that went on at once would clean up while
    the work still makes what is to be cleaned up. So *work* should be short.
    """

    def call() -> T:
        return work(*args, **kwargs)

    # A future, not a task: a loop that cancels all its tasks does not let go of it.
    future = asyncio.get_running_loop().run_in_executor(None, call)
    with translated_os_errors():
        try:
            await asyncio.wait({future})
        except asyncio.CancelledError:
            while not future.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait({future})
            # Nobody else asks what went wrong.
            future.exception()
            raise
        return future.result()
