"""
SQLite: one file, one writer at a time.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Collection
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import Any, ClassVar, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.sql.operators import custom_op

from asm_async.errors import (
    StorageError,
    StoreClosedError,
    UnsupportedOperationError,
)
from asm_async.ports.query_api import TimeBucket
from asm_async.sql.core.column_types import MicrosecondTime, WholeSum, microseconds
from asm_async.sql.core.engine_state import EngineState, inherited_states
from asm_async.sql.core.tables import events
from asm_async.sql.dialects.base import UNDONE, Dialect
from asm_async.sql.dialects.direct import DirectDialect
from asm_async.sql.dialects.feed import FeedDialect
from asm_async.sql.dialects.pools import (
    has_one_connection,
    idle_connections,
    is_in_use,
    is_waited_for_elsewhere,
    refuse_shared_connection,
    renew_queue,
)
from asm_async.sql.dialects.sqlite.connection import (
    OneHopConnection,
    close_left,
    has_living_thread,
)
from asm_async.sql.dialects.sqlite.driver import (
    OpenFile,
    file_of,
    find_file,
    has_thread,
    jobs_of,
    run,
)
from asm_async.sql.dialects.sqlite.engine import begin_immediate, close_inherited
from asm_async.sql.dialects.sqlite.feed import SQLiteFeed
from asm_async.sql.dialects.sqlite.files import file_path, not_in_wal, put_into_wal
from asm_async.sql.dialects.sqlite.text_index import SQLiteTextIndex
from asm_async.sql.dialects.sqlite.write import SQLiteDirect
from asm_async.sql.dialects.text_index import TextIndexDialect
from asm_async.values.retraction import Ranges

_LOG = logging.getLogger(__name__)

_OLDEST = (3, 35)
_SYNCHRONOUS_FULL = 2

# A count has 53 bits. Neither half's sum can overflow below 2**36 rows.
_LOW_BITS = 27

_START_OF_MONTH = ("%s", "unixepoch", "start of month")

_FIRST_TIME = sa.literal_column(
    str(microseconds(datetime.min.replace(tzinfo=UTC))), sa.Integer
)

T = TypeVar("T")


class SQLite(Dialect):
    """
    SQLite from 3.35 (RETURNING).
    """

    name = "sqlite"
    serialises_writers = True
    can_cancel_statements = False
    sorts_runs = False
    resets_without_waiting = False
    list_type: ClassVar[sa.types.TypeEngine[Any]] = sa.Text()
    direct: ClassVar[DirectDialect] = SQLiteDirect()
    feed: ClassVar[FeedDialect] = SQLiteFeed()
    text_index: ClassVar[TextIndexDialect] = SQLiteTextIndex()

    @cached_property
    def compiler(self) -> sa.Dialect:
        return SQLiteDialect_aiosqlite()

    def check_engine(self, engine: AsyncEngine) -> None:
        """
        Refuse a pool that shares a transaction, or makes several databases in memory.
        """
        refuse_shared_connection(engine)
        if file_path(engine.url) is None and not has_one_connection(engine):
            raise UnsupportedOperationError(
                f"the engine's {type(engine.pool).__name__} may open and close several"
                " connections, and a database in memory exists in one only; make the"
                " engine with asm_async.sql.create_engine, or with"
                " poolclass=AsyncAdaptedQueuePool, pool_size=1, max_overflow=0"
            )

    def renew_pool(self, engine: AsyncEngine, before: EngineState | None) -> None:
        """
        Keep the connections, of which nothing belongs to a loop but the pool's queue.

        Of what a fork has copied none can be kept, since their threads are not there.
        """
        path = file_path(engine.url)
        inherited = inherited_states()
        if before is not None and before.is_inherited():
            inherited.append(before)
        if path is not None:
            for state in inherited:
                close_inherited(state, path)
        idle = [driver for driver in idle_connections(engine) if has_thread(driver)]
        dead = [driver for driver in idle if not has_living_thread(driver)]
        is_elsewhere = is_waited_for_elsewhere(engine, asyncio.get_running_loop())
        if before is None and not dead and not is_elsewhere:
            return
        if not dead and not is_in_use(engine):
            renew_queue(engine)
            return
        if path is None:
            raise StoreClosedError(
                "the database in memory cannot leave its connection, which was in use"
                " in an event loop that was closed or a process that was forked: make"
                " another engine and its tables"
            )
        for driver in idle:
            if driver in dead:
                close_left(driver)
            else:
                driver.stop()
        engine.sync_engine.dispose(close=False)

    async def check_server(self, conn: AsyncConnection) -> None:
        text = await conn.scalar(sa.select(sa.func.sqlite_version()))
        if tuple(map(int, str(text).split(".")))[:2] < _OLDEST:
            raise UnsupportedOperationError(
                f"SQLite {text} is too old: 3.35 or later is needed"
            )

    async def see_to_settings(self, conn: AsyncConnection) -> None:
        """
        Put the file into WAL mode, in which it stays, if the engine is one of ours.

        Another's is not reconfigured, and neither is its file: its owner may have set
        another mode wherever it connects.
        """
        driver = await _driver_of(conn)
        file = file_of(driver)
        if file is None or not file.path:
            return
        if isinstance(driver, OneHopConnection):
            # How durable such a connection is was asked for when it was made.
            faults = [await run(driver, put_into_wal)]
        else:
            faults = [fault for _, fault in await self.weak_settings(conn)]
        for fault in filter(None, faults):
            _LOG.warning("%s: %s", file.path, fault)

    async def is_read_only(self, conn: AsyncConnection) -> bool:
        """
        Return False: what a file allows, its connection finds out when it writes.
        """
        return False

    async def leave_transaction(self, conn: AsyncConnection) -> None:
        """
        Roll back; the driver knows whether there is anything to roll back.

        And give the connection up if its files are not where they were.
        """
        driver = await _driver_of(conn)
        if has_thread(driver):
            # What SQLAlchemy waits for is known from now on, if the thread gets stuck.
            jobs_of(driver)
        if _is_in_transaction(driver):
            await self.roll_back(conn)
        file = file_of(driver)
        if file is None and has_thread(driver):
            file = await run(driver, partial(find_file, driver))
        if file is not None:
            await _check_file(conn, file)

    async def begin_write(self, conn: AsyncConnection) -> None:
        """
        Take the write lock at once.

        A transaction that reads first and then writes could find that another has
        committed in between, which no waiting can cure (SQLITE_BUSY_SNAPSHOT).
        """
        await conn.begin()
        # A listener of the engine's owner may have begun one on SQLAlchemy's "begin".
        await _roll_back_in_sql(conn)
        file = file_of(await _driver_of(conn))
        await begin_immediate(conn, 0 if file is None else file.busy_timeout)

    async def begin_snapshot(self, conn: AsyncConnection) -> None:
        """
        Begin a deferred transaction: what the first read sees, the others see too.
        """
        await conn.begin()
        await _roll_back_in_sql(conn)
        await conn.exec_driver_sql("BEGIN DEFERRED")

    async def commit(self, conn: AsyncConnection) -> None:
        """
        Commit in SQL, which works however the driver thinks of transactions.
        """
        await conn.exec_driver_sql("COMMIT")

    async def roll_back(self, conn: AsyncConnection) -> None:
        """
        Roll back in SQL first, then tell SQLAlchemy.
        """
        await _roll_back_in_sql(conn)
        await conn.rollback()

    async def lock(
        self, conn: AsyncConnection, session_ids: Collection[str], timeout: float
    ) -> None:
        """
        Do nothing: BEGIN IMMEDIATE holds all there is.
        """

    async def lock_schema(self, conn: AsyncConnection, timeout: float) -> None:
        """
        Do nothing: BEGIN IMMEDIATE holds all there is.
        """

    def is_in(
        self, column: sa.ColumnElement[str], values: sa.BindParameter[Any]
    ) -> sa.ColumnElement[bool]:
        """
        Unpack a JSON array, since the number of parameters is bounded (32,766).
        """
        array = sa.func.json_each(values).table_valued("value")
        return column.in_(sa.select(array.c.value))

    def list_value(self, values: Collection[str]) -> object:
        return json.dumps(list(values))

    def ranges(self, name: str) -> tuple[sa.FromClause, Any, Any]:
        rows = sa.func.json_each(sa.bindparam(name, type_=sa.Text()))
        pairs = rows.table_valued("value")
        first, last = (sa.func.json_extract(pairs.c.value, f"$[{i}]") for i in (0, 1))
        return pairs, first, last

    def range_values(self, name: str, ranges: Ranges) -> dict[str, object]:
        return {name: json.dumps(ranges)}

    def locked(self, rows: sa.Select[*tuple[Any, ...]]) -> sa.Select[*tuple[Any, ...]]:
        """
        Return *rows* as they are: BEGIN IMMEDIATE holds all there is.
        """
        return rows

    def present_time(
        self, given: sa.BindParameter[datetime]
    ) -> sa.ColumnElement[datetime]:
        return given

    def exact_sum(self, count: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
        """
        Add up the halves of a count's bits: SQLite's own sum fails beyond 2**63.

        Few counts have an upper half, and to leave out the others is faster than to add
        their zeros.
        """
        number, lower_bits = sa.type_coerce(count, sa.Integer), 2**_LOW_BITS - 1
        upper = sa.func.sum(number.bitwise_rshift(_LOW_BITS)).filter(
            number > lower_bits
        )
        lower = sa.func.sum(number.bitwise_and(lower_bits))
        known = sa.func.coalesce(upper, 0)
        both = sa.type_coerce(known, sa.Text) + " " + sa.type_coerce(lower, sa.Text)
        return sa.type_coerce(both, WholeSum(_whole))

    def time_within(
        self, bucket: TimeBucket, time: sa.ColumnElement[datetime]
    ) -> sa.ColumnElement[datetime]:
        """
        Round down in whole numbers, and to the month by the calendar.

        A division rounds towards zero, so that times are counted from the first one.
        """
        seconds = 3_600 if bucket == "hour" else 86_400
        size = sa.literal_column(str(seconds * 1_000_000), sa.Integer)
        since_first = sa.type_coerce(time, sa.Integer) - _FIRST_TIME
        start = since_first // size * size + _FIRST_TIME
        if bucket == "month":
            second = sa.literal_column("1000000", sa.Integer)
            form, *modifiers = (
                sa.literal_column(f"'{word}'", sa.Text) for word in _START_OF_MONTH
            )
            first_day = sa.func.strftime(form, start // second, *modifiers)
            start = sa.cast(first_day, sa.Integer) * second
        return sa.type_coerce(start, MicrosecondTime())

    def are_among(self, keys: Collection[tuple[str, int]]) -> sa.ColumnElement[bool]:
        """
        Look the rows up by both columns: compared as pairs, only the first would serve.
        """
        key = sa.func.json_each(json.dumps(list(keys))).table_valued("value").c.value
        event = events.alias("event")
        position = sa.literal_column("event.position", sa.Integer)
        chosen = sa.select(position).where(
            event.c.session_id == sa.func.json_extract(key, "$[0]"),
            event.c.sequence_number == sa.func.json_extract(key, "$[1]"),
        )
        return sa.literal_column("asm_events.position", sa.Integer).in_(chosen)

    async def integrity_faults(self, conn: AsyncConnection) -> list[tuple[str, str]]:
        """
        Ask for the thorough check: the quick one does not compare indexes with tables.

        Where the journal is no write-ahead log, writers wait until it is done.
        """
        found = await conn.exec_driver_sql("PRAGMA main.integrity_check(100)")
        return [("main", line) for (line,) in found if line != "ok"]

    async def weak_settings(self, conn: AsyncConnection) -> list[tuple[str, str]]:
        """
        Look at this connection's settings; a database without a file promises nothing.
        """
        databases = await conn.exec_driver_sql("PRAGMA database_list")
        if not next(row.file for row in databases if row.name == "main"):
            return []
        synchronous = await _pragma(conn, "synchronous")
        journal = str(await _pragma(conn, "journal_mode"))
        found: list[tuple[str, str]] = []
        if int(synchronous) < _SYNCHRONOUS_FULL:
            level = ("OFF", "NORMAL")[int(synchronous)]
            found.append(("synchronous", f"synchronous is {level}: {UNDONE}"))
        if journal != "wal":
            found.append(("journal_mode", not_in_wal(journal)))
        return found

    def without_index(self, column: sa.ColumnElement[T]) -> sa.ColumnElement[T]:
        """
        Put a plus before it, which keeps SQLite from using an index of it.

        It knows nothing of the values until somebody runs ANALYZE, and then not which
        of them are frequent.
        """
        plus: custom_op[Any] = custom_op("+")
        return sa.UnaryExpression(column, operator=plus, type_=column.type)

    async def force_custom_plan(self, conn: AsyncConnection) -> None:
        """
        Do nothing: SQLite makes the same plan for all values.
        """


async def _pragma(conn: AsyncConnection, name: str) -> Any:
    return (await conn.exec_driver_sql(f"PRAGMA main.{name}")).scalar_one()


async def _roll_back_in_sql(conn: AsyncConnection) -> None:
    if _is_in_transaction(await _driver_of(conn)):
        await conn.exec_driver_sql("ROLLBACK")


async def _check_file(conn: AsyncConnection, file: OpenFile) -> None:
    try:
        file.check()
    except StorageError:
        if file.is_stale:
            await conn.invalidate()
        raise


async def _driver_of(conn: AsyncConnection) -> object:
    raw = await conn.get_raw_connection()
    return raw.driver_connection


def _whole(text: str) -> int:
    upper, lower = text.split()
    return (int(upper) << _LOW_BITS) + int(lower)


def _is_in_transaction(driver: object) -> bool:
    return bool(getattr(driver, "in_transaction", False))
