"""
The class of asyncpg's connections that engines of our own are made of.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import asyncpg
from asyncpg import Connection

if TYPE_CHECKING:
    _Connection = Connection[Any]
else:
    # It is generic in its stubs alone.
    _Connection = Connection

# A pool closes its connections one by one. The server has been told by then, and ends
# its side soon after; to wait for that is a courtesy.
_MAX_SECONDS_TO_CLOSE = 0.1


class BoundedConnection(_Connection):
    """
    A connection whose closing waits for no server that is silent.

    SQLAlchemy closes connections without any bound, also when a cancelled statement is
    still under way on one: that is broken off, since a server that is silent would not
    be reached by asyncpg's request to cancel it either.
    """

    async def close(self, *, timeout: float | None = None) -> None:
        """
        Close the connection, or break it off after a moment.
        """
        bound = _MAX_SECONDS_TO_CLOSE
        with suppress(asyncio.TimeoutError):
            await super().close(
                timeout=bound if timeout is None else min(timeout, bound)
            )


async def connect(**arguments: Any) -> Connection[Any]:
    """
    Open such a connection, as ``asyncpg.connect`` does.
    """
    options: dict[str, Any] = {"connection_class": BoundedConnection} | arguments
    opened: Connection[Any] = await asyncpg.connect(**options)
    return opened
