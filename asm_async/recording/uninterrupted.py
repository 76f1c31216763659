"""
Work that comes to its end although its caller is cancelled.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from asm_async.errors import StorageBusyError
from asm_async.fronts.cancellation import wait_uninterruptible
from asm_async.recording.endings import code_of

_LOG = logging.getLogger(__name__)

MAX_SECONDS = 120.0
"""
For how long such work is waited for, in seconds; a store's timeout is far shorter.
"""


async def finish(work: Coroutine[Any, Any, object], subject: str) -> Exception | None:
    """
    Do some work to its end, and return what kept it from succeeding.

    Args:
        work: What is to be done, such as to write an end.

        subject: What the end is that of, for the log: ``run run_1``.

    Raises:
        CancelledError: If the caller was cancelled, once the work is done.
    """
    task = asyncio.create_task(work, name=f"asm_async end of {subject}")
    try:
        await asyncio.wait({task}, timeout=MAX_SECONDS)
    except asyncio.CancelledError:
        await wait_in_any_case(task)
        _failure_of(task, subject)
        raise
    return _failure_of(task, subject)


async def wait_in_any_case(task: asyncio.Task[Any]) -> None:
    """
    Wait for a task that was begun, however often the caller is cancelled.
    """
    deadline = asyncio.get_running_loop().time() + MAX_SECONDS
    await wait_uninterruptible(task, deadline)


def is_loop_running() -> bool:
    """
    Return whether anything can be waited for.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _failure_of(task: asyncio.Task[object], subject: str) -> Exception | None:
    if not task.done():
        task.cancel()
        failure: BaseException | None = StorageBusyError(
            f"the store took more than {MAX_SECONDS:.0f} seconds"
        )
    elif task.cancelled():
        failure = StorageBusyError("the event loop ended before the store had answered")
    else:
        failure = task.exception()
    if not isinstance(failure, Exception):
        return None
    _LOG.warning("%s was not ended by its recorder: %s", subject, code_of(failure))
    return failure
