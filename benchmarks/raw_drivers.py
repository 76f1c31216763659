"""
The limit: the drivers alone, writing the store's tables with the fewest calls.

Each appends a group in one transaction, counts in the same table, encodes every event
with ``json.dumps`` and knows the numbers afterwards. What a store does beyond that (the
checks, duplicates, locks between processes, values) is left out.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeAlias

import aiosqlite
import asyncpg

from asm_async import EventType, Session, open_store
from benchmarks.contenders import Contender, Maker, run_name, session_name
from benchmarks.databases import Database, Place
from benchmarks.filling import microseconds
from benchmarks.payloads import JSONObject

__all__ = ["RawPostgreSQL", "RawSQLite", "SQLiteBehindHop", "raw_driver", "raw_drivers"]

Batch: TypeAlias = list[tuple[str, datetime, JSONObject]]

_TYPE = str(EventType.MESSAGE_RECEIVED)

_SQLITE_COUNT = """
    UPDATE asm_session_sequences SET last_sequence = last_sequence + ?, updated_at = ?
    WHERE session_id = ? RETURNING last_sequence
"""
_SQLITE_INSERT = """
    INSERT INTO asm_events (
        session_id, sequence_number, id, type, timestamp, run_id, data, metadata,
        schema_version
    ) VALUES (?, ?, ?, ?, ?, ?, ?, '{}', 1)
"""
_POSTGRESQL_APPEND = """
    WITH gate AS (
        UPDATE asm_session_sequences AS old
        SET last_sequence = old.last_sequence + added.number, updated_at = now()
        FROM unnest($1::text[], $2::bigint[]) AS added (session_id, number)
        WHERE old.session_id = added.session_id
        RETURNING old.session_id, old.last_sequence, added.number
    ),
    inserted AS (
        INSERT INTO asm_events (
            session_id, sequence_number, id, type, timestamp, run_id, data, metadata,
            schema_version
        )
        SELECT
            new.session_id, gate.last_sequence - gate.number + new.place, new.id,
            new.type, new.timestamp, new.run_id, new.data::json, '{}', 1
        FROM unnest(
            $3::text[], $4::bigint[], $5::text[], $6::text[], $7::timestamptz[],
            $8::text[], $9::text[]
        ) AS new (session_id, place, id, type, timestamp, run_id, data)
        JOIN gate ON gate.session_id = new.session_id
    )
    SELECT session_id, last_sequence FROM gate
"""
_SELECT = """
    SELECT
        id, type, timestamp, session_id, run_id, sequence_number, data, metadata,
        schema_version, provider, correlation_id
    FROM asm_events WHERE session_id = {place} ORDER BY sequence_number {rest}
"""


def _new_event_id() -> str:
    """
    Make an id that grows with time, as the store's do.
    """
    return f"evt_{time.time_ns() // 1_000_000:012x}{os.urandom(10).hex()}"


class _RawDriver(Contender):
    """
    What both have in common.
    """

    name = "raw driver"
    kind = "raw"
    has_batches = True
    appends_in_groups = True

    def prepare(self, agent: int, data: Sequence[JSONObject]) -> tuple[int, Batch]:
        """
        Mint the ids and take the times, in no value of the package.
        """
        return agent, [(_new_event_id(), datetime.now(UTC), one) for one in data]

    async def add_sessions(self, agents: Sequence[int]) -> None:
        """
        Save the sessions, and the tables if there are none, by the store.
        """
        async with open_store(self.place.url, migrate=True) as store:
            for agent in agents:
                session = Session.new(agent_id="bench", id=session_name(agent))
                await store.save_session(session)


class RawSQLite(_RawDriver):
    """
    The module ``sqlite3`` in the loop's own thread: no hop.
    """

    async def open(self) -> None:
        """
        Connect as the store does: WAL, each commit synced.
        """
        self._conn = sqlite3.connect(self.place.location, isolation_level=None)
        _set_up(self._conn)
        self._exits.callback(self._conn.close)

    async def append_to_each(
        self, agents: Sequence[int], data: Sequence[JSONObject]
    ) -> None:
        """
        Count once for each session and insert all rows at once.
        """
        _append_to_each(self._conn, agents, data)

    async def append_batch(self, batch: tuple[int, Batch]) -> None:
        """
        Count once and insert all rows at once.
        """
        agent, events = batch
        name, number, now = session_name(agent), len(events), datetime.now(UTC)
        self._conn.execute("BEGIN IMMEDIATE")
        parameters = number, microseconds(now), name
        ((last,),) = self._conn.execute(_SQLITE_COUNT, parameters).fetchall()
        run = run_name(agent)
        rows = [
            (name, place, id_, _TYPE, microseconds(time), run, json.dumps(data))
            for place, (id_, time, data) in enumerate(events, last - number + 1)
        ]
        self._conn.executemany(_SQLITE_INSERT, rows)
        self._conn.execute("COMMIT")

    async def read(self, agent: int, last: int | None = None) -> int:
        """
        Fetch all rows and decode their JSON.
        """
        rest = "" if last is None else f"DESC LIMIT {last}"
        query = _SELECT.format(place="?", rest=rest)
        rows = self._conn.execute(query, (session_name(agent),)).fetchall()
        return len([(row, json.loads(row[6]), json.loads(row[7])) for row in rows])


def _set_up(conn: sqlite3.Connection) -> None:
    conn.execute("PRAGMA journal_mode=WAL")
    conn.execute("PRAGMA synchronous=FULL")
    conn.execute("PRAGMA wal_autocheckpoint=4000")


def _append_to_each(
    conn: sqlite3.Connection, agents: Sequence[int], data: Sequence[JSONObject]
) -> None:
    now = microseconds(datetime.now(UTC))
    rows: list[tuple[Any, ...]] = []
    conn.execute("BEGIN IMMEDIATE")
    for agent, one in zip(agents, data, strict=True):
        name = session_name(agent)
        ((number,),) = conn.execute(_SQLITE_COUNT, (1, now, name)).fetchall()
        texts = run_name(agent), json.dumps(one)
        rows.append((name, number, _new_event_id(), _TYPE, now, *texts))
    conn.executemany(_SQLITE_INSERT, rows)
    conn.execute("COMMIT")


class SQLiteBehindHop(_RawDriver):
    """
    The same statements in the thread of an aiosqlite connection: one hop a group.
    """

    name = "raw driver behind one hop"
    kind = "hop"
    has_batches = False

    async def open(self) -> None:
        """
        Connect as the driver alone does.
        """
        conn = aiosqlite.connect(self.place.location, isolation_level=None)
        self._aiosqlite = await self._exits.enter_async_context(conn)
        await self._in_thread(_set_up)

    async def append_to_each(
        self, agents: Sequence[int], data: Sequence[JSONObject]
    ) -> None:
        """
        Do all of it in one visit to the thread.
        """
        await self._in_thread(_append_to_each, agents, data)

    async def _in_thread(self, function: Any, *arguments: Any) -> None:
        conn = self._aiosqlite._conn  # noqa: SLF001 - no public call takes a function
        job = partial(function, conn, *arguments)
        await self._aiosqlite._execute(job)  # noqa: SLF001 - the same


class RawPostgreSQL(_RawDriver):
    """
    One connection of asyncpg, one prepared statement for a group.
    """

    async def open(self) -> None:
        """
        Connect.
        """
        self._conn = await asyncpg.connect(self.place.location)
        self._exits.push_async_callback(self._conn.close)

    async def append_to_each(
        self, agents: Sequence[int], data: Sequence[JSONObject]
    ) -> None:
        """
        Send one statement.
        """
        names, ones = [session_name(agent) for agent in agents], [1] * len(agents)
        columns = (
            [_new_event_id() for _ in names],
            [_TYPE] * len(names),
            [datetime.now(UTC)] * len(names),
            [run_name(agent) for agent in agents],
            [json.dumps(one) for one in data],
        )
        await self._conn.fetch(_POSTGRESQL_APPEND, names, ones, names, ones, *columns)

    async def append_batch(self, batch: tuple[int, Batch]) -> None:
        """
        Send one statement.
        """
        agent, events = batch
        name, number = session_name(agent), len(events)
        ids, times, data = zip(*events, strict=True)
        columns = (
            [name] * number,
            [*range(1, number + 1)],
            ids,
            [_TYPE] * number,
            times,
            [run_name(agent)] * number,
            [json.dumps(one) for one in data],
        )
        await self._conn.fetch(_POSTGRESQL_APPEND, [name], [number], *columns)

    async def read(self, agent: int, last: int | None = None) -> int:
        """
        Fetch all rows and decode their JSON.
        """
        rest = "" if last is None else f"DESC LIMIT {last}"
        query = _SELECT.format(place="$1", rest=rest)
        rows = await self._conn.fetch(query, session_name(agent))
        return len([(row, json.loads(row[6]), json.loads(row[7])) for row in rows])


def raw_driver(place: Place) -> Contender:
    """
    Choose the driver of *place*'s database.
    """
    return RawSQLite(place) if place.database == "sqlite" else RawPostgreSQL(place)


def raw_drivers(database: Database) -> list[Maker]:
    """
    Return all that append with *database*'s driver alone.
    """
    hops: list[Maker] = [SQLiteBehindHop] if database == "sqlite" else []
    return [raw_driver, *hops]
