"""
Calls that start at the same moment, and calls that are cancelled at a chosen one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

from asm_async.errors import ASMError

__all__ = ["cancel_after", "race", "run_together"]

T = TypeVar("T")


async def run_together(calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """
    Start *calls* from a barrier, each in a task of its own, and wait for all.

    Returns:
        Their results, in the order given.

    Raises:
        ExceptionGroup: If one fails; the others are cancelled.
    """
    waiting = list(calls)
    barrier = asyncio.Barrier(len(waiting))

    async def start(call: Coroutine[Any, Any, T]) -> T:
        await barrier.wait()
        return await call

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(start(call)) for call in waiting]
    return [task.result() for task in tasks]


async def race(calls: Iterable[Coroutine[Any, Any, T]]) -> list[T | ASMError]:
    """
    Start *calls* as :func:`run_together` does, some of which may be refused.

    Returns:
        Their results, or the errors of this library they raised, in the order given.

    Raises:
        ExceptionGroup: If one fails with any other error.
    """

    async def outcome(call: Coroutine[Any, Any, T]) -> T | ASMError:
        try:
            return await call
        except ASMError as error:
            return error

    return await run_together(outcome(call) for call in calls)


async def cancel_after(turns: int, call: Coroutine[Any, Any, T]) -> T | None:
    """
    Start *call*, cancel it so many turns of the event loop later, and wait for it.

    Returns:
        Its result if it was through before; None if it was cancelled.
    """
    task = asyncio.create_task(call)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    return None if task.cancelled() else task.result()
