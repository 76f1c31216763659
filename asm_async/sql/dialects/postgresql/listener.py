"""
A connection that receives what other processes announce.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Protocol, cast

from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import StorageError
from asm_async.sql.core.deadlines import pause_after
from asm_async.sql.core.error_translation import translated_errors
from asm_async.sql.core.feed_timing import LISTENER_PING_INTERVAL, LISTENER_TIMEOUT
from asm_async.sql.dialects.feed import ChangeListener, ReadPayload

CHANNEL = "asm_events"

_LOG = logging.getLogger(__name__)


class _Driver(Protocol):
    """
    What of asyncpg's connection is used.
    """

    async def add_listener(
        self, channel: str, callback: Callable[[object, int, str, str], None]
    ) -> None: ...

    def add_termination_listener(self, callback: Callable[[object], None]) -> None: ...

    async def execute(self, query: str) -> str: ...

    async def close(self) -> None: ...

    def terminate(self) -> None: ...


async def listen(
    engine: AsyncEngine, listener: ChangeListener, sessions_in: ReadPayload
) -> None:
    """
    Wake those who wait for the sessions that are announced, until cancelled.
    """

    def receive(_connection: object, _pid: int, _channel: str, payload: str) -> None:
        session_ids = sessions_in(payload)
        if session_ids is None:
            listener.notify_all()
        else:
            listener.on_announcement(session_ids)

    for failures in itertools.count(1):
        try:
            with translated_errors():
                await _listen_once(engine, listener, receive)
        except (StorageError, TimeoutError) as error:
            _LOG.info("announcements are awaited on a new connection: %r", error)
        await asyncio.sleep(pause_after(failures))


async def _listen_once(
    engine: AsyncEngine,
    listener: ChangeListener,
    receive: Callable[[object, int, str, str], None],
) -> None:
    """
    Listen until the connection is lost.
    """
    is_lost = asyncio.Event()
    async with _own_connection(engine) as driver:
        driver.add_termination_listener(lambda _: is_lost.set())
        await driver.add_listener(CHANNEL, receive)
        # What was announced before this moment was not received.
        listener.notify_all()
        while not is_lost.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(LISTENER_PING_INTERVAL):
                    await is_lost.wait()
            # A connection that a firewall has dropped looks alive until it is used.
            async with asyncio.timeout(LISTENER_TIMEOUT):
                await driver.execute("SELECT 1")


@asynccontextmanager
async def _own_connection(engine: AsyncEngine) -> AsyncGenerator[_Driver]:
    """
    Make a connection as the pool makes its own, and take it out of the pool.
    """
    async with asyncio.timeout(LISTENER_TIMEOUT):
        conn = await engine.connect()
    try:
        raw = await conn.get_raw_connection()
        driver = cast("_Driver", raw.driver_connection)
        await conn.run_sync(lambda sync_conn: sync_conn.detach())
        try:
            yield driver
        finally:
            await _close(driver)
    finally:
        await conn.close()


async def _close(driver: _Driver) -> None:
    try:
        async with asyncio.timeout(LISTENER_TIMEOUT):
            await driver.close()
    except Exception:  # noqa: BLE001 - it was lost already, or is given up now
        driver.terminate()
