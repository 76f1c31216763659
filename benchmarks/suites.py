"""
Which contenders do which work, with what sizes.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

from benchmarks.bulk_load import Log, load
from benchmarks.contenders import Contender, Maker, Store, lined_up
from benchmarks.databases import Database, Databases
from benchmarks.index_costs import stores_without_an_index
from benchmarks.measure import Measured, Sample, in_turn
from benchmarks.raw_drivers import raw_driver
from benchmarks.workloads import (
    Payloads,
    TimedFrom,
    append_batches,
    append_one_by_one,
    read_session,
)

__all__ = ["SUITES", "Peers", "Plan", "Suite"]

Peers: TypeAlias = Callable[[Database], Sequence[type[Contender]]]

Entry: TypeAlias = tuple[Contender, int, Callable[[], Awaitable[Sample]]]
"""
A contender, the size of its work and the work.
"""

_LOG_AGENTS = 32
_INDEX_AGENTS = 32
_READ = 10_000
_LAST = 50


@dataclass(frozen=True, kw_only=True)
class Plan:
    """
    How much is measured: at first so much as fits into five minutes.
    """

    peers: Peers
    rounds: int = 5
    seconds: float = 0.2
    agents: tuple[int, ...] = (1, 8, 32, 256)
    batches: tuple[int, ...] = (1, 100, 1_000)
    log_sizes: tuple[int, ...] = (10_000, 1_000_000)
    long_session: int = 100_000

    def full(self) -> Plan:
        """
        Give the one that takes as long as it takes.
        """
        sizes = 10_000, 1_000_000, 10_000_000
        return replace(
            self, rounds=7, seconds=0.5, log_sizes=sizes, long_session=1_000_000
        )

    def logs(self) -> list[Log]:
        """
        Describe the logs to load; the largest one has the long session.
        """
        *small, largest = self.log_sizes
        logs = [Log(size=size) for size in small]
        return [*logs, Log(size=largest, long=self.long_session)]


Suite: TypeAlias = Callable[[Databases, Database, Plan], AsyncGenerator[list[Measured]]]


async def agents(
    databases: Databases, database: Database, plan: Plan
) -> AsyncGenerator[list[Measured]]:
    """
    Let so many agents append one event at a time, each to a session of its own.
    """
    makers: list[Maker] = [Store, raw_driver, *plan.peers(database)]
    everybody = range(max(plan.agents))
    async with lined_up(databases, database, makers, everybody) as contenders:
        for number in plan.agents:
            entries = [
                (one, number, _appending(one, everybody[:number], plan))
                for one in contenders
            ]
            yield await _race(plan, "agents", entries)


def _appending(
    contender: Contender, agents: Sequence[int], plan: Plan
) -> Callable[[], Awaitable[Sample]]:
    return partial(append_one_by_one, contender, agents, Payloads(), plan.seconds)


async def indexes(
    databases: Databases, database: Database, plan: Plan
) -> AsyncGenerator[list[Measured]]:
    """
    Let agents append to a log that lacks one index.
    """
    makers = [Store, *await stores_without_an_index(databases, database)]
    everybody = range(_INDEX_AGENTS)
    async with lined_up(databases, database, makers, everybody) as contenders:
        entries = [
            (one, _INDEX_AGENTS, _appending(one, everybody, plan)) for one in contenders
        ]
        yield await _race(plan, "indexes", entries)


async def batches(
    databases: Databases, database: Database, plan: Plan
) -> AsyncGenerator[list[Measured]]:
    """
    Append batches to one session, timed from ready events and from bare data.
    """
    peers = [peer for peer in plan.peers(database) if peer.has_batches]
    makers: list[Maker] = [Store, raw_driver, *peers]
    async with lined_up(databases, database, makers, [0]) as contenders:
        sizes = [(TimedFrom.EVENTS, size) for size in plan.batches]
        for timed_from, size in [*sizes, (TimedFrom.DATA, max(plan.batches))]:
            entries: list[Entry] = []
            for one in contenders:
                append = partial(append_batches, one, size, Payloads(), plan.seconds)
                entries.append((one, size, partial(append, timed_from=timed_from)))
            yield await _race(plan, f"batches, from {timed_from}", entries)


async def reading(
    databases: Databases, database: Database, plan: Plan
) -> AsyncGenerator[list[Measured]]:
    """
    Read a whole session; the store and the raw driver read the same one.
    """
    log = Log(size=3 * _READ, long=_READ)
    peers = [peer for peer in plan.peers(database) if peer.has_batches]
    async with (
        _loaded(databases, database, log) as ours,
        lined_up(databases, database, peers, [log.long_agent]) as others,
    ):
        for one in others:
            batch = one.prepare(log.long_agent, Payloads().many(_READ))
            await one.append_batch(batch)
        entries: list[Entry] = []
        for one in [*ours, *others]:
            read = partial(read_session, one, log.long_agent, _READ, plan.seconds)
            entries.append((one, _READ, read))
        yield await _race(plan, "reading", entries)


async def growth(
    databases: Databases, database: Database, plan: Plan
) -> AsyncGenerator[list[Measured]]:
    """
    Append to logs of several sizes, and read the ends of a short and a long session.
    """
    async with AsyncExitStack() as exits:
        logs = {
            log: await exits.enter_async_context(_loaded(databases, database, log))
            for log in plan.logs()
        }
        appends = [
            (one, log.size, _appending(one, log.agents(_LOG_AGENTS), plan))
            for log, contenders in logs.items()
            for one in contenders
        ]
        yield await _race(plan, "growth", appends)
        log = plan.logs()[-1]
        entries: list[Entry] = []
        for agent, length in log.ends.items():
            for one in logs[log]:
                read = partial(read_session, one, agent, _LAST, plan.seconds, last=True)
                entries.append((one, length, read))
        yield await _race(plan, "last 50", entries)


@asynccontextmanager
async def _loaded(
    databases: Databases, database: Database, log: Log
) -> AsyncGenerator[list[Contender]]:
    """
    Open the store and the raw driver on one database that holds *log*.
    """
    place = await databases.new(database)
    await load(place, log)
    try:
        async with Store(place) as store, raw_driver(place) as raw:
            yield [store, raw]
    finally:
        await databases.remove(place)


async def _race(plan: Plan, work: str, entries: Sequence[Entry]) -> list[Measured]:
    samples = await in_turn([take for _, _, take in entries], plan.rounds)
    return [
        Measured(
            database=contender.place.database,
            work=work,
            size=size,
            contender=contender.name,
            kind=contender.kind,
            samples=taken,
        )
        for (contender, size, _), taken in zip(entries, samples, strict=True)
    ]


SUITES: tuple[Suite, ...] = (agents, batches, reading, growth, indexes)
