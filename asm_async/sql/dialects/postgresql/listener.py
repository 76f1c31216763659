"""
What processes announce to each other, and a connection that receives it.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import StorageError
from asm_async.sql.core.deadlines import pause_after
from asm_async.sql.core.error_translation import translated_errors
from asm_async.sql.core.feed_timing import LISTENER_PING_INTERVAL, LISTENER_TIMEOUT
from asm_async.sql.notifications.hub import NotificationHub

CHANNEL = "asm_events"

# PostgreSQL takes payloads of less than 8,000 bytes.
_MAX_BYTES = 7_900
_MAX_SESSIONS = 1_000

_LOG = logging.getLogger(__name__)


def payloads_of(origin: str, session_ids: Collection[str]) -> list[str]:
    """
    Write the ids of sessions in pieces that fit; no id at all stands for all sessions.
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
    Read what :func:`payloads_of` wrote, or anybody else, who may write anything.

    Returns:
        The ids of sessions; None for all of them, no id if *origin* itself wrote it.
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


async def listen(engine: AsyncEngine, hub: NotificationHub, origin: str) -> None:
    """
    Wake those who wait for the sessions that are announced, until cancelled.
    """

    def receive(_connection: object, _pid: int, _channel: str, payload: str) -> None:
        session_ids = announced_sessions(payload, origin)
        if session_ids is None:
            hub.notify_all()
        else:
            hub.on_announcement(session_ids)

    for failures in itertools.count(1):
        try:
            with translated_errors():
                await _listen_once(engine, hub, receive)
        except (StorageError, TimeoutError) as error:
            _LOG.info("announcements are awaited on a new connection: %r", error)
        await asyncio.sleep(pause_after(failures))


async def _listen_once(
    engine: AsyncEngine,
    hub: NotificationHub,
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
        hub.notify_all()
        while not is_lost.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(LISTENER_PING_INTERVAL):
                    await is_lost.wait()
            # A connection that a firewall has dropped looks alive until it is used.
            async with asyncio.timeout(LISTENER_TIMEOUT):
                await driver.execute("SELECT 1")


@asynccontextmanager
async def _own_connection(engine: AsyncEngine) -> AsyncGenerator[Any]:
    """
    Make a connection as the pool makes its own, and take it out of the pool.
    """
    async with asyncio.timeout(LISTENER_TIMEOUT):
        conn = await engine.connect()
    try:
        raw = await conn.get_raw_connection()
        driver: Any = raw.driver_connection
        await conn.run_sync(lambda sync_conn: sync_conn.detach())
        try:
            yield driver
        finally:
            await _close(driver)
    finally:
        await conn.close()


async def _close(driver: Any) -> None:
    try:
        async with asyncio.timeout(LISTENER_TIMEOUT):
            await driver.close()
    except Exception:  # noqa: BLE001 - it was lost already, or is given up now
        driver.terminate()
