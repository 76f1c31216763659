"""
Who waits for a lock on a PostgreSQL server.
"""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg

__all__ = ["lock_waiters"]


async def lock_waiters(other: asyncpg.Connection[Any]) -> list[asyncpg.Record]:
    """
    Wait until somebody waits for a lock; give ``backend_xid`` and ``query`` of each.
    """
    waiters = """
        SELECT backend_xid, query FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'
    """
    async with asyncio.timeout(10):
        while not await other.fetch(waiters):
            pass
        # Who waits is seen a moment before what it waits in.
        return await other.fetch(waiters)
