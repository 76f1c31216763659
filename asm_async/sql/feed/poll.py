"""
One slow look for all followers together, in case that notifications were lost.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.errors import StorageError
from asm_async.sql.core.feed_timing import MIN_POLL_INTERVAL
from asm_async.sql.feed.queries import newest_place, standing_of
from asm_async.sql.notifications.hub import NotificationHub
from asm_async.sql.transactions.transaction import Transactions
from asm_async.values.checkpoint import Place

_LOG = logging.getLogger(__name__)


async def poll(
    transactions: Transactions, hub: NotificationHub, seconds: float
) -> None:
    """
    Wake those who are behind, every so many *seconds*, until cancelled.

    It looks sooner where the status of some session may have changed: neither the
    watcher of an SQLite file nor an announcement tells of which.
    """
    standings: dict[str, list[Any]] = {}
    while True:
        least = min(seconds, MIN_POLL_INTERVAL)
        await asyncio.sleep(least)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds - least):
                await hub.something_changed.wait()
        # Cleared before the look: what changes during it calls for another one.
        hub.something_changed.clear()
        try:
            standings = await _look(transactions, hub, standings)
        except StorageError as error:
            _LOG.debug("a look for lost notifications failed: %s", error.code)


async def _look(
    transactions: Transactions,
    hub: NotificationHub,
    before: dict[str, list[Any]],
) -> dict[str, list[Any]]:
    """
    Look once.

    Returns:
        The counter's state and the status of each session that is followed.
    """
    session_ids = hub.followed_sessions()
    dialect = transactions.dialect
    query = standing_of(lambda column: dialect.is_one_of(column, session_ids))

    async def read(conn: AsyncConnection) -> tuple[Place, list[tuple[Any, ...]]]:
        newest: Place = (0, 0)
        if hub.follows_all:
            row = (await conn.execute(newest_place(dialect.feed))).first()
            newest = newest if row is None else (row[0], row[1])
        rows = await conn.execute(query) if session_ids else ()
        return newest, [tuple(row) for row in rows]

    newest, found = await transactions.read(read)
    hub.on_remote_commit({row[0]: row[1] for row in found}, newest)
    standings = {session_id: standing for session_id, _, *standing in found}
    for session_id, standing in standings.items():
        if before.get(session_id) != standing:
            hub.on_status_change(session_id)
    return standings
