"""
Blocking work beside the event loop.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any

from asm_async.files.threads import in_thread


async def test_what_fails_after_its_caller_was_cancelled_is_not_logged() -> None:
    """
    Whoever is cancelled while the work goes on has no use for its error, nor has a log.
    """
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: told.append(what))
    begun, is_released = threading.Event(), threading.Event()

    def fail_later() -> None:
        begun.set()
        is_released.wait()
        raise LookupError

    calling = asyncio.create_task(in_thread(fail_later))
    await asyncio.to_thread(begun.wait)
    calling.cancel()
    await asyncio.sleep(0)
    is_released.set()
    await asyncio.wait({calling})

    assert calling.cancelled()
    # The log is told when nobody can ask any more.
    del calling
    gc.collect()
    assert told == []
