"""
Measure what a growing log costs: ``python -m benchmarks.growth``, from ten minutes on.

A log is filled to each size by the database itself, with pauses. At each size 32 agents
append to 2,000 new sessions through the store; what counts is bytes, of the disk and of
PostgreSQL's log, which other work on the machine does not change. Rates and times are
rough, and only tell whether something grows with the log. In the end the oldest 200,000
events are removed, and vacuumed away.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from statistics import median, quantiles
from time import perf_counter
from typing import Any

import asyncpg
import attrs
from rich.console import Console
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.sql import SQLQueryAPI, SQLSessionStore, create_engine, migrations
from asm_async.values.event import Event, EventType
from asm_async.values.ids import new_run_id
from asm_async.values.session import Session
from benchmarks.databases import (
    DATABASES,
    Database,
    Databases,
    Place,
    add_directory_option,
    databases_on_disk,
)
from benchmarks.growth_history import (
    EVENTS_PER_SESSION,
    SESSIONS_AT_ONCE,
    grow,
    payload,
    removal,
    session_id,
)

_AGENTS = 32
_TYPES = list(EventType)[:7]

_SIZES = """
    SELECT sum(pg_relation_size(oid)) FILTER (WHERE relkind IN ('r', 't')) AS heap,
        sum(pg_relation_size(oid)) FILTER (WHERE relkind = 'i') AS indexes
    FROM pg_class
    WHERE relname ~ '^(ix_|uq_)?asm_events'
"""
_POSITION = "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"


@attrs.define(kw_only=True)
class Measured:
    """
    What was found of a log of one size; bytes are bytes an event.
    """

    events: int
    heap: float
    indexes: float
    filled: float = 0
    """
    Events a second that the database itself filled in.
    """

    wal: float = 0
    """
    Of the appends through the store, from a checkpoint on.
    """

    vacuum_wal: float = 0
    """
    Of the first vacuum of what was filled in, also from a checkpoint on.
    """

    vacuum_seconds: float = 0
    rate: float = 0
    append: float = 0
    """
    Milliseconds of an append: the median.
    """

    slow_append: float = 0
    """
    The slowest hundredth of the appends takes longer.
    """

    page: float = 0
    """
    Milliseconds of the latest 50 events, by time; the fastest of twenty.
    """

    typed_page: float = 0
    """
    The same of one type.
    """

    last: float = 0
    """
    The last 50 events of a session.
    """

    old: float = 0
    """
    All hundred events of sessions from all over the log; the median of two hundred.
    """

    removal_wal: float = 0
    """
    Of an event that is removed, with the vacuum after it.
    """

    removal_seconds: float = 0
    """
    Of the vacuum after it, which goes through all indexes.
    """

    @property
    def line(self) -> str:
        """
        The row of a table.
        """
        cells = (
            f"{self.events:,}",
            f"{self.heap + self.indexes:,.0f} ({self.heap:,.0f} + {self.indexes:,.0f})",
            f"{self.filled:,.0f}",
            f"{self.wal:,.0f}",
            f"{self.vacuum_wal:,.0f}",
            f"{self.vacuum_seconds:,.1f}",
            f"{self.rate:,.0f}",
            f"{self.append:.2f} ({self.slow_append:.2f})",
            *(f"{ms:.2f}" for ms in (self.page, self.typed_page, self.last, self.old)),
            f"{self.removal_wal:,.0f}",
            f"{self.removal_seconds:,.1f}",
        )
        return f"| {' | '.join(cells)} |"


async def new_sessions(engine: AsyncEngine) -> list[str]:
    """
    Save the sessions that are appended to, and return their ids.
    """
    store = SQLSessionStore(engine)
    sessions = [Session.new(agent_id="agent") for _ in range(SESSIONS_AT_ONCE)]
    for session in sessions:
        await store.save_session(session)
    await store.aclose()
    return [session.id for session in sessions]


async def append(
    engine: AsyncEngine, ids: list[str], number: int
) -> tuple[float, list[float]]:
    """
    Append with 32 agents, each one event after the other.

    Returns:
        The events a second, and the milliseconds of each.
    """
    store = SQLSessionStore(engine)
    runs = {each: new_run_id() for each in ids}
    times: list[float] = []

    async def agent(which: int) -> None:
        own = ids[which::_AGENTS]
        for place in range(number // _AGENTS):
            to = own[place % len(own)]
            event = Event.new(
                type=_TYPES[place % len(_TYPES)],
                session_id=to,
                run_id=runs[to],
                data=payload("x"),
            )
            times.append(await timed(store.append_event, event))

    begun = perf_counter()
    await asyncio.gather(*map(agent, range(_AGENTS)))
    rate = number / (perf_counter() - begun)
    await store.aclose()
    return rate, times


async def timed(call: Any, *values: Any, **arguments: Any) -> float:
    """
    Return the milliseconds that a call takes.
    """
    begun = perf_counter()
    await call(*values, **arguments)
    return 1000 * (perf_counter() - begun)


async def fastest(call: Any, **arguments: Any) -> float:
    """
    Time a call twenty times, and return the shortest in milliseconds.
    """
    return min([await timed(call, **arguments) for _ in range(20)])


@asynccontextmanager
async def counted_wal(
    conn: asyncpg.Connection[Any] | None, found: list[float]
) -> AsyncGenerator[None]:
    """
    Add how many bytes of PostgreSQL's log are written meanwhile, after a checkpoint.

    From there on the first change of a page writes all of it (full_page_writes).
    """
    if conn is None:
        yield
        found.append(0)
        return
    await conn.execute("CHECKPOINT", timeout=3600)
    before = await conn.fetchval(_POSITION)
    yield
    found.append(float(await conn.fetchval(_POSITION) - before))


def file_size(location: str) -> int:
    """
    Return how many bytes a file has.
    """
    return Path(location).stat().st_size


async def sizes(place: Place, conn: asyncpg.Connection[Any] | None) -> list[float]:
    """
    Return the bytes of the table and of its indexes; SQLite's file is one.
    """
    if conn is None:
        return [float(file_size(place.location)), 0]
    return [*map(float, await conn.fetchrow(_SIZES) or ())]


async def measure(
    place: Place, engine: AsyncEngine, options: argparse.Namespace, to: int
) -> Measured:
    """
    Fill a log up, and measure it.
    """
    is_sqlite = place.database == "sqlite"
    conn = None if is_sqlite else await asyncpg.connect(place.location, timeout=60)
    filled = to / await grow(place, to, pause=options.pause)
    heap, indexes = await sizes(place, conn)
    found = Measured(events=to, heap=heap / to, indexes=indexes / to, filled=filled)
    wal: list[float] = []
    async with counted_wal(conn, wal):
        found.vacuum_seconds = await vacuum(conn)
    ids = await new_sessions(engine)
    async with counted_wal(conn, wal):
        found.rate, times = await append(engine, ids, options.appended)
    found.vacuum_wal, found.wal = wal[0] / to, wal[1] / options.appended
    found.append, found.slow_append = median(times), quantiles(times, n=100)[-1]
    await measure_reads(engine, found, ids[0])
    if conn is not None:
        async with counted_wal(conn, wal):
            removed = await conn.execute(removal(), timeout=3600)
            found.removal_seconds = await vacuum(conn)
        found.removal_wal = wal[2] / int(removed.split()[1])
        await conn.close()
    return found


async def vacuum(conn: asyncpg.Connection[Any] | None) -> float:
    """
    Vacuum the events and return the seconds; the tables are analyzed after that.
    """
    if conn is None:
        return 0
    begun = perf_counter()
    await conn.execute("VACUUM asm_events", timeout=3600)
    seconds = perf_counter() - begun
    await conn.execute("ANALYZE", timeout=3600)
    return seconds


async def measure_reads(engine: AsyncEngine, found: Measured, new: str) -> None:
    """
    Time what reads a page, at the end of the log and all over it.

    Args:
        engine: Of the database.

        found: Where the times belong.

        new: A session that was appended to.
    """
    query, store = SQLQueryAPI(engine), SQLSessionStore(engine)
    latest: dict[str, Any] = {"order_by": "timestamp_desc", "limit": 50}
    found.page = await fastest(query.search_events, **latest)
    found.typed_page = await fastest(query.search_events, types=[_TYPES[0]], **latest)
    found.last = await fastest(store.get_events, session_id=new, last=50)
    numbers = range(found.events // EVENTS_PER_SESSION)
    some = Random(1).choices(numbers, k=200)  # noqa: S311 - no secret
    old = [await timed(store.get_events, session_id(number)) for number in some]
    found.old = median(old)
    await store.aclose()


async def measure_one(
    databases: Databases, database: Database, options: argparse.Namespace, to: int
) -> Measured:
    """
    Fill a database of its own, in which no ids but those of the log were appended.
    """
    place = await databases.new(database)
    engine = create_engine(place.url)
    await migrations.upgrade(engine, partitions=options.partitions)
    found = await measure(place, engine, options, to)
    await engine.dispose()
    await databases.remove(place)
    return found


def main() -> None:
    """
    Measure and show.
    """
    parser = argparse.ArgumentParser(prog="growth", description=__doc__)
    parser.add_argument("--events", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--appended", type=int, default=32_000)
    parser.add_argument("--pause", type=float, default=0.5)
    parser.add_argument("--partitions", type=int)
    parser.add_argument("--database", choices=DATABASES, action="append")
    add_directory_option(parser)
    options, console = parser.parse_args(), Console()
    head = (
        "| events | bytes (table + indexes) | filled a second | WAL | WAL of vacuum"
        " | vacuum, s | appends a second | append, ms (99th percentile)"
        " | latest 50, ms | of a type, ms | last 50, ms | an old session, ms"
        " | WAL of a removal | vacuum after it, s |"
    )
    rule = "|" + " --- |" * (head.count("|") - 1)
    for database in options.database or DATABASES:
        text = f"\n{database}\n{head}\n{rule}"
        console.print(text, markup=False, soft_wrap=True)
        with databases_on_disk(options.directory, [database]) as databases:
            for to in sorted(options.events):
                found = asyncio.run(measure_one(databases, database, options, to))
                console.print(found.line, markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()
