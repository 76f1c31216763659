"""
A thread that sees what other processes write to an SQLite file.

SQLite tells nobody, so one has to look; from a plain thread, since an aiosqlite hop
costs more than the look itself.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import closing, suppress
from pathlib import Path

from asm_async.sql.core.feed_timing import (
    OWN_COMMIT_GRACE,
    WATCH_INTERVAL,
    WATCHER_RETRY_PAUSE,
)
from asm_async.sql.notifications.hub import NotificationHub
from asm_async.values.checkpoint import Place

_LOG = logging.getLogger(__name__)

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


async def watch(path: str, hub: NotificationHub) -> None:
    """
    Pass on what is committed to the file at *path*, until cancelled.
    """
    loop = asyncio.get_running_loop()
    must_stop, has_stopped = threading.Event(), asyncio.Event()

    def call(function: Callable[..., object], *args: object) -> None:
        # In a loop that was closed nobody waits any more.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(function, *args)

    def run() -> None:
        try:
            while not must_stop.is_set():
                try:
                    with closing(_open(path)) as connection:
                        _look(connection, must_stop, hub, call)
                except sqlite3.Error as error:
                    _LOG.debug("the file is watched on a new connection: %r", error)
                must_stop.wait(WATCHER_RETRY_PAUSE)
        finally:
            call(has_stopped.set)

    thread = threading.Thread(target=run, name="asm_async-watcher", daemon=True)
    thread.start()
    try:
        await has_stopped.wait()
    finally:
        must_stop.set()
        thread.join()


def _open(path: str) -> sqlite3.Connection:
    """
    Open the file, which must be there, for a connection that never writes.

    It must not: its own commits would be hidden from it by ``PRAGMA data_version``.
    """
    uri = f"{Path(path).absolute().as_uri()}?mode=rw"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _look(
    connection: sqlite3.Connection,
    must_stop: threading.Event,
    hub: NotificationHub,
    call: Callable[..., object],
) -> None:
    version = connection.execute("PRAGMA data_version").fetchone()
    newest = _latest(connection)
    # What was committed before this moment will not be seen as a change.
    call(hub.notify_all)
    reported: dict[str, int] = {}
    while not must_stop.wait(WATCH_INTERVAL):
        now = connection.execute("PRAGMA data_version").fetchone()
        if now == version:
            continue
        version = now
        before, newest = newest, _latest(connection)
        followed = hub.followed_sessions()
        numbers = _numbers(connection, before, newest, followed)
        # A number is reported once: no follower may ever see it, since its event
        # may have been pruned.
        new = {id_: at for id_, at in numbers.items() if reported.get(id_) != at}
        reported = {id_: reported[id_] for id_ in reported.keys() & followed} | new
        call(_report, hub, new, (0, newest))


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
