"""
The feed on PostgreSQL: by transaction id, as far as no older transaction is open.

Processes announce to each other what they wrote, and listen on a connection of their
own.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, ClassVar, cast

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.errors import StorageError
from asm_async.fronts.log_records import LogThrottle
from asm_async.sql.core.column_types import TransactionId, utc_time
from asm_async.sql.core.deadlines import pause_after
from asm_async.sql.core.error_translation import translated_errors
from asm_async.sql.core.feed_timing import LISTENER_PING_INTERVAL, LISTENER_TIMEOUT
from asm_async.sql.dialects.feed import Connect, FeedDialect, Read
from asm_async.sql.notifications.hub import NotificationHub
from asm_async.values.checkpoint import Place

_CHANNEL = "asm_events"

# PostgreSQL takes payloads of less than 8,000 bytes.
_MAX_BYTES = 7_900
_MAX_SESSIONS = 1_000

_LOG = logging.getLogger(__name__)

_DEAF = (
    "other processes cannot be listened to, and followers look for events every"
    " poll_interval until then: %r"
)

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

# It may be lost in a crash of the server, which no listener survives either. What is
# sent together is one transaction, and these are commands that nobody has to plan: with
# pg_notify it would cost the server three times as much.
_HASTY = "SET LOCAL synchronous_commit = off"
_NOTIFY = "; NOTIFY {}, {}"


_PLACE = sa.tuple_(
    sa.cast(
        sa.cast(sa.bindparam("transaction", type_=sa.Text()), sa.Text), TransactionId
    ),
    sa.bindparam("position", type_=sa.BigInteger()),
)

# Which transaction has really inserted a row, its system column says: another one than
# the event's own if it came from a dump.
_IS_AS_WRITTEN = "CAST(asm_events.transaction_id AS xid) = asm_events.xmin"

_NEXT_ID = "CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS TEXT) AS BIGINT)"

# That column has 32 bits, and tells how many transactions ago it was. If that one has a
# smaller id than the event claims, so may have those that append next. Where a table
# was written again by maintenance it has a greater one, and the order is as it was.
_IS_MISPLACED = f"""
    {_IS_AS_WRITTEN} IS FALSE
    AND CAST(CAST(asm_events.transaction_id AS TEXT) AS BIGINT) > {_NEXT_ID} - mod(
        {_NEXT_ID} - CAST(CAST(asm_events.xmin AS TEXT) AS BIGINT) + {2**32},
        CAST({2**32} AS BIGINT)
    )
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

    behind: ClassVar[sa.ColumnElement[bool]] = sa.tuple_(*order) > _PLACE
    at: ClassVar[sa.ColumnElement[bool]] = sa.tuple_(*order) == _PLACE
    from_there: ClassVar[sa.ColumnElement[bool]] = sa.tuple_(*order) >= _PLACE
    is_as_written: ClassVar[sa.ColumnElement[bool]] = sa.literal_column(
        _IS_AS_WRITTEN, sa.Boolean
    )
    is_misplaced: ClassVar[sa.ColumnElement[bool]] = sa.literal_column(
        _IS_MISPLACED, sa.Boolean
    )
    may_lag: ClassVar[sa.ColumnElement[bool]] = sa.literal_column(
        "pg_is_in_recovery()", sa.Boolean
    )

    def parameters(self, place: Place) -> dict[str, Any]:
        return {"transaction": str(place[0]), "position": place[1]}

    def end(self) -> sa.Select[*tuple[Any, ...]]:
        """
        Select the transaction id that is given out next.
        """
        return sa.select(
            sa.literal_column(_NEXT_ID, sa.BigInteger).label("next_transaction"),
            sa.literal_column("0", sa.BigInteger).label("next_position"),
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
        notes = [
            _NOTIFY.format(_CHANNEL, _literal(payload))
            for payload in payloads_of(origin, session_ids)
        ]
        await driver.execute("".join([_HASTY, *notes]))

    def abandon(self, driver: Any) -> None:
        driver.terminate()

    async def listen(
        self, connect: Connect, read: Read, hub: NotificationHub, origin: str
    ) -> None:
        throttle = LogThrottle()
        is_told = False
        for failures in itertools.count(1):
            try:
                # A standby allows no LISTEN, and each attempt would be an error in its
                # log: until it is promoted, followers see events by their looks.
                while await read(_is_standby):
                    if not is_told:
                        _LOG.warning(
                            "nothing can be listened for on a standby: followers look"
                            " for events every poll_interval"
                        )
                    is_told = True
                    await asyncio.sleep(LISTENER_PING_INTERVAL)
                with translated_errors():
                    await _listen_once(connect, hub, origin, throttle)
            except (StorageError, TimeoutError) as error:
                throttle.log(_LOG, logging.WARNING, _DEAF, error)
            await asyncio.sleep(pause_after(failures))


async def _is_standby(conn: AsyncConnection) -> bool:
    found = await conn.scalar(sa.text("SELECT pg_is_in_recovery()"))
    return bool(found)


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


async def _listen_once(
    connect: Connect, hub: NotificationHub, origin: str, throttle: LogThrottle
) -> None:

    def receive(_connection: object, _pid: int, _channel: str, payload: str) -> None:
        session_ids = announced_sessions(payload, origin)
        if session_ids is None:
            hub.notify_all()
        else:
            hub.on_announcement(session_ids)

    def on_loss(_connection: object) -> None:
        is_lost.set()

    is_lost = asyncio.Event()
    async with _own_connection(connect) as driver:
        driver.add_termination_listener(on_loss)
        await driver.add_listener(_CHANNEL, receive)
        throttle.end(_LOG, "other processes are listened to again", of=_DEAF)
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
async def _own_connection(connect: Connect) -> AsyncGenerator[Any]:
    """
    Make a connection as the pool makes its own, and take it out of the pool.
    """
    clock = asyncio.get_running_loop().time
    conn = await connect(clock() + LISTENER_TIMEOUT)
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
