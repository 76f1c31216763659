"""
Measure retention beside agents at work: ``python -m benchmarks.retaining``.

One process appends with eight tasks while another soft-deletes 100,000 expired sessions
and then removes them for ever. No append may fail; the slowest stands beside the
slowest of as many seconds without maintenance.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import sqlalchemy as sa
from rich.console import Console
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async import Event, EventType, RetentionPolicy, Session, open_store
from asm_async.sql import SQLMaintenance, SQLSessionStore, create_engine
from asm_async.sql.core.column_types import utc_time
from asm_async.values.maintenance import HealthIssueKind
from benchmarks.databases import DATABASES, Databases, Place, databases_on_disk
from benchmarks.measure import Sample, percentiles

_TASKS = 8
_EVENTS_OF_ONE = 3
_QUIET_SECONDS = 10.0
_AGE = timedelta(days=100)
_POLICY = RetentionPolicy()

_NUMBERS = (
    "WITH RECURSIVE numbers (n) AS"
    " (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)"
)

# Some have runs, each has events and a tag, as sessions of agents do.
_ROWS = {
    "asm_sessions (id, agent_id, status, metadata, context, tags, created_at,"
    " updated_at, revision)": "'old_' || n, 'assistant', 'completed', '{}', '{}',"
    " '[\"old\"]', :at, :at, 1 FROM numbers",
    "asm_session_tags (session_id, tag)": "'old_' || n, 'old' FROM numbers",
    "asm_session_sequences (session_id, last_sequence, pruned_count, state,"
    " updated_at, active_until)": "'old_' || n, :events, 0, 'live', :at, :at"
    " FROM numbers",
    "asm_runs (id, session_id, status, metadata, turn_count, token_usage, input_tokens,"
    " output_tokens, total_tokens, started_at, provider_metadata, revision)": "'run_'"
    " || n, 'old_' || n, 'completed', '{}', 1, '{}', 5, 5, 10, :at, '{}', 1"
    " FROM numbers",
    "asm_events (id, type, timestamp, session_id, run_id, sequence_number, data,"
    " metadata, schema_version)": "'evt_' || place, 'message_sent', :at, 'old_' || n,"
    " 'run_' || n, place, '{\"content\": \"The flight at 9:40 is full.\"}', '{}', 1"
    " FROM numbers, (SELECT n AS place FROM numbers WHERE n <= :events) AS places",
}


async def load_expired(conn: AsyncConnection, count: int) -> None:
    """
    Store sessions that were over long ago, each with a run, a tag and three events.
    """
    values: list[sa.BindParameter[Any]] = [
        sa.bindparam("count", count, sa.BigInteger()),
        sa.bindparam("events", _EVENTS_OF_ONE, sa.BigInteger()),
        sa.bindparam("at", datetime.now(UTC) - _AGE, utc_time()),
    ]
    for columns, rows in _ROWS.items():
        statement = f"INSERT INTO {columns} {_NUMBERS} SELECT {rows}"
        bound = [value for value in values if f":{value.key}" in statement]
        await conn.execute(sa.text(statement).bindparams(*bound))


async def maintain(url: str) -> None:
    """
    Soft-delete what has expired and remove it, as if a month had passed between.
    """
    engine = create_engine(url)
    for days in (0, 31):
        now = datetime.now(UTC) + timedelta(days=days)
        maintenance = SQLMaintenance(engine, clock=partial(_same, now))
        report = await maintenance.execute(_POLICY)
        if report.errors:
            raise RuntimeError(str(report.errors))
        print(  # noqa: T201 - for the process that waits for it
            f"{report.sessions_soft_deleted} soft-deleted,"
            f" {report.sessions_hard_deleted} removed in"
            f" {report.duration_ms / 1000:.1f} s"
        )
    await engine.dispose()


def _same(now: datetime) -> datetime:
    return now


async def append_until(
    store: SQLSessionStore, session: Session, is_done: asyncio.Event
) -> list[float]:
    """
    Append one event after the other, and give the seconds that each took.
    """
    latencies: list[float] = []
    while not is_done.is_set():
        event = Event.new(
            type=EventType.MESSAGE_SENT,
            session_id=session.id,
            data={"content": "There are seats on the one at 11:15."},
        )
        start = perf_counter()
        await store.append_event(event)
        latencies.append(perf_counter() - start)
    return latencies


async def append_beside(store: SQLSessionStore, other: asyncio.Task[None]) -> Sample:
    """
    Append with eight tasks, each to a session of its own, as long as *other* lasts.
    """
    is_done = asyncio.Event()
    other.add_done_callback(lambda _: is_done.set())
    sessions = [Session.new(agent_id="writer") for _ in range(_TASKS)]
    for session in sessions:
        await store.save_session(session)
    start = perf_counter()
    tasks = [append_until(store, session, is_done) for session in sessions]
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    await other
    latencies = [one for found in outcomes if isinstance(found, list) for one in found]
    failures = [found for found in outcomes if isinstance(found, BaseException)]
    if failures:
        raise BaseExceptionGroup("appends", failures)
    return Sample(
        count=len(latencies), seconds=perf_counter() - start, latencies=latencies
    )


async def run_maintenance(url: str) -> None:
    """
    Run :func:`maintain` in a process of its own.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __spec__.name, "--maintain", url
    )
    try:
        if await process.wait():
            raise RuntimeError("maintenance failed")
    finally:
        if process.returncode is None:
            process.terminate()


async def measure(place: Place, count: int) -> list[tuple[str, Sample]]:
    """
    Append alone and beside maintenance, and look the database over afterwards.
    """
    async with open_store(place.url, migrate=True):
        pass
    engine = create_engine(place.url)
    async with engine.begin() as conn:
        await load_expired(conn, count)
    if place.database == "postgresql":
        async with engine.execution_options(
            isolation_level="AUTOCOMMIT"
        ).connect() as conn:
            await conn.execute(sa.text("VACUUM ANALYZE"))
    store = SQLSessionStore(engine)
    quiet = asyncio.create_task(asyncio.sleep(_QUIET_SECONDS))
    alone = await append_beside(store, quiet)
    busy = asyncio.create_task(run_maintenance(place.url))
    beside = await append_beside(store, busy)
    issues = await SQLMaintenance(engine).health_check()
    wrong = [one for one in issues if one.kind is not HealthIssueKind.WEAK_DURABILITY]
    if wrong:
        raise RuntimeError(f"the database is damaged: {wrong}")
    await store.aclose()
    await engine.dispose()
    return [("alone", alone), ("beside maintenance", beside)]


async def measure_all(
    databases: Databases, arguments: argparse.Namespace, console: Console
) -> None:
    """
    Measure each database and print a row for each sample.
    """
    console.print("| database | appends | a second | p50 | p99 | slowest |")
    console.print("| --- | --- | --- | --- | --- | --- |")
    for database in arguments.database or DATABASES:
        place = await databases.new(database)
        async with asyncio.timeout(arguments.most_seconds):
            for name, sample in await measure(place, arguments.sessions):
                console.print(_row(database, name, sample))
        await databases.remove(place)


def _row(database: str, name: str, sample: Sample) -> str:
    found = percentiles(sample.latencies)
    times = [found["p50"], found["p99"], max(sample.latencies)]
    cells = [database, name, f"{sample.rate:,.0f}"]
    cells += [f"{seconds * 1000:,.1f} ms" for seconds in times]
    return f"| {' | '.join(cells)} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """
    Load, maintain, append and print.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--database", action="append", choices=DATABASES)
    parser.add_argument("--most-seconds", type=float, default=600.0)
    parser.add_argument("--directory", type=Path, default=Path.cwd())
    parser.add_argument("--maintain", metavar="URL", help=argparse.SUPPRESS)
    parsed = parser.parse_args(arguments)
    if parsed.maintain:
        asyncio.run(maintain(parsed.maintain))
        return
    with databases_on_disk(parsed.directory) as databases:
        console = Console(width=200)
        asyncio.run(measure_all(databases, parsed, console))


if __name__ == "__main__":
    main()
