"""
PostgreSQL: many processes, many hosts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Protocol, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.errors import StorageUnavailableError, UnsupportedOperationError
from asm_async.ports.query_api import TimeBucket
from asm_async.sql.core.column_types import utc_time
from asm_async.sql.core.error_translation import translated_errors
from asm_async.sql.core.lock_keys import session_lock_keys
from asm_async.sql.core.tables import METADATA, events
from asm_async.sql.dialects.base import Appended, Dialect, EventRow
from asm_async.sql.dialects.feed import FeedDialect
from asm_async.sql.dialects.postgresql.feed import PostgreSQLFeed
from asm_async.sql.dialects.sums import NumericSum

__all__ = ["PostgreSQL"]

T = TypeVar("T")

_OLDEST = 13
_MAX_MILLISECONDS = 2**31 - 1

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

# One statement is one transaction. As above, the locks come first: their count is a
# one-time filter of the update, which PostgreSQL evaluates before it scans anything. A
# session without a living gate leaves its numbers NULL, and the column's NOT NULL
# aborts the whole. The order makes positions ascend with the numbers.
#
# The gate's state is looked at after the update: in its WHERE, a table without
# statistics is taken for one with a single living session, and each of a group is
# compared with all there are.
#
# A column is one text that the server splits: of every member of an array asyncpg asks
# whether it is an array in turn, which takes longer than all the rest of sending it. A
# text with a separator in it makes its column longer than that of the places, so that
# numbers are NULL here as well.
_APPEND_BLOCK = """
    WITH timeout AS MATERIALIZED (SELECT set_config('lock_timeout', $1, true)),
    locks AS MATERIALIZED (
        SELECT count(pg_advisory_xact_lock(key)) AS taken
        FROM timeout, unnest(string_to_array($2, chr(31))::bigint[]) AS key
    ),
    gate AS (
        UPDATE asm_session_sequences AS old
        SET last_sequence = old.last_sequence + added.number, updated_at = now()
        FROM unnest(
            string_to_array($3, chr(31)), string_to_array($4, chr(31))::bigint[]
        ) AS added (session_id, number)
        WHERE old.session_id = added.session_id AND (SELECT taken FROM locks) > 0
        RETURNING old.session_id, old.state, old.last_sequence, added.number
    ),
    inserted AS (
        INSERT INTO asm_events (
            session_id, sequence_number, id, type, timestamp, run_id, data, metadata,
            schema_version, provider, correlation_id
        )
        SELECT
            new.session_id,
            CASE gate.state
                WHEN 'live' THEN gate.last_sequence - gate.number + new.place
            END,
            new.id, new.type, new.timestamp, new.run_id, new.data::json,
            new.metadata::json, new.schema_version, new.provider, new.correlation_id
        FROM unnest(
            string_to_array($5, chr(31)), string_to_array($6, chr(31))::bigint[],
            string_to_array($7, chr(31)), string_to_array($8, chr(31)),
            $9::timestamptz[], string_to_array($10, chr(31), ''),
            string_to_array($11, chr(31)), string_to_array($12, chr(31)),
            string_to_array($13, chr(31))::bigint[],
            string_to_array($14, chr(31), ''), string_to_array($15, chr(31), '')
        ) WITH ORDINALITY AS new (
            session_id, place, id, type, timestamp, run_id, data, metadata,
            schema_version, provider, correlation_id, ordinality
        )
        LEFT JOIN gate ON gate.session_id = new.session_id
        ORDER BY new.ordinality
    )
    SELECT session_id, last_sequence FROM gate
"""

_SEPARATOR = chr(31)

# A failed CREATE INDEX CONCURRENTLY or REINDEX leaves one behind.
_INVALID_INDEXES = sa.text(
    """
    SELECT indexrelid::regclass::text FROM pg_index
    WHERE NOT indisvalid AND indrelid IN (
        SELECT to_regclass(name) FROM unnest(CAST(:names AS TEXT[])) AS name
    )
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

# What the careful path is for: NOT NULL (no living gate), a taken id, and a server
# whose default isolation is stricter than READ COMMITTED.
_UNUSUAL = frozenset({"23502", "23505", "40001"})


class _Driver(Protocol):
    """
    What of asyncpg's connection is used.
    """

    async def fetch(self, query: str, *args: object) -> Iterable[tuple[str, int]]: ...

    async def execute(self, query: str) -> str: ...

    def is_closed(self) -> bool: ...

    def is_in_transaction(self) -> bool: ...


def _caches_statements(driver: _Driver) -> bool:
    """
    Tell whether a statement is prepared once and then takes one round trip.

    Where the cache is off, as it must be behind PgBouncer in transaction mode, two
    round trips outside a transaction could reach two servers.
    """
    config = getattr(driver, "_config", None)
    return bool(getattr(config, "statement_cache_size", 1))


async def _roll_back(driver: _Driver) -> None:
    """
    End a transaction that was begun past SQLAlchemy, by whoever had the connection.
    """
    if driver.is_in_transaction():
        await driver.execute("ROLLBACK")


def _milliseconds(timeout: float) -> str:
    # Zero would mean to wait for ever, and the setting is an integer of 32 bits.
    return f"{max(1, round(min(timeout * 1000, _MAX_MILLISECONDS)))}ms"


def _column(values: Sequence[object]) -> object:
    """
    Write a column as the server splits it; None is no text at all.
    """
    if isinstance(values[0], datetime):
        return values
    return _SEPARATOR.join(["" if value is None else str(value) for value in values])


class PostgreSQL(Dialect):
    """
    PostgreSQL from 13 (xid8).
    """

    name = "postgresql"
    driver = "asyncpg"
    serialises_writers = False
    can_cancel_statements = True
    feed: ClassVar[FeedDialect] = PostgreSQLFeed()

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

    async def leave_transaction(self, conn: AsyncConnection) -> None:
        """
        Roll back in SQL; the driver knows whether there is anything to roll back.
        """
        raw = await conn.get_raw_connection()
        driver = cast("_Driver", raw.driver_connection)
        if driver.is_closed():
            await conn.invalidate()
            raise StorageUnavailableError("the server closed the connection")
        await _roll_back(driver)

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
        self, conn: AsyncConnection, keys: Collection[int], timeout: float
    ) -> None:
        """
        Take advisory locks, which end with the transaction.
        """
        milliseconds = _milliseconds(timeout)
        await conn.execute(_LOCK, {"timeout": milliseconds, "keys": list(keys)})

    def is_lost(self, driver: object) -> bool:
        """
        Ask the driver, which knows once it has tried.

        A BEGIN that failed leaves it with a transaction that it takes to be
        open for ever, and begins savepoints in.
        """
        own = cast("_Driver", driver)
        # One that was terminated cannot even be asked for a transaction.
        return (
            own.is_closed()
            or own.is_in_transaction()
            or getattr(own, "_top_xact", None) is not None
        )

    async def append_block(
        self,
        driver: object,
        counts: Mapping[str, int],
        rows: Sequence[EventRow],
        timeout: float,
    ) -> Appended | None:
        """
        Send one autocommitted statement, past SQLAlchemy: one round trip.
        """
        own = cast("_Driver", driver)
        if own.is_closed():
            raise StorageUnavailableError("the server closed the connection")
        if not _caches_statements(own):
            return None
        await _roll_back(own)
        columns: list[Sequence[object]] = [session_lock_keys(counts)]
        columns += [*counts], [*counts.values()], *zip(*rows, strict=True)
        try:
            found = await own.fetch(
                _APPEND_BLOCK,
                _milliseconds(timeout),
                *map(_column, columns),
            )
        except Exception as error:
            if getattr(error, "sqlstate", None) in _UNUSUAL:
                return None
            if own.is_closed():
                raise StorageUnavailableError(
                    f"the connection was lost: {error}", outcome_unknown=True
                ) from error
            with translated_errors(committing=True):
                raise
        return Appended(latest=dict(found))

    def locked(self, rows: sa.Select[*tuple[Any, ...]]) -> sa.Select[*tuple[Any, ...]]:
        """
        Lock the rows themselves, for servers whose advisory locks do nothing.
        """
        return rows.with_for_update()

    def exact_sum(self, count: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
        """
        Add up: the sum of BIGINT is NUMERIC.
        """
        return sa.type_coerce(sa.func.sum(count), NumericSum())

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
        """
        Unpack two arrays side by side.
        """
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
        """
        Look at this connection's setting and at those of the server.
        """
        found = await conn.execute(_WEAK_SETTINGS)
        return [(name, value) for name, value in found]

    def members(self, values: Collection[str]) -> sa.Select[str]:
        """
        Unpack an array.
        """
        array = sa.literal(list(values), ARRAY(sa.Text))
        return sa.select(sa.func.unnest(array).column_valued("value"))

    def is_one_of(
        self, column: sa.ColumnElement[str], values: Collection[str]
    ) -> sa.ColumnElement[bool]:
        """
        Compare with an array, which the planner looks into.
        """
        return column == sa.any_(sa.literal(list(values), ARRAY(sa.Text)))

    def without_index(self, column: sa.ColumnElement[T]) -> sa.ColumnElement[T]:
        """
        Give *column* as it is: the planner has statistics.
        """
        return column

    async def force_custom_plan(self, conn: AsyncConnection) -> None:
        """
        Forbid the plan that fits all values, which a prepared statement gets in time.
        """
        await conn.exec_driver_sql("SET LOCAL plan_cache_mode = force_custom_plan")

    def pairs(self, values: Collection[tuple[str, str]]) -> sa.Subquery:
        """
        Unpack two arrays side by side.
        """
        first = sa.literal([one for one, _ in values], ARRAY(sa.Text))
        second = sa.literal([other for _, other in values], ARRAY(sa.Text))
        unpacked = sa.func.unnest(first, second).table_valued("first", "second")
        table = unpacked.render_derived()
        return sa.select(table.c.first, table.c.second).subquery()
