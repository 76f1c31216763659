"""
Tells other processes what was written, without keeping the writers waiting.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import weakref
from collections.abc import Collection
from math import inf

from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import StorageError
from asm_async.fronts.log_records import LogThrottle
from asm_async.sql.core import feed_timing as timing
from asm_async.sql.core.error_translation import translated_errors
from asm_async.sql.dialects import Dialect
from asm_async.sql.transactions.connections import DriverConnections

_LOG = logging.getLogger(__name__)


_DROPPED = (
    "other processes could not be told of what was written, and find it by looking: %r"
)

_TOLD_AGAIN = "other processes are told of what is written again"


class Announcer:
    """
    Collects the sessions that were written to, and announces them a little later.

    An announcement that cannot be sent is dropped: followers look now and then anyway.

    Args:
        engine: Whose pool lends the connection. With ``asm_announces=False`` among its
            execution options nothing is announced.

        dialect: How its database announces.
    """

    def __init__(self, engine: AsyncEngine, dialect: Dialect) -> None:
        # The engine's state holds this, and must not keep the engine alive in turn.
        self._engine = weakref.ref(engine)
        self._dialect = dialect
        options = engine.get_execution_options()
        self.is_on: bool = dialect.feed.announces and options.get("asm_announces", True)
        """
        Whether there is anything to announce: not where other processes find out by
        themselves.
        """
        self.origin: str = secrets.token_hex(8)
        """
        Who announces, so that it need not listen to itself.
        """
        self._pending: set[str] = set()
        self._task: asyncio.Task[None] | None = None
        self._next_time = -inf
        self._log_throttle = LogThrottle()

    def announce(self, session_ids: Collection[str]) -> None:
        """
        Notify other processes of these sessions, soon.
        """
        self._pending.update(session_ids)
        # A task that the loop cancels before it has begun cannot say that it is over.
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._announce_all())
            # A loop that is closed without a word takes it along. Nobody waits for it,
            # and others look by themselves: nothing that asyncio had to report.
            setattr(self._task, "_log_destroy_pending", False)  # noqa: B010 - not typed

    async def settle(self) -> None:
        """
        Wait until all is announced, but not for long: the server may be silent.
        """
        if self._task is not None and not self._task.done():
            await asyncio.wait({self._task}, timeout=timing.ANNOUNCEMENT_TIMEOUT)
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _announce_all(self) -> None:
        clock = asyncio.get_running_loop().time
        while self._pending:
            if (early := self._next_time - clock()) > 0:
                await asyncio.sleep(early)
            begun = clock()
            pending, self._pending = self._pending, set()
            try:
                async with asyncio.timeout(timing.ANNOUNCEMENT_TIMEOUT):
                    await self._send(pending)
            except (StorageError, TimeoutError) as error:
                self._log_throttle.log(_LOG, logging.WARNING, _DROPPED, error)
            else:
                self._log_throttle.end(_LOG, _TOLD_AGAIN, of=_DROPPED)
            gap = timing.ANNOUNCEMENT_GAPS_PER_SENDING * (clock() - begun)
            gap = gap if self._pending else 0.0
            gap = max(
                timing.MIN_ANNOUNCEMENT_GAP, min(gap, timing.MAX_ANNOUNCEMENT_GAP)
            )
            self._next_time = clock() + gap

    async def _send(self, session_ids: Collection[str]) -> None:
        engine = self._engine()
        if engine is None:
            return
        pool, feed = engine.pool, self._dialect.feed
        deadline = asyncio.get_running_loop().time() + timing.ANNOUNCEMENT_TIMEOUT
        with translated_errors():
            async with DriverConnections(engine, self._dialect).lend(
                deadline
            ) as driver:
                try:
                    await feed.announce(driver, self.origin, session_ids)
                finally:
                    if engine.pool is not pool:
                        # The engine was disposed of: nobody will close what goes back
                        # to its old pool.
                        feed.abandon(driver)
