"""
The feed on PostgreSQL: by transaction id, as far as no older transaction is open.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.sql.core.column_types import TransactionId, utc_time
from asm_async.sql.dialects.feed import FeedDialect, Read
from asm_async.sql.dialects.postgresql.listener import CHANNEL, listen, payloads_of
from asm_async.sql.notifications.hub import NotificationHub
from asm_async.values.checkpoint import Place

_BLOCKING_TRANSACTION = sa.text(
    """
    SELECT 'process ' || pid || ', database ' || coalesce(datname, '(none)')
            || ', application ' || quote_literal(application_name) AS holder,
        extract(epoch FROM clock_timestamp() - xact_start) AS seconds
    FROM pg_stat_activity
    WHERE backend_xid = CAST(pg_snapshot_xmin(pg_current_snapshot()) AS xid)
    UNION ALL
    SELECT 'prepared transaction ' || quote_literal(gid) || ', database ' || database,
        extract(epoch FROM clock_timestamp() - prepared)
    FROM pg_prepared_xacts
    WHERE transaction = CAST(pg_snapshot_xmin(pg_current_snapshot()) AS xid)
    """
)

# It may be lost in a crash of the server, which no listener survives either.
_ANNOUNCE = """
    WITH hasty AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
    SELECT count(pg_notify('{}', payload))
    FROM hasty, unnest(ARRAY[{}]) AS payload
"""


def _literal(text: str) -> str:
    """
    Quote ASCII *text*, whatever the server thinks of backslashes.
    """
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


class PostgreSQLFeed(FeedDialect):
    """
    The order is that of transaction ids, then of positions within a transaction.

    Positions are given out at the insert and seen at the commit: a reader that went by
    them would skip what a slower transaction commits later. A transaction id below the
    horizon of the snapshot belongs to a transaction that has ended, and so do all
    smaller ones. Each transaction takes the locks of its sessions before it gets its
    id, so that within a session ids ascend as sequence numbers do.
    """

    announces: ClassVar[bool] = True
    transaction: ClassVar[sa.ColumnElement[int]] = sa.literal_column(
        "CAST(CAST(asm_events.transaction_id AS TEXT) AS BIGINT)", sa.BigInteger
    )
    position: ClassVar[sa.ColumnElement[int]] = sa.literal_column(
        "asm_events.position", sa.BigInteger
    )
    is_below_horizon: ClassVar[sa.ColumnElement[bool]] = sa.literal_column(
        "asm_events.transaction_id < pg_snapshot_xmin(pg_current_snapshot())",
        sa.Boolean,
    )
    order: ClassVar[Sequence[sa.ColumnElement[Any]]] = (
        sa.literal_column("asm_events.transaction_id", TransactionId),
        position,
    )

    behind: ClassVar[sa.ColumnElement[bool]] = sa.tuple_(*order) > sa.tuple_(
        sa.cast(
            sa.cast(sa.bindparam("transaction", type_=sa.Text()), sa.Text),
            TransactionId,
        ),
        sa.bindparam("position", type_=sa.BigInteger()),
    )

    def parameters(self, place: Place) -> dict[str, Any]:
        return {"transaction": str(place[0]), "position": place[1]}

    def end(self) -> sa.Select[*tuple[Any, ...]]:
        """
        Select the transaction id that is given out next.
        """
        next_id = (
            "CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS TEXT) AS BIGINT)"
        )
        return sa.select(
            sa.literal_column(next_id, sa.BigInteger),
            sa.literal_column("0", sa.BigInteger),
        )

    async def begin_autocommit_read(self, conn: AsyncConnection) -> None:
        """
        Do without a transaction around them, which is two round trips more.
        """
        await conn.execution_options(isolation_level="AUTOCOMMIT")

    async def blocking_transaction(
        self, conn: AsyncConnection
    ) -> tuple[str | None, float | None]:
        row = (await conn.execute(_BLOCKING_TRANSACTION)).first()
        if row is None:
            return None, None
        seconds = None if row.seconds is None else max(0.0, float(row.seconds))
        return row.holder, seconds

    def now(self, later: float = 0) -> sa.ColumnElement[datetime]:
        """
        Ask the server, for this very moment: a transaction's own time stands still.
        """
        now = sa.literal_column("clock_timestamp()", sa.TIMESTAMP(timezone=True))
        span = sa.literal(timedelta(seconds=later), sa.Interval())
        return sa.type_coerce(now + span, utc_time())

    async def announce(
        self, driver: Any, origin: str, session_ids: Collection[str]
    ) -> None:
        """
        Notify, in a transaction of its own that waits for no disk.

        Without parameters it is one round trip, and one that PgBouncer leaves whole.
        """
        literals = ", ".join(map(_literal, payloads_of(origin, session_ids)))
        await driver.execute(_ANNOUNCE.format(CHANNEL, literals))

    def abandon(self, driver: Any) -> None:
        driver.terminate()

    async def listen(
        self,
        engine: AsyncEngine,
        read: Read,
        hub: NotificationHub,
        origin: str,
    ) -> None:
        await listen(engine, hub, origin)
