"""
The feed on SQLite: writers come one after the other, so that positions are in order.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.sql.core.column_types import utc_time
from asm_async.sql.dialects.feed import FeedDialect, Read
from asm_async.sql.dialects.sqlite.watcher import watch
from asm_async.sql.notifications.hub import NotificationHub
from asm_async.values.checkpoint import Place


class SQLiteFeed(FeedDialect):
    """
    Positions are rowids that AUTOINCREMENT never gives out twice.
    """

    announces: ClassVar[bool] = False
    transaction: ClassVar[sa.ColumnElement[int]] = sa.literal_column("0", sa.Integer)
    position: ClassVar[sa.ColumnElement[int]] = sa.literal_column(
        "asm_events.position", sa.Integer
    )
    is_below_horizon: ClassVar[sa.ColumnElement[bool]] = sa.literal_column(
        "1", sa.Boolean
    )
    order: ClassVar[Sequence[sa.ColumnElement[Any]]] = (position,)
    behind: ClassVar[sa.ColumnElement[bool]] = position > sa.bindparam(
        "position", type_=sa.Integer()
    )

    def parameters(self, place: Place) -> dict[str, Any]:
        return {"position": place[1]}

    def end(self) -> sa.Select[*tuple[Any, ...]]:
        """
        Select the position after the last one that was given out.
        """
        return sa.select(
            sa.literal_column("0", sa.Integer),
            sa.literal_column(
                "1 + coalesce("
                "(SELECT seq FROM sqlite_sequence WHERE name = 'asm_events'), 0)",
                sa.Integer,
            ),
        )

    async def begin_autocommit_read(self, conn: AsyncConnection) -> None:
        """
        Do nothing: a statement alone is a transaction anyway.
        """

    async def blocking_transaction(
        self, conn: AsyncConnection
    ) -> tuple[str | None, float | None]:
        """
        Find none: what is committed can be read at once.
        """
        return None, None

    def now(self, later: float = 0) -> sa.ColumnElement[datetime]:
        """
        Take this machine's clock: a database file has no other.
        """
        return sa.literal(datetime.now(UTC) + timedelta(seconds=later), utc_time())

    async def announce(
        self, driver: Any, origin: str, session_ids: Collection[str]
    ) -> None:
        """
        Do nothing: others see that the file has changed.
        """

    def abandon(self, driver: Any) -> None:
        """
        Do nothing: none was taken to announce on.
        """

    async def listen(
        self,
        engine: AsyncEngine,
        read: Read,
        hub: NotificationHub,
        origin: str,
    ) -> None:

        async def find(conn: AsyncConnection) -> str:
            files = await conn.execute(sa.text("PRAGMA database_list"))
            return next((row.file for row in files if row.name == "main"), "")

        if path := await read(find):
            await watch(path, hub)
