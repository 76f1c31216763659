"""
The drivers' own connections, borrowed from the engine's pool.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import greenlet_spawn

from asm_async.errors import StorageUnavailableError
from asm_async.sql.core.deadlines import in_time
from asm_async.sql.dialects import Dialect

__all__ = ["connecting", "driver_connection"]

_MIN_SECONDS_TO_CONNECT = 1.0


def connecting(deadline: float) -> AbstractAsyncContextManager[None]:
    """
    Bound the wait for a connection.

    Also who has no timeout left is given the time to connect once.

    Args:
        deadline: When timeout ends, on the loop's clock.

    Raises:
        StorageUnavailableError: If there is no connection in time.
    """
    soon = asyncio.get_running_loop().time() + _MIN_SECONDS_TO_CONNECT
    none = StorageUnavailableError("no connection could be had in time")
    return in_time(max(deadline, soon), none)


@asynccontextmanager
async def driver_connection(
    engine: AsyncEngine, dialect: Dialect, deadline: float
) -> AsyncGenerator[Any]:
    """
    Lend a connection of the driver, on which no transaction may be left open.

    It comes from the same pool as all others, without what SQLAlchemy wraps around it,
    which costs more than the hop or the round trip that it is borrowed for.

    Raises:
        StorageUnavailableError: If there is none by *deadline*, on the loop's clock.
    """
    async with connecting(deadline):
        pooled = await engine.raw_connection()
    try:
        yield pooled.driver_connection
    finally:
        # What happened to a connection past SQLAlchemy, its pool does not know.
        if dialect.is_lost(pooled.driver_connection):
            # Outside of a greenlet it is closed without waiting for the server, so that
            # no cancellation can come between.
            pooled.invalidate()
        else:
            # It may talk to the database, for which SQLAlchemy wants a greenlet.
            await greenlet_spawn(pooled.close)
