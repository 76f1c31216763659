"""
One slow look for all followers together, in case that hints were lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.errors import StorageError
from asm_async.sql.notifications.hub import NotificationHub
from asm_async.sql.notifications.standings import newest_place, sessions_standing
from asm_async.sql.transactions.transaction import Transactions
from asm_async.values.checkpoint import Place

__all__ = ["poll"]

_MIN_SECONDS = 0.05


async def poll(
    transactions: Transactions, hub: NotificationHub, seconds: float
) -> None:
    """
    Wake whoever is behind, every so many *seconds*, until cancelled.
    """
    standings: dict[str, Sequence[Any]] = {}
    while True:
        await asyncio.sleep(min(seconds, _MIN_SECONDS))
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await hub.something_changed.wait()
        hub.something_changed.clear()
        with suppress(StorageError):
            standings = await _look(transactions, hub, standings)


async def _look(
    transactions: Transactions,
    hub: NotificationHub,
    before: dict[str, Sequence[Any]],
) -> dict[str, Sequence[Any]]:
    """
    Look once; gives the gate's state and the status of each session that is followed.
    """
    feed = transactions.dialect.feed
    session_ids = hub.followed_sessions()
    sessions = sessions_standing(transactions.dialect.members(session_ids))
    newest: Place = (0, 0)
    numbers: dict[str, int] = {}
    standings: dict[str, Sequence[Any]] = {}

    async def read(conn: AsyncConnection) -> None:
        nonlocal newest
        if hub.follows_all:
            row = (await conn.execute(newest_place(feed))).first()
            newest = newest if row is None else (row[0], row[1])
        if session_ids:
            for session_id, number, *standing in await conn.execute(sessions):
                numbers[session_id] = number
                standings[session_id] = standing

    await transactions.read(read)
    hub.on_remote_commit(numbers, newest)
    for session_id, standing in standings.items():
        if before.get(session_id) != standing:
            hub.on_status_change(session_id)
    return standings
