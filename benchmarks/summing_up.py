"""
Measure summaries over many runs: ``python -m benchmarks.summing_up``, some minutes.

Beside each summary stands the SQL that one would write by hand for the same answer,
sent through the raw driver. Then the index that serves them is dropped, to show what it
gives, and what those who save runs pay for it.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from itertools import count
from time import perf_counter
from typing import Any, TypeAlias

import asyncpg
from rich.console import Console

from asm_async import Run
from asm_async.sql import SQLQueryAPI, SQLSessionStore, create_engine
from asm_async.values.token_price import TokenPrice
from benchmarks.databases import (
    DATABASES,
    Database,
    Databases,
    Place,
    add_directory_option,
    databases_on_disk,
)
from benchmarks.load_runs import YEAR, load_runs, session_id
from benchmarks.measure import Measured, Sample, in_turn, ratio

Ask: TypeAlias = Callable[[], Awaitable[object]]

_MAY = YEAR.replace(month=5)
_JUNE = YEAR.replace(month=6)
_PRICES = {
    provider: {"": TokenPrice(input_usd_per_million=3, output_usd_per_million=15)}
    for provider in ("openai", "anthropic", "google", "acme", "unknown")
}
_SUMS = "count(*), sum(input_tokens), sum(output_tokens), sum(total_tokens)"
_DEFINITION: dict[Database, str] = {
    "sqlite": "SELECT sql FROM sqlite_master WHERE name = 'ix_asm_runs_usage'",
    "postgresql": "SELECT indexdef FROM pg_indexes"
    " WHERE indexname = 'ix_asm_runs_usage'",
}
_DAYS: dict[Database, str] = {
    "sqlite": "started_at / 86400000000",
    "postgresql": "date_trunc('day', started_at AT TIME ZONE 'UTC')",
}
_WINDOW: dict[Database, str] = {
    "sqlite": f"started_at >= {_MAY.timestamp() * 1e6:.0f}"
    f" AND started_at < {_JUNE.timestamp() * 1e6:.0f}",
    "postgresql": f"started_at >= '{_MAY}' AND started_at < '{_JUNE}'",
}


def by_hand(database: Database) -> dict[str, str]:
    """
    Write each summary's SQL as one would who has an hour, and no sum beyond 2**63.
    """
    select = f"SELECT provider, model, {_SUMS}"
    return {
        "usage": f"{select} FROM asm_runs GROUP BY 1, 2",
        "usage by day": f"{select}, {_DAYS[database]} FROM asm_runs"
        f" GROUP BY 1, 2, {_DAYS[database]}",
        "usage of a month": f"{select} FROM asm_runs WHERE {_WINDOW[database]}"
        " GROUP BY 1, 2",
        "cost": f"{select}, sum(cost_usd), cost_usd IS NULL FROM asm_runs"
        " GROUP BY provider, model, cost_usd IS NULL",
    }


def summaries(query_api: SQLQueryAPI) -> dict[str, Ask]:
    """
    Return the calls that stand beside them.
    """
    usage, cost = query_api.get_usage_summary, query_api.get_cost_summary
    return {
        "usage": usage,
        "usage by day": partial(usage, bucket="day"),
        "usage of a month": partial(usage, since=_MAY, until=_JUNE),
        "cost": partial(cost, pricing_table=_PRICES),
    }


async def timed(ask: Ask, size: int) -> Sample:
    """
    Ask once.
    """
    start = perf_counter()
    await ask()
    return Sample(count=size, seconds=perf_counter() - start)


class RawDriver:
    """
    The database's own driver, which gives rows as they come.
    """

    def __init__(self, fetch: Callable[[str], Awaitable[Any]], close: Ask) -> None:
        self._fetch = fetch
        self.close = close

    @classmethod
    async def connect(cls, place: Place) -> RawDriver:
        """
        Open one connection.
        """
        if place.database == "postgresql":
            conn = await asyncpg.connect(place.location)
            return cls(conn.fetch, conn.close)
        file = sqlite3.connect(place.location)

        async def fetch(sql: str) -> list[Any]:
            return file.execute(sql).fetchall()

        async def close() -> None:
            file.close()

        return cls(fetch, close)

    def ask(self, sql: str) -> Ask:
        """
        Make the question that *sql* is.
        """
        return partial(self._fetch, sql)


async def measure_summaries(
    place: Place, size: int, rounds: int, kind: str
) -> list[Measured]:
    """
    Measure each summary in turn with its SQL, all on the same runs.
    """
    engine = create_engine(place.url)
    raw = await RawDriver.connect(place)
    asks = summaries(SQLQueryAPI(engine))
    measured: list[Measured] = []
    for work, sql in by_hand(place.database).items():
        takers = [partial(timed, asks[work], size), partial(timed, raw.ask(sql), size)]
        for contender, samples in zip(
            ("asm_async", "raw driver"), await in_turn(takers, rounds), strict=True
        ):
            measured.append(
                Measured(
                    database=place.database,
                    work=work,
                    size=size,
                    contender=contender,
                    kind=kind,
                    samples=samples,
                )
            )
    await raw.close()
    await engine.dispose()
    return measured


async def measure_saving(place: Place, rounds: int) -> dict[str, list[float]]:
    """
    Save runs and save them again, by turns with the index and without it.

    Returns:
        Saves a second, in each round.
    """
    engine = create_engine(place.url)
    raw = await RawDriver.connect(place)
    [[create]] = await raw.ask(_DEFINITION[place.database])()
    numbers = count()
    rates: dict[str, list[float]] = {"with": [], "without": []}
    for _ in range(rounds):
        rates["with"].append(await _save(SQLSessionStore(engine), next(numbers)))
        await raw.ask("DROP INDEX ix_asm_runs_usage")()
        rates["without"].append(await _save(SQLSessionStore(engine), next(numbers)))
        await raw.ask(create)()
    await raw.close()
    await engine.dispose()
    return rates


async def _save(store: SQLSessionStore, round_number: int) -> float:
    """
    Let 32 tasks save runs that begin and end, and give the saves a second.
    """

    async def work(worker: int) -> None:
        for number in range(20):
            run = Run.new(
                id=f"run_{round_number}_{worker}_{number}",
                session_id=session_id(worker),
                provider="openai",
                provider_metadata={"model": "gpt-4o"},
                started_at=datetime.now(UTC),
            )
            saved = await store.save_run(run)
            usage = {"input_tokens": 900, "output_tokens": 90}
            await store.save_run(saved.update_token_usage(usage).set_output("done"))

    start = perf_counter()
    await asyncio.gather(*map(work, range(32)))
    return 2 * 32 * 20 / (perf_counter() - start)


async def measure(
    databases: Databases, database: Database, options: argparse.Namespace
) -> tuple[list[Measured], dict[str, list[float]]]:
    """
    Load runs, ask with the index, save with it and without it, ask without it.
    """
    place = await databases.new(database)
    await load_runs(place, options.runs)
    sums = partial(measure_summaries, place, options.runs, options.rounds)
    measured = await sums(kind="with the index")
    rates = await measure_saving(place, options.rounds)
    raw = await RawDriver.connect(place)
    await raw.ask("DROP INDEX ix_asm_runs_usage")()
    if database == "postgresql":
        await raw.ask("VACUUM (ANALYZE)")()
    await raw.close()
    measured += await sums(kind="without it")
    await databases.remove(place)
    return measured, rates


def show(measured: list[Measured], console: Console) -> None:
    """
    Print a table as the documentation has it.
    """
    lines = ["| database | index | summary | ms | by hand, ms | times as long |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    for ours, hand in zip(measured[::2], measured[1::2], strict=True):
        middle, lowest, highest = ratio(hand.rates, ours.rates)
        times = [1000 * one.size / one.rate for one in (ours, hand)]
        cells = ours.database, ours.kind, ours.work, *(f"{t:,.0f}" for t in times)
        publish_commit = f"**{middle:.2f}** ({lowest:.2f} ... {highest:.2f})"
        lines.append("| " + " | ".join([*cells, publish_commit]) + " |")
    console.print("\n".join(lines), markup=False, soft_wrap=True)


def main() -> None:
    """
    Measure and show.
    """
    parser = argparse.ArgumentParser(prog="summing_up", description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--database", choices=DATABASES, action="append")
    add_directory_option(parser)
    options, console = parser.parse_args(), Console()
    with databases_on_disk(options.directory) as databases:
        for database in options.database or DATABASES:
            found, rates = asyncio.run(measure(databases, database, options))
            show(found, console)
            for kind, rounds in rates.items():
                saves = " ".join(f"{rate:,.0f}" for rate in rounds)
                console.print(f"{database}: saves a second {kind} the index: {saves}")


if __name__ == "__main__":
    main()
