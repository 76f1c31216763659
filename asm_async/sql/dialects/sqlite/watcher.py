"""
A thread that sees what other processes write to an SQLite file.

SQLite tells nobody, so somebody has to look; from a plain thread, since an aiosqlite
hop costs more than the look itself.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeAlias

from asm_async.sql.dialects.feed import ChangeListener
from asm_async.values.checkpoint import Place

__all__ = ["watch"]

Tell: TypeAlias = Callable[[Mapping[str, int] | None, Place], None]

_INTERVAL_SECONDS = 0.015
_BUSY_INTERVAL_SECONDS = 0.02
_PAUSE_SECONDS = 0.25
_OWN_NEWS_SECONDS = 0.005

_LATEST = "SELECT seq FROM sqlite_sequence WHERE name = 'asm_events'"

# Each is one row: for every further one the thread would wait for its turn again. The
# plus keeps SQLite from going through the index by session, that is the whole log.
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

    def hear(numbers: Mapping[str, int] | None, newest: Place) -> None:
        if numbers is None:
            listener.notify_all()
        elif listener.is_writing():
            # It may be what this process is about to tell by itself.
            loop.call_later(_OWN_NEWS_SECONDS, hear_now, numbers, newest)
        else:
            hear_now(numbers, newest)

    def hear_now(numbers: Mapping[str, int], newest: Place) -> None:
        listener.on_remote_commit(numbers, newest)
        listener.on_unknown_change()

    def tell(numbers: Mapping[str, int] | None, newest: Place) -> None:
        # A loop that was closed has nobody left who waits.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(hear, numbers, newest)

    def run() -> None:
        try:
            _watch(path, must_stop, listener, tell)
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


def _watch(
    path: str, must_stop: threading.Event, listener: ChangeListener, tell: Tell
) -> None:
    """
    Look, again and again; after an error, with a new connection.
    """
    while not must_stop.is_set():
        with suppress(sqlite3.Error), closing(_open(path)) as connection:
            _look(connection, must_stop, listener, tell)
        must_stop.wait(_PAUSE_SECONDS)


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
    tell: Tell,
) -> None:
    version = connection.execute("PRAGMA data_version").fetchone()
    newest = _latest(connection)
    # What was committed before this moment will not be seen as a change.
    tell(None, (0, newest))
    told: dict[str, int] = {}
    pause = _INTERVAL_SECONDS
    while not must_stop.wait(pause):
        now = connection.execute("PRAGMA data_version").fetchone()
        if now == version:
            pause = _INTERVAL_SECONDS
            continue
        version, pause = now, _BUSY_INTERVAL_SECONDS
        before, newest = newest, _latest(connection)
        followed = listener.followed_sessions()
        numbers = _numbers(connection, before, newest, followed)
        # What was told already is no news, though nobody may ever see that number: its
        # event may have been pruned.
        news = {id_: last for id_, last in numbers.items() if told.get(id_) != last}
        told = {id_: told[id_] for id_ in told.keys() & followed} | news
        tell(news, (0, newest))


def _latest(connection: sqlite3.Connection) -> int:
    return int((connection.execute(_LATEST).fetchone() or (0,))[0])


def _numbers(
    connection: sqlite3.Connection, before: int, newest: int, followed: Collection[str]
) -> dict[str, int]:
    """
    Give the latest number of each session that has new events and is followed.

    Where fewer are followed than there are new events, their counters tell sooner.
    """
    if newest == before or not followed:
        return {}
    if len(followed) < newest - before:
        found = connection.execute(_COUNTERS, (json.dumps(list(followed)),))
    else:
        found = connection.execute(_NEW_EVENTS, (before,))
    return dict(json.loads(found.fetchone()[0]))
