"""
How other processes are told of events, without keeping whoever wrote them waiting.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import weakref
from collections.abc import Collection
from contextlib import suppress
from math import inf
from typing import cast

from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import StorageError
from asm_async.sql.core.error_translation import translated_errors
from asm_async.sql.dialects import Dialect
from asm_async.sql.transactions.connections import driver_connection

__all__ = ["Announcer", "announced_sessions"]

# An announcement is a transaction of its own, and all that announce queue up in the
# server to commit: at most so often, then, and with everything there is to tell.
# The gap grows with how long that takes, which is long where the loop or the server is
# busy with those who write.
_SHORTEST_GAP_SECONDS = 0.01
_LONGEST_GAP_SECONDS = 0.05
_GAPS_PER_SENDING = 20
_MAX_SECONDS = 2.0

# PostgreSQL takes payloads of less than 8,000 bytes.
_MAX_BYTES = 7_900
_MAX_SESSIONS = 1_000


class Announcer:
    """
    Collects the sessions that were written to, and announces them a little later.

    What it announces are hints: if they cannot be sent, they are dropped.

    Args:
        engine: Whose pool lends the connection. With ``asm_announces=False`` among its
            execution options nothing is announced.

        dialect: How its database announces; nothing happens where it need not.
    """

    def __init__(self, engine: AsyncEngine, dialect: Dialect) -> None:
        # Whoever holds the engine holds this: it must not hold the engine in turn.
        self._engine = weakref.ref(engine)
        self._dialect = dialect
        options = engine.get_execution_options()
        self._is_on = dialect.feed.announces and options.get("asm_announces", True)
        self._pending: set[str] = set()
        self._task: asyncio.Task[None] | None = None
        self._next_time = -inf
        self.origin: str = secrets.token_hex(8)
        """
        Who announces, so that it need not listen to itself.
        """

    def announce(self, session_ids: Collection[str]) -> None:
        """
        Tell other processes of these sessions, as soon as may be.
        """
        if not self._is_on or not session_ids:
            return
        self._pending.update(session_ids)
        # One that a loop cancels before it has begun never gets to say that it is over.
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._announce_all())

    async def settle(self) -> None:
        """
        Wait until all is announced.
        """
        while self._task is not None and not self._task.done():
            await asyncio.wait({self._task})

    async def _announce_all(self) -> None:
        clock = asyncio.get_running_loop().time
        try:
            while self._pending:
                if (early := self._next_time - clock()) > 0:
                    await asyncio.sleep(early)
                begun = clock()
                pending, self._pending = self._pending, set()
                with suppress(StorageError, TimeoutError):
                    async with asyncio.timeout(_MAX_SECONDS):
                        await self._send(_payloads(self.origin, pending))
                gap = max(_GAPS_PER_SENDING * (clock() - begun), _SHORTEST_GAP_SECONDS)
                if not self._pending:
                    gap = _SHORTEST_GAP_SECONDS
                self._next_time = clock() + min(gap, _LONGEST_GAP_SECONDS)
        finally:
            self._task = None

    async def _send(self, payloads: list[str]) -> None:
        engine = self._engine()
        if engine is None:
            return
        pool, feed = engine.pool, self._dialect.feed
        deadline = asyncio.get_running_loop().time() + _MAX_SECONDS
        with translated_errors():
            async with driver_connection(engine, self._dialect, deadline) as driver:
                try:
                    await feed.announce(driver, payloads)
                finally:
                    if engine.pool is not pool:
                        # The engine was disposed: nobody will close what goes back now.
                        feed.abandon(driver)


def _payloads(origin: str, session_ids: Collection[str]) -> list[str]:
    """
    Write the ids of sessions in pieces that fit; none at all stands for every session.
    """
    if len(session_ids) > _MAX_SESSIONS:
        return [json.dumps([origin])]
    first = json.dumps(origin)
    pieces: list[list[str]] = []
    size = _MAX_BYTES
    for word in map(json.dumps, session_ids):
        size += len(word) + len(", ")
        if size > _MAX_BYTES:
            pieces.append([first])
            size = len(f"[{first}, {word}]")
        pieces[-1].append(word)
    return [f"[{', '.join(piece)}]" for piece in pieces]


def announced_sessions(payload: str, origin: str) -> Collection[str] | None:
    """
    Read what an :class:`Announcer` wrote; anybody may have written anything.

    Returns:
        The ids of sessions; None for all of them, nothing if *origin* itself wrote it.
    """
    try:
        told = json.loads(payload)
    except ValueError:
        return None
    if not isinstance(told, list):
        return None
    announcer, *session_ids = [str(word) for word in cast("list[object]", told)] or [""]
    if announcer == origin:
        return ()
    return session_ids or None
