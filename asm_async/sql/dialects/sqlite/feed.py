"""
The feed on SQLite: writers come one after the other, so that positions are in order.

SQLite tells nobody of a commit, so one has to look; from a plain thread, since an
aiosqlite hop costs more than the look itself.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.fronts.log_records import LogThrottle
from asm_async.sql.core.column_types import utc_time
from asm_async.sql.core.feed_timing import (
    OWN_COMMIT_GRACE,
    WATCH_INTERVAL,
    WATCHER_RETRY_PAUSE,
    WATCHER_STOP_TIMEOUT,
)
from asm_async.sql.dialects.feed import Connect, FeedDialect, Read
from asm_async.sql.dialects.sqlite.forks import new_gate
from asm_async.sql.notifications.hub import NotificationHub
from asm_async.values.checkpoint import Place

_LOG = logging.getLogger(__name__)

_BLIND = (
    "the file cannot be watched, and followers look for events every poll_interval"
    " until then: %r"
)

# Once a second or so.
_LOOKS_PER_FILE_CHECK = 64

# Of SQLite's virtual machine: some tenth of a millisecond.
_STEPS_PER_STOP_CHECK = 10_000

_LATEST = "SELECT seq FROM sqlite_sequence WHERE name = 'asm_events'"

# Each finds one row: for every further one the thread would have to get the lock of the
# interpreter again. The plus keeps SQLite from going through the index by session, that
# is through the whole log.
_NEW_EVENTS = """
    SELECT json_group_object(session_id, number)
    FROM (
        SELECT session_id, max(sequence_number) AS number
        FROM asm_events WHERE position > ? GROUP BY +session_id
    )
"""
_COUNTERS = """
    SELECT json_group_object(session_id, last_sequence)
    FROM asm_session_sequences WHERE session_id IN (SELECT value FROM json_each(?))
"""


_POSITION = sa.bindparam("position", type_=sa.Integer())


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
    behind: ClassVar[sa.ColumnElement[bool]] = position > _POSITION
    at: ClassVar[sa.ColumnElement[bool]] = position == _POSITION
    from_there: ClassVar[sa.ColumnElement[bool]] = position > _POSITION - 1
    is_as_written: ClassVar[sa.ColumnElement[bool]] = is_below_horizon
    is_misplaced: ClassVar[sa.ColumnElement[bool]] = sa.literal_column("0", sa.Boolean)
    may_lag: ClassVar[sa.ColumnElement[bool]] = sa.literal_column("0", sa.Boolean)

    def parameters(self, place: Place) -> dict[str, Any]:
        return {"position": place[1]}

    def end(self) -> sa.Select[*tuple[Any, ...]]:
        """
        Select the position after the last one that was given out.
        """
        return sa.select(
            sa.literal_column("0", sa.Integer).label("next_transaction"),
            sa.literal_column(
                "1 + coalesce("
                "(SELECT seq FROM sqlite_sequence WHERE name = 'asm_events'), 0)",
                sa.Integer,
            ).label("next_position"),
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
        self, connect: Connect, read: Read, hub: NotificationHub, origin: str
    ) -> None:

        async def find(conn: AsyncConnection) -> str:
            files = await conn.execute(sa.text("PRAGMA database_list"))
            return next((row.file for row in files if row.name == "main"), "")

        if path := await read(find):
            await _watch(path, hub)


async def _watch(path: str, hub: NotificationHub) -> None:
    loop = asyncio.get_running_loop()
    watcher = _Watcher(path, hub, loop)
    watcher.thread.start()
    try:
        await watcher.has_stopped.wait()
    finally:
        watcher.stop()
        # A loop that was closed waits for nothing; its watcher sees that by itself.
        if not loop.is_closed():
            # The loop goes on meanwhile: a look may be in a long statement.
            with suppress(TimeoutError):
                async with asyncio.timeout(WATCHER_STOP_TIMEOUT):
                    await watcher.has_stopped.wait()
                # It was in its last line when it said so.
                watcher.thread.join()


class _Watcher:
    """
    A thread that looks whether the file has changed, until it is told to stop.
    """

    def __init__(
        self, path: str, hub: NotificationHub, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._path = path
        self._hub = hub
        self._loop = loop
        self._gate = new_gate()
        self._must_stop = threading.Event()
        self._log_throttle = LogThrottle()
        self.has_stopped: asyncio.Event = asyncio.Event()
        self.thread: threading.Thread = threading.Thread(
            target=self._run, name="asm_async-watcher", daemon=True
        )

    def stop(self) -> None:
        """
        Have it stop soon, whatever it is doing.
        """
        self._must_stop.set()

    def _call(self, function: Callable[..., object], *args: object) -> None:
        # In a loop that was closed nobody waits any more.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *args)

    def _must_end(self, after: float) -> bool:
        """
        Wait, and return whether it was told to stop, or its loop was closed untold.
        """
        # Now the process may fork.
        self._gate.release()
        try:
            return self._must_stop.wait(after) or self._loop.is_closed()
        finally:
            self._gate.acquire()

    def _run(self) -> None:
        with self._gate:
            self._watch()

    def _watch(self) -> None:
        try:
            while not self._must_end(0):
                try:
                    with closing(_open(self._path)) as connection:
                        # An interrupt misses a statement that has not begun yet.
                        connection.set_progress_handler(
                            self._must_stop.is_set, _STEPS_PER_STOP_CHECK
                        )
                        self._look(connection)
                except Exception as error:  # noqa: BLE001 - followers depend on the thread
                    # What was interrupted so that it stops has not failed.
                    if not self._must_stop.is_set():
                        self._log_throttle.log(_LOG, logging.WARNING, _BLIND, error)
                self._must_end(WATCHER_RETRY_PAUSE)
        finally:
            self._call(self.has_stopped.set)

    def _look(self, connection: sqlite3.Connection) -> None:
        """
        Look until told to stop, or another file is in the place of this one.
        """
        file, looks = _file_at(self._path), 0
        version = connection.execute("PRAGMA data_version").fetchone()
        newest = _latest(connection)
        self._log_throttle.end(_LOG, "the file is watched again", of=_BLIND)
        # What was committed before this moment will not be seen as a change.
        self._call(self._hub.notify_all)
        reported: dict[str, int] = {}
        while not self._must_end(WATCH_INTERVAL):
            looks += 1
            if looks % _LOOKS_PER_FILE_CHECK == 0 and _file_at(self._path) != file:
                # Another one was put in its place, which this connection does not see.
                _LOG.warning("%s: another file has taken its place", self._path)
                return
            now = connection.execute("PRAGMA data_version").fetchone()
            if now == version:
                continue
            version = now
            before, newest = newest, _latest(connection)
            followed = self._hub.followed_sessions()
            numbers = _numbers(connection, before, newest, followed)
            # A number is reported once: no follower may ever see it, since its event
            # may have been pruned.
            new = {id_: at for id_, at in numbers.items() if reported.get(id_) != at}
            reported = {id_: reported[id_] for id_ in reported.keys() & followed} | new
            self._call(_report, self._hub, new, (0, newest))


def _open(path: str) -> sqlite3.Connection:
    """
    Open the file, which must be there, for a connection that never writes.

    It must not: its own commits would be hidden from it by ``PRAGMA data_version``.
    """
    uri = f"{Path(path).absolute().as_uri()}?mode=rw"
    connection = sqlite3.connect(
        uri, timeout=WATCHER_RETRY_PAUSE, uri=True, isolation_level=None
    )
    connection.execute("PRAGMA query_only = ON")
    return connection


def _file_at(path: str) -> tuple[int, int]:
    status = Path(path).stat()
    return status.st_dev, status.st_ino


def _report(hub: NotificationHub, numbers: Mapping[str, int], newest: Place) -> None:
    if hub.is_writing():
        # It may be what this process itself is about to publish.
        loop = asyncio.get_running_loop()
        loop.call_later(OWN_COMMIT_GRACE, _report_now, hub, numbers, newest)
    else:
        _report_now(hub, numbers, newest)


def _report_now(
    hub: NotificationHub, numbers: Mapping[str, int], newest: Place
) -> None:
    hub.on_remote_commit(numbers, newest)
    hub.on_unknown_change()


def _latest(connection: sqlite3.Connection) -> int:
    return int((connection.execute(_LATEST).fetchone() or (0,))[0])


def _numbers(
    connection: sqlite3.Connection, before: int, newest: int, followed: Collection[str]
) -> dict[str, int]:
    """
    Find the latest number of each session that has new events and is followed.

    Where fewer are followed than there are new events, their counters tell sooner.
    """
    if newest == before or not followed:
        return {}
    if len(followed) < newest - before:
        found = connection.execute(_COUNTERS, (json.dumps(list(followed)),))
    else:
        found = connection.execute(_NEW_EVENTS, (before,))
    return dict(json.loads(found.fetchone()[0]))
