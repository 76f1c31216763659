"""
How long something may take that must not hang.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["in_time"]

T = TypeVar("T")


async def in_time(work: Coroutine[Any, Any, T], *, seconds: int) -> T:
    """
    Do *work*, and assert that it ends within so many seconds.

    Each of them counts only when this process was given the processor meanwhile: one
    that is starved by others is not to blame.
    """
    task = asyncio.ensure_future(work)
    try:
        for _ in range(seconds):
            await asyncio.wait([task], timeout=1)
            if task.done():
                return task.result()
        raise AssertionError(f"not over after {seconds} s: {task}")
    finally:
        task.cancel()
        await asyncio.wait([task])
