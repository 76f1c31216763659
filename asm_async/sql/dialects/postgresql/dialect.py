"""
PostgreSQL: many processes, many hosts.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.errors import StorageUnavailableError, UnsupportedOperationError
from asm_async.ports.query_api import TimeBucket
from asm_async.sql.core.column_types import WholeSum, utc_time
from asm_async.sql.core.engine_state import EngineState
from asm_async.sql.core.tables import METADATA, events
from asm_async.sql.dialects.base import UNDONE, Dialect
from asm_async.sql.dialects.direct import DirectDialect
from asm_async.sql.dialects.feed import FeedDialect
from asm_async.sql.dialects.pools import idle_connections, refuse_shared_connection
from asm_async.sql.dialects.postgresql.driver import (
    Driver,
    hang_up,
    is_of_another_loop,
    leave_to_parent,
    milliseconds,
    roll_back,
)
from asm_async.sql.dialects.postgresql.feed import PostgreSQLFeed
from asm_async.sql.dialects.postgresql.replication import PostgreSQLReplication
from asm_async.sql.dialects.postgresql.text_index import PostgreSQLTextIndex
from asm_async.sql.dialects.postgresql.write import (
    MIGRATIONS_KEY,
    PostgreSQLDirect,
    session_lock_keys,
)
from asm_async.sql.dialects.text_index import TextIndexDialect
from asm_async.values.retraction import Ranges

T = TypeVar("T")

_LOG = logging.getLogger(__name__)

_OLDEST = 13

_RANGE_ENDS = ("low", "high")

# The timeout is set before the first lock is asked for, since a row of the join needs
# it; the locks are taken in the array's order. Nothing is written, so a transaction
# that waits here holds no transaction id.
_LOCK = sa.text(
    """
    WITH timeout AS MATERIALIZED (SELECT set_config('lock_timeout', :timeout, true))
    SELECT count(pg_advisory_xact_lock(key))
    FROM timeout, unnest(CAST(:keys AS BIGINT[])) AS key
    """
)

# A failed CREATE INDEX CONCURRENTLY or REINDEX leaves one behind, perhaps of one of a
# table's partitions.
_INVALID_INDEXES = sa.text(
    """
    SELECT indexrelid::regclass::text FROM pg_index
    LEFT JOIN pg_inherits ON inhrelid = indrelid
    JOIN pg_class ON pg_class.oid = coalesce(inhparent, indrelid)
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE NOT indisvalid AND nspname = current_schema()
        AND relname = ANY(CAST(:names AS TEXT[]))
    ORDER BY 1
    """
)

_WEAK_SETTINGS = sa.text(
    """
    SELECT name, setting FROM pg_settings
    WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit')
        AND setting = 'off'
    ORDER BY name
    """
)


class PostgreSQL(Dialect):
    """
    PostgreSQL from 13 (xid8).
    """

    name = "postgresql"
    serialises_writers = False
    can_cancel_statements = True
    sorts_runs = True
    resets_without_waiting = True
    list_type: ClassVar[sa.types.TypeEngine[Any]] = ARRAY(sa.Text)
    direct: ClassVar[DirectDialect] = PostgreSQLDirect()
    feed: ClassVar[FeedDialect] = PostgreSQLFeed()
    text_index: ClassVar[TextIndexDialect] = PostgreSQLTextIndex()

    @cached_property
    def compiler(self) -> sa.Dialect:
        return PGDialect_asyncpg()  # type: ignore[no-untyped-call] # by SQLAlchemy

    @cached_property
    def replication(self) -> PostgreSQLReplication:
        return PostgreSQLReplication(self.compiler)

    def check_engine(self, engine: AsyncEngine) -> None:
        """
        Refuse a pool that shares a transaction; all else is set for each transaction.
        """
        refuse_shared_connection(engine)

    def renew_pool(self, engine: AsyncEngine, before: EngineState | None) -> None:
        """
        Begin with an empty pool: asyncpg's connections belong to their event loop.
        """
        drivers = cast("list[Driver]", idle_connections(engine))
        if before is not None and before.is_inherited():
            for driver in drivers:
                leave_to_parent(driver)
        else:
            there = [driver for driver in drivers if is_of_another_loop(driver)]
            if before is None and not there:
                return
            for driver in there:
                hang_up(driver)
        engine.sync_engine.dispose(close=False)

    async def check_server(self, conn: AsyncConnection) -> None:
        number = await conn.scalar(sa.text("SHOW server_version_num"))
        if int(str(number)) // 10_000 < _OLDEST:
            raise UnsupportedOperationError(
                f"PostgreSQL {int(str(number)) // 10_000} is too old:"
                f" {_OLDEST} or later is needed"
            )

    async def see_to_settings(self, conn: AsyncConnection) -> None:
        """
        Set nothing: a server's settings are not the stores'.
        """
        if weak := [name for name, _ in await self.weak_settings(conn)]:
            _LOG.warning("of the server's settings %s off: %s", _are(weak), UNDONE)

    async def is_read_only(self, conn: AsyncConnection) -> bool:
        return str(await conn.scalar(sa.text("SHOW transaction_read_only"))) == "on"

    async def leave_transaction(self, conn: AsyncConnection) -> None:
        """
        Roll back in SQL; the driver knows whether there is anything to roll back.
        """
        raw = await conn.get_raw_connection()
        driver = cast("Driver", raw.driver_connection)
        if driver.is_closed():
            await conn.invalidate()
            raise StorageUnavailableError("the server closed the connection")
        await roll_back(driver)

    async def begin_write(self, conn: AsyncConnection) -> None:
        """
        Begin at READ COMMITTED, whatever the engine's own isolation is.

        Only there does the statement after a lock see what was committed while waiting.
        """
        await conn.execution_options(isolation_level="READ COMMITTED")
        await conn.begin()

    async def begin_snapshot(self, conn: AsyncConnection) -> None:
        """
        Begin at REPEATABLE READ: what the first read sees, the others see too.

        A transaction there that only reads never fails to serialise.
        """
        await conn.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        await conn.begin()

    async def commit(self, conn: AsyncConnection) -> None:
        await conn.commit()

    async def roll_back(self, conn: AsyncConnection) -> None:
        await conn.rollback()

    async def lock(
        self, conn: AsyncConnection, session_ids: Collection[str], timeout: float
    ) -> None:
        """
        Take advisory locks, which end with the transaction.
        """
        await _lock(conn, session_lock_keys(session_ids), timeout)

    async def lock_schema(self, conn: AsyncConnection, timeout: float) -> None:
        await _lock(conn, [MIGRATIONS_KEY], timeout)

    def is_in(
        self, column: sa.ColumnElement[str], values: sa.BindParameter[Any]
    ) -> sa.ColumnElement[bool]:
        """
        Compare with an array, which the planner looks into.
        """
        return column == sa.any_(values)

    def list_value(self, values: Collection[str]) -> object:
        """
        Return a list, which asyncpg sends as an array.
        """
        return list(values)

    def ranges(self, name: str) -> tuple[sa.FromClause, Any, Any]:
        numbers = ARRAY(sa.BigInteger)
        lists = [sa.bindparam(f"{name}_{end}", type_=numbers) for end in _RANGE_ENDS]
        rows = sa.func.unnest(*lists).table_valued(*_RANGE_ENDS).render_derived()
        return rows, rows.c.low, rows.c.high

    def range_values(self, name: str, ranges: Ranges) -> dict[str, object]:
        values = zip(*ranges, strict=True)
        names = (f"{name}_{end}" for end in _RANGE_ENDS)
        return {key: list(each) for key, each in zip(names, values, strict=True)}

    def locked(self, rows: sa.Select[*tuple[Any, ...]]) -> sa.Select[*tuple[Any, ...]]:
        """
        Lock the rows themselves, for servers whose advisory locks do nothing.
        """
        return rows.with_for_update()

    def present_time(
        self, given: sa.BindParameter[datetime]
    ) -> sa.ColumnElement[datetime]:
        return sa.type_coerce(sa.func.clock_timestamp(), given.type)

    def exact_sum(self, count: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
        """
        Add up: the sum of BIGINT is NUMERIC.
        """
        return sa.type_coerce(sa.func.sum(count), WholeSum(int))

    def time_within(
        self, bucket: TimeBucket, time: sa.ColumnElement[datetime]
    ) -> sa.ColumnElement[datetime]:
        """
        Truncate at UTC; the first and the last time, which are infinite, stay.

        The words stand in the statement's text: two parameters would be two
        expressions, of which only one is grouped by.
        """
        field = sa.literal_column(f"'{bucket}'", sa.Text)
        zone = sa.literal_column("'UTC'", sa.Text)
        start = sa.func.date_trunc(field, sa.func.timezone(zone, time))
        return sa.type_coerce(start, utc_time())

    def are_among(self, keys: Collection[tuple[str, int]]) -> sa.ColumnElement[bool]:
        ids = sa.literal([session_id for session_id, _ in keys], ARRAY(sa.Text))
        numbers = sa.literal([number for _, number in keys], ARRAY(sa.BigInteger))
        unpacked = sa.func.unnest(ids, numbers).table_valued("session_id", "number")
        key = unpacked.render_derived()
        return sa.tuple_(events.c.session_id, events.c.sequence_number).in_(
            sa.select(key.c.session_id, key.c.number)
        )

    async def integrity_faults(self, conn: AsyncConnection) -> list[tuple[str, str]]:
        """
        Look for indexes that are not to be relied on; more would need an extension.
        """
        found = await conn.execute(_INVALID_INDEXES, {"names": list(METADATA.tables)})
        return [(name, f"the index {name} is not valid") for (name,) in found]

    async def weak_settings(self, conn: AsyncConnection) -> list[tuple[str, str]]:
        found = await conn.execute(_WEAK_SETTINGS)
        return [(name, f"{name} is {value}: {UNDONE}") for name, value in found]

    def without_index(self, column: sa.ColumnElement[T]) -> sa.ColumnElement[T]:
        """
        Return *column* as it is: the planner has statistics.
        """
        return column

    async def force_custom_plan(self, conn: AsyncConnection) -> None:
        """
        Forbid the plan that fits all values, which a prepared statement gets in time.
        """
        await conn.exec_driver_sql("SET LOCAL plan_cache_mode = force_custom_plan")


def _are(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last} are" if others else f"{last} is"


async def _lock(conn: AsyncConnection, keys: list[int], timeout: float) -> None:
    values = {"timeout": milliseconds(timeout), "keys": keys}
    await conn.execute(_LOCK, values)
