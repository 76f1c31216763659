"""
A log of any size, filled in bounded steps, made by the database itself.

Its events are those by which the growth of a log is reckoned: 291 bytes of data, ids of
36 characters in the order of time, a run for each session. 2,000 sessions are under way
at any moment, and each ends with its hundredth event.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from hashlib import md5
from time import perf_counter
from typing import Final

import asyncpg

from asm_async.values.event import EventType
from benchmarks.databases import Place

__all__ = [
    "EVENTS_PER_SESSION",
    "SESSIONS_AT_ONCE",
    "grow",
    "payload",
    "removal",
    "session_id",
]

SESSIONS_AT_ONCE: Final = 2_000
EVENTS_PER_SESSION: Final = 100
_GENERATION: Final = SESSIONS_AT_ONCE * EVENTS_PER_SESSION

_STEP: Final = 50_000
_DATA_BYTES: Final = 291
_TYPES: Final = [str(each) for each in list(EventType)[:7]]

_EPOCH_MICROSECONDS: Final = 1_767_225_600_000_000

# One generation of sessions after the other; numbers are filled in, since a parameter
# would be one for a statement that is not prepared.
_SESSIONS = """
    INSERT INTO asm_sessions (
        id, agent_id, status, metadata, context, tags, created_at, updated_at, revision
    )
    SELECT 'ses_' || lpad(to_hex(n), 12, '0') || substr(md5(n::text), 1, 20),
        'agent_' || n % 20, 'pending', '{{}}', '{{}}', '[]', moment, moment, 1
    FROM (
        SELECT n, TIMESTAMPTZ '2026-01-01' + n * INTERVAL '0.1 s' AS moment
        FROM generate_series({first}, {last}) AS n
    ) AS new
"""
_GATES = """
    INSERT INTO asm_session_sequences
        (session_id, last_sequence, pruned_count, state, updated_at, active_until)
    SELECT id, {each}, 0, 'live', created_at, created_at + INTERVAL '1 minute'
    FROM asm_sessions
    WHERE id BETWEEN 'ses_' || lpad(to_hex({first}), 12, '0')
        AND 'ses_' || lpad(to_hex({last}), 12, '0') || '~'
"""
_EVENTS = """
    INSERT INTO asm_events (
        session_id, sequence_number, id, type, timestamp, run_id, data, metadata,
        schema_version
    )
    SELECT 'ses_' || owner, number, 'evt_' || lpad(to_hex(n), 12, '0') || digits,
        (ARRAY['{types}'])[1 + n % {type_count}],
        TIMESTAMPTZ '2026-01-01' + n * INTERVAL '0.001 s',
        'run_' || owner,
        ('{{"text":"' || rpad(digits, {text_bytes}, digits) || '"}}')::json, '{{}}', 1
    FROM (
        SELECT n, (n % {generation}) / {at_once} + 1 AS number,
            substr(md5(n::text), 1, 20) AS digits,
            lpad(to_hex(of_session), 12, '0')
                || substr(md5(of_session::text), 1, 20) AS owner
        FROM (
            SELECT n, n / {generation} * {at_once} + n % {at_once} AS of_session
            FROM generate_series({first}::bigint, {last}::bigint) AS n
        ) AS placed
        ORDER BY n
    ) AS new
"""


def payload(text_of: str) -> dict[str, str]:
    """
    Return data that is 291 bytes of JSON.
    """
    empty = len(json.dumps({"text": ""}, separators=(",", ":")))
    return {"text": (text_of * _DATA_BYTES)[: _DATA_BYTES - empty]}


def session_id(number: int) -> str:
    """
    Return the id of a session of the log.
    """
    return f"ses_{_owner(number)}"


def removal() -> str:
    """
    Return a statement that removes the oldest 200,000 events, as retention would.
    """
    first_kept = session_id(SESSIONS_AT_ONCE)
    return f"DELETE FROM asm_events WHERE session_id < '{first_kept}'"  # noqa: S608 - ours


async def grow(place: Place, size: int, *, pause: float) -> float:
    """
    Let an empty log have *size* events, and return the seconds without the pauses.

    Args:
        place: A database that has the tables.

        size: How many events, rounded down to generations of 200,000.

        pause: How long, in seconds, to leave the machine to others after each step.
    """
    fill = _grow_sqlite if place.database == "sqlite" else _grow_postgresql
    begun = perf_counter()
    await fill(place, size // _GENERATION, pause)
    return perf_counter() - begun - pause * (size // _STEP)


async def _grow_postgresql(place: Place, generations: int, pause: float) -> None:
    conn = await asyncpg.connect(place.location, timeout=60)
    for generation in range(generations):
        sessions = {
            "first": generation * SESSIONS_AT_ONCE,
            "last": (generation + 1) * SESSIONS_AT_ONCE - 1,
        }
        await conn.execute(_SESSIONS.format(**sessions))
        await conn.execute(_GATES.format(**sessions, each=EVENTS_PER_SESSION))
        for start in range(
            generation * _GENERATION, (generation + 1) * _GENERATION, _STEP
        ):
            statement = _EVENTS.format(
                first=start,
                last=start + _STEP - 1,
                types="', '".join(_TYPES),
                type_count=len(_TYPES),
                text_bytes=len(payload("x")["text"]),
                generation=_GENERATION,
                at_once=SESSIONS_AT_ONCE,
            )
            await conn.execute(statement)
            await asyncio.sleep(pause)
    await conn.close()


def _owner(number: int) -> str:
    return f"{number:012x}{_digits(number)}"


def _digits(number: int) -> str:
    return md5(str(number).encode(), usedforsecurity=False).hexdigest()[:20]


def _sqlite_sessions(numbers: range) -> Iterator[tuple[object, ...]]:
    for n in numbers:
        moment = _EPOCH_MICROSECONDS + n * 100_000
        texts = f"ses_{_owner(n)}", f"agent_{n % 20}", "pending", "{}", "{}", "[]"
        yield *texts, moment, moment, 1


def _sqlite_gates(numbers: range) -> Iterator[tuple[object, ...]]:
    for n in numbers:
        moment = _EPOCH_MICROSECONDS + n * 100_000
        yield f"ses_{_owner(n)}", EVENTS_PER_SESSION, moment, moment + 60_000_000


def _sqlite_events(numbers: range) -> Iterator[tuple[object, ...]]:
    for n in numbers:
        generation, within = divmod(n, _GENERATION)
        place, which = divmod(within, SESSIONS_AT_ONCE)
        owner, digits = _owner(generation * SESSIONS_AT_ONCE + which), _digits(n)
        data = json.dumps(payload(digits), separators=(",", ":"))
        names = f"ses_{owner}", place + 1, f"evt_{n:012x}{digits}"
        kind, moment = _TYPES[n % len(_TYPES)], _EPOCH_MICROSECONDS + n * 1_000
        yield *names, kind, moment, f"run_{owner}", data


async def _grow_sqlite(place: Place, generations: int, pause: float) -> None:
    with closing(sqlite3.connect(place.location, isolation_level=None)) as conn:
        conn.execute("PRAGMA cache_size = -262144")
        for generation in range(generations):
            start = generation * SESSIONS_AT_ONCE
            numbers = range(start, start + SESSIONS_AT_ONCE)
            conn.execute("BEGIN IMMEDIATE")
            conn.executemany(
                "INSERT INTO asm_sessions (id, agent_id, status, metadata, context,"
                " tags, created_at, updated_at, revision)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                _sqlite_sessions(numbers),
            )
            conn.executemany(
                "INSERT INTO asm_session_sequences (session_id, last_sequence,"
                " pruned_count, state, updated_at, active_until)"
                " VALUES (?, ?, 0, 'live', ?, ?)",
                _sqlite_gates(numbers),
            )
            conn.execute("COMMIT")
            for step in range(
                generation * _GENERATION, (generation + 1) * _GENERATION, _STEP
            ):
                conn.execute("BEGIN IMMEDIATE")
                conn.executemany(
                    "INSERT INTO asm_events (session_id, sequence_number, id, type,"
                    " timestamp, run_id, data, metadata, schema_version)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, '{}', 1)",
                    _sqlite_events(range(step, step + _STEP)),
                )
                conn.execute("COMMIT")
                await asyncio.sleep(pause)
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
