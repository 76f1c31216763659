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
from typing import TypeAlias

from asm_async.sql.core.feed_timing import (
    OWN_COMMIT_GRACE,
    WATCH_INTERVAL,
    WATCHER_RETRY_PAUSE,
)
from asm_async.sql.dialects.feed import ChangeListener
from asm_async.values.checkpoint import Place

_LOG = logging.getLogger(__name__)

_Report: TypeAlias = Callable[[Mapping[str, int] | None, Place], None]
"""
Takes the latest numbers of sessions that have new events, None where some may have been
missed, and the place of the last event of all.
"""

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


async def watch(path: str, listener: ChangeListener) -> None:
    """
    Pass on what is committed to the file at *path*, until cancelled.
    """
    loop = asyncio.get_running_loop()
    must_stop, has_stopped = threading.Event(), asyncio.Event()

    def pass_on(numbers: Mapping[str, int] | None, newest: Place) -> None:
        if numbers is None:
            listener.notify_all()
        elif listener.is_writing():
            # It may be what this process itself is about to publish.
            loop.call_later(OWN_COMMIT_GRACE, pass_on_now, numbers, newest)
        else:
            pass_on_now(numbers, newest)

    def pass_on_now(numbers: Mapping[str, int], newest: Place) -> None:
        listener.on_remote_commit(numbers, newest)
        listener.on_unknown_change()

    def report(numbers: Mapping[str, int] | None, newest: Place) -> None:
        # In a loop that was closed nobody waits any more.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(pass_on, numbers, newest)

    def run() -> None:
        try:
            while not must_stop.is_set():
                try:
                    with closing(_open(path)) as connection:
                        _look(connection, must_stop, listener, report)
                except sqlite3.Error as error:
                    _LOG.debug("the file is watched on a new connection: %r", error)
                must_stop.wait(WATCHER_RETRY_PAUSE)
        finally:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(has_stopped.set)

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
    listener: ChangeListener,
    report: _Report,
) -> None:
    version = connection.execute("PRAGMA data_version").fetchone()
    newest = _latest(connection)
    # What was committed before this moment will not be seen as a change.
    report(None, (0, newest))
    reported: dict[str, int] = {}
    while not must_stop.wait(WATCH_INTERVAL):
        now = connection.execute("PRAGMA data_version").fetchone()
        if now == version:
            continue
        version = now
        before, newest = newest, _latest(connection)
        followed = listener.followed_sessions()
        numbers = _numbers(connection, before, newest, followed)
        # A number is reported once: no follower may ever see it, since its event may
        # have been pruned.
        new = {id_: last for id_, last in numbers.items() if reported.get(id_) != last}
        reported = {id_: reported[id_] for id_ in reported.keys() & followed} | new
        report(new, (0, newest))


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
