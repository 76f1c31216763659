"""
Measure what a growing log costs: ``python -m benchmarks.growth``, from ten minutes on.

A log is filled to each size by the database itself, with pauses. At each size 32 agents
append to 2,000 new sessions through the store; what counts is bytes, of the disk and of
PostgreSQL's log, which other work on the machine does not change. The rate of appends
and the times are rough, and only tell whether something grows with the log.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
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
from benchmarks.growth_history import SESSIONS_AT_ONCE, grow, payload

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

    @property
    def line(self) -> str:
        """
        The row of a table.
        """
        cells = (
            f"{self.events:,}",
            f"{self.heap + self.indexes:,.0f} ({self.heap:,.0f} + {self.indexes:,.0f})",
            f"{self.wal:,.0f}",
            f"{self.vacuum_wal:,.0f}",
            f"{self.vacuum_seconds:,.1f}",
            f"{self.rate:,.0f}",
            *(f"{ms:.2f}" for ms in (self.page, self.typed_page, self.last)),
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


async def append(engine: AsyncEngine, session_ids: list[str], number: int) -> float:
    """
    Append with 32 agents, each one event after the other, and return the rate.
    """
    store = SQLSessionStore(engine)
    runs = {session_id: new_run_id() for session_id in session_ids}

    async def agent(which: int) -> None:
        own = session_ids[which::_AGENTS]
        for place in range(number // _AGENTS):
            session_id = own[place % len(own)]
            await store.append_event(
                Event.new(
                    type=_TYPES[place % len(_TYPES)],
                    session_id=session_id,
                    run_id=runs[session_id],
                    data=payload("x"),
                )
            )

    begun = perf_counter()
    await asyncio.gather(*map(agent, range(_AGENTS)))
    rate = number / (perf_counter() - begun)
    await store.aclose()
    return rate


async def fastest(call: Any, **arguments: Any) -> float:
    """
    Time a call twenty times, and return the shortest in milliseconds.
    """
    times: list[float] = []
    for _ in range(20):
        begun = perf_counter()
        await call(**arguments)
        times.append(perf_counter() - begun)
    return 1000 * min(times)


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
    await grow(place, to, pause=options.pause)
    heap, indexes = await sizes(place, conn)
    found = Measured(events=to, heap=heap / to, indexes=indexes / to)
    wal: list[float] = []
    begun = perf_counter()
    async with counted_wal(conn, wal):
        if conn is not None:
            await conn.execute("VACUUM asm_events", timeout=3600)
    found.vacuum_seconds = perf_counter() - begun if conn else 0
    if conn is not None:
        await conn.execute("ANALYZE", timeout=3600)
    session_ids = await new_sessions(engine)
    async with counted_wal(conn, wal):
        found.rate = await append(engine, session_ids, options.appended)
    found.vacuum_wal, found.wal = wal[0] / to, wal[1] / options.appended
    query, store = SQLQueryAPI(engine), SQLSessionStore(engine)
    latest: dict[str, Any] = {"order_by": "timestamp_desc", "limit": 50}
    found.page = await fastest(query.search_events, **latest)
    found.typed_page = await fastest(query.search_events, types=[_TYPES[0]], **latest)
    found.last = await fastest(store.get_events, session_id=session_ids[0], last=50)
    if conn is not None:
        await conn.close()
    return found


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
        "| events | bytes (table + indexes) | WAL | WAL of vacuum | vacuum, s"
        " | appends a second | latest 50, ms | of a type, ms | last 50, ms |"
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
