"""
What must not be left behind.
"""

from __future__ import annotations

import asyncio

from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from asm_async.sql.runtime.shared_state import shared_state

__all__ = ["dispose_of", "wait_for_other_tasks"]


async def dispose_of(engine: AsyncEngine) -> None:
    """
    Assert that none of an engine's connections is checked out, and close them all.
    """
    await shared_state(engine).announcer.settle()
    assert isinstance(engine.pool, QueuePool)
    left = engine.pool.checkedout()
    assert left == 0, f"{left} connections are checked out"
    await engine.dispose()


async def wait_for_other_tasks(seconds: float = 20) -> None:
    """
    Assert that what may go on a little longer than a call comes to its end.
    """
    if others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others, timeout=seconds)
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert not others, f"tasks go on: {others}"
