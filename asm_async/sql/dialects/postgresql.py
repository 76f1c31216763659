"""
PostgreSQL: many processes, many hosts.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.errors import UnsupportedOperationError
from asm_async.sql.dialects.base import Dialect

__all__ = ["PostgreSQL"]

_OLDEST = 13

# The timeout is set before the first lock is asked for, since a row of the join needs
# it; the locks are taken in the array's order. Nothing is written, so a transaction
# that waits here holds no transaction id.
_LOCK = sa.text(
    """
    WITH patience AS MATERIALIZED (SELECT set_config('lock_timeout', :patience, true))
    SELECT count(pg_advisory_xact_lock(key))
    FROM patience, unnest(CAST(:keys AS BIGINT[])) AS key
    """
)


class PostgreSQL(Dialect):
    """
    PostgreSQL from 13 (xid8).
    """

    name = "postgresql"
    driver = "asyncpg"
    serialises_writers = False

    def check_engine(self, engine: AsyncEngine) -> None:
        """
        Accept every engine: what matters is set for each transaction.
        """

    async def check_server(self, conn: AsyncConnection) -> None:
        """
        Ask the server.
        """
        number = await conn.scalar(sa.text("SHOW server_version_num"))
        if int(str(number)) // 10_000 < _OLDEST:
            raise UnsupportedOperationError(
                f"PostgreSQL {int(str(number)) // 10_000} is too old:"
                f" {_OLDEST} or later is needed"
            )

    def keeps_data_in_connection(self, engine: AsyncEngine) -> bool:
        """
        Deny it: the server keeps the data.
        """
        return False

    async def begin_write(self, conn: AsyncConnection) -> None:
        """
        Begin at READ COMMITTED, whatever the engine's own isolation is.

        Only there does the statement after a lock see what was committed while waiting.
        """
        await conn.execution_options(isolation_level="READ COMMITTED")
        await conn.begin()

    async def commit(self, conn: AsyncConnection) -> None:
        """
        Commit.
        """
        await conn.commit()

    async def roll_back(self, conn: AsyncConnection) -> None:
        """
        Roll back.
        """
        await conn.rollback()

    async def lock(
        self, conn: AsyncConnection, keys: Collection[int], patience: float
    ) -> None:
        """
        Take advisory locks, which end with the transaction.
        """
        # Zero would mean to wait for ever.
        milliseconds = max(1, round(patience * 1000))
        await conn.execute(_LOCK, {"patience": f"{milliseconds}ms", "keys": list(keys)})

    def locked(self, rows: sa.Select[*tuple[Any, ...]]) -> sa.Select[*tuple[Any, ...]]:
        """
        Lock the rows themselves, for servers whose advisory locks do nothing.
        """
        return rows.with_for_update()

    def members(self, values: Collection[str]) -> sa.Select[str]:
        """
        Unpack an array.
        """
        array = sa.literal(list(values), ARRAY(sa.Text))
        return sa.select(sa.func.unnest(array).column_valued("value"))

    def pairs(self, values: Collection[tuple[str, str]]) -> sa.Subquery:
        """
        Unpack two arrays side by side.
        """
        first = sa.literal([one for one, _ in values], ARRAY(sa.Text))
        second = sa.literal([other for _, other in values], ARRAY(sa.Text))
        unpacked = sa.func.unnest(first, second).table_valued("first", "second")
        table = unpacked.render_derived()
        return sa.select(table.c.first, table.c.second).subquery()
