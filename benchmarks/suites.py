"""
Which contenders do which work, with what sizes.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.bulk_load import Log, load
from benchmarks.contenders import Contender, Maker, lined_up
from benchmarks.databases import Database, Databases
from benchmarks.elsewhere import checkouts, stores, take
from benchmarks.imports import IMPORTS, import_in_new_process
from benchmarks.index_costs import stores_without_an_index
from benchmarks.measure import Measured, Sample, in_turn
from benchmarks.operations import OPERATIONS
from benchmarks.raw_drivers import raw_driver, raw_drivers

__all__ = ["SUITES", "Peers", "Plan", "Suite"]

Peers: TypeAlias = Callable[[Database], Sequence[type[Contender]]]

_LOG_AGENTS = 32
_INDEX_AGENTS = 32
_MIXED_AGENTS = 32
_FOLLOWED_AGENTS = 32
_FOLLOWED_SESSIONS = (0, 5)
_SESSIONS = 64
_READ = 10_000
_LAST = 50


@dataclass(frozen=True, kw_only=True)
class Entry:
    """
    A contender and its work.
    """

    contender: Contender
    size: int
    work: str
    options: dict[str, Any] = field(default_factory=dict)

    async def take(self) -> Sample:
        """
        Do the work once.
        """
        return await take(self.contender, self.work, **self.options)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """
    How much is measured: at first so much as fits into some minutes.
    """

    peers: Peers
    against: Path | None = None
    """
    Another checkout, whose store is measured beside this one's.
    """

    rounds: int = 9
    seconds: float = 0.15
    calls: int = 100
    agents: tuple[int, ...] = (1, 8, 32, 256)
    batches: tuple[int, ...] = (1, 100, 1_000)
    log_sizes: tuple[int, ...] = (10_000, 1_000_000)
    long_session: int = 100_000

    def full(self) -> Plan:
        """
        Return the one that takes as long as it takes.
        """
        sizes = 10_000, 1_000_000, 10_000_000
        return replace(
            self, seconds=0.5, calls=500, log_sizes=sizes, long_session=1_000_000
        )

    def logs(self) -> list[Log]:
        """
        Describe the logs to load; the largest one has the long session.
        """
        *small, largest = self.log_sizes
        logs = [Log(size=size) for size in small]
        return [*logs, Log(size=largest, long=self.long_session)]

    def stores(self, databases: Databases) -> list[Maker]:
        """
        Return the store, and that of the other checkout.
        """
        return stores(databases.directory, self.against)


Suite: TypeAlias = Callable[[Databases, Database, Plan], AsyncGenerator[list[Measured]]]


async def agents(
    databases: Databases, database: Database, plan: Plan
) -> AsyncGenerator[list[Measured]]:
    """
    Let so many agents append one event at a time, each to a session of its own.
    """
    makers = [
        *plan.stores(databases),
        *raw_drivers(database),
        *plan.peers(database),
    ]
    everybody = list(range(max(plan.agents)))
    async with lined_up(databases, database, makers, everybody) as contenders:
        log = await _write_logs_round(contenders, everybody[:_LOG_AGENTS])
        for number in plan.agents:
            entries = [_appending(one, everybody[:number], plan) for one in contenders]
            yield await _race(plan, "agents", entries, log=log)


def _appending(
    contender: Contender, agents: Sequence[int], plan: Plan, size: int | None = None
) -> Entry:
    return Entry(
        contender=contender,
        size=size or len(agents),
        work="append_one_by_one",
        options={"agents": agents, "seconds": plan.seconds},
    )


async def mixed(
    databases: Databases, database: Database, plan: Plan
) -> AsyncGenerator[list[Measured]]:
    """
    Let agents save a run, append ten events one at a time, flush, and begin anew.
    """
    makers, everybody = plan.stores(databases), list(range(_MIXED_AGENTS))
    async with lined_up(databases, database, makers, everybody) as contenders:
        log = await _write_logs_round(contenders, everybody)
        options = {"agents": everybody, "seconds": 2 * plan.seconds}
        entries = [
            Entry(contender=one, size=_MIXED_AGENTS, work="mixed_load", options=options)
            for one in contenders
        ]
        yield await _race(plan, "mixed load", entries, unit="calls", log=log)


async def followed(
    databases: Databases, database: Database, plan: Plan
) -> AsyncGenerator[list[Measured]]:
    """
    Append while somebody in the process follows all sessions, or five of them.
    """
    makers, everybody = plan.stores(databases), list(range(_FOLLOWED_AGENTS))
    async with lined_up(databases, database, makers, everybody) as contenders:
        log = await _write_logs_round(contenders, everybody)
        for sessions in _FOLLOWED_SESSIONS:
            options = {"agents": everybody, "seconds": plan.seconds}
            entries = [
                Entry(
                    contender=one,
                    size=_FOLLOWED_AGENTS,
                    work="append_followed",
                    options={**options, "sessions": sessions},
                )
                for one in contenders
            ]
            work = f"followed, {sessions or 'all'} sessions"
            yield await _race(plan, work, entries, log=log)


async def processor(
    databases: Databases, database: Database, plan: Plan
) -> AsyncGenerator[list[Measured]]:
    """
    Make single calls and take the processor's time.
    """
    # Five rounds are enough: others' programs are not in this process's time.
    plan = replace(plan, rounds=5)
    makers, everybody = plan.stores(databases), list(range(_SESSIONS))
    async with lined_up(databases, database, makers, everybody) as contenders:
        log = await _write_logs_round(contenders, everybody[:_LOG_AGENTS])
        for operation in OPERATIONS:
            options = {"operation": operation, "calls": plan.calls}
            entries = [
                Entry(contender=one, size=1, work="processor_time", options=options)
                for one in contenders
            ]
            yield await _race(plan, operation, entries, unit="processor", log=log)


async def imports(
    databases: Databases, database: Database, plan: Plan
) -> AsyncGenerator[list[Measured]]:
    """
    Import the package in new processes; on no database, so that it is done once.
    """
    if database != "sqlite":
        return
    paths = checkouts(databases.directory, plan.against)
    for what in IMPORTS:
        takers = [partial(import_in_new_process, path, what) for path, _, _ in paths]
        samples = await in_turn(takers, plan.rounds)
        yield [
            Measured(
                database=database,
                work=f"import, {what}",
                size=1,
                contender=name,
                kind=kind,
                samples=taken,
                unit="processor",
            )
            for (_, name, kind), taken in zip(paths, samples, strict=True)
        ]


async def indexes(
    databases: Databases, database: Database, plan: Plan
) -> AsyncGenerator[list[Measured]]:
    """
    Let agents append to a log that lacks one index.
    """
    makers = [
        *replace(plan, against=None).stores(databases),
        *await stores_without_an_index(databases, database),
    ]
    everybody = range(_INDEX_AGENTS)
    async with lined_up(databases, database, makers, everybody) as contenders:
        log = await _write_logs_round(contenders, everybody)
        entries = [_appending(one, everybody, plan) for one in contenders]
        yield await _race(plan, "indexes", entries, log=log)


async def batches(
    databases: Databases, database: Database, plan: Plan
) -> AsyncGenerator[list[Measured]]:
    """
    Append batches to one session, timed from ready events and from bare data.
    """
    peers = [peer for peer in plan.peers(database) if peer.has_batches]
    makers = [*plan.stores(databases), raw_driver, *peers]
    async with lined_up(databases, database, makers, [0]) as contenders:
        log = await _write_logs_round(contenders, [0])
        sizes = [("events", size) for size in plan.batches]
        for timed_from, size in [*sizes, ("data", max(plan.batches))]:
            options = {"size": size, "seconds": plan.seconds, "timed_from": timed_from}
            entries = [
                Entry(contender=one, size=size, work="append_batches", options=options)
                for one in contenders
            ]
            yield await _race(plan, f"batches, from {timed_from}", entries, log=log)


async def reading(
    databases: Databases, database: Database, plan: Plan
) -> AsyncGenerator[list[Measured]]:
    """
    Read a whole session; the store and the raw driver read the same one.
    """
    log = Log(size=3 * _READ, long=_READ)
    peers = [peer for peer in plan.peers(database) if peer.has_batches]
    async with (
        _loaded(databases, database, log, plan) as ours,
        lined_up(databases, database, peers, [log.long_agent]) as others,
    ):
        for one in others:
            batch = one.prepare(log.long_agent, one.payloads.many(_READ))
            await one.append_batch(batch)
        entries = [
            _reading(one, log.long_agent, _READ, plan, _READ)
            for one in [*ours, *others]
        ]
        yield await _race(plan, "reading", entries)


def _reading(
    contender: Contender, agent: int, number: int, plan: Plan, size: int
) -> Entry:
    options = {"agent": agent, "number": number, "seconds": plan.seconds}
    return Entry(
        contender=contender,
        size=size,
        work="read_session",
        options={**options, "last": number < size},
    )


async def growth(
    databases: Databases, database: Database, plan: Plan
) -> AsyncGenerator[list[Measured]]:
    """
    Append to logs of several sizes, and read the ends of a short and a long session.
    """
    async with AsyncExitStack() as exits:
        logs: dict[Log, list[Contender]] = {}
        for log in plan.logs():
            opened = _loaded(databases, database, log, plan)
            logs[log] = await exits.enter_async_context(opened)
        # The store and the raw driver share a log, so that one of them writes it round.
        note = [
            await _write_logs_round(contenders[:-1], log.agents(_LOG_AGENTS))
            for log, contenders in logs.items()
        ][-1]
        appends = [
            _appending(one, log.agents(_LOG_AGENTS), plan, log.size)
            for log, contenders in logs.items()
            for one in contenders
        ]
        yield await _race(plan, "growth", appends, log=note)
        log = plan.logs()[-1]
        entries = [
            _reading(one, agent, _LAST, plan, length)
            for agent, length in log.ends.items()
            for one in logs[log]
        ]
        yield await _race(plan, "last 50", entries)


@asynccontextmanager
async def _loaded(
    databases: Databases, database: Database, log: Log, plan: Plan
) -> AsyncGenerator[list[Contender]]:
    """
    Open each store on a database that holds *log*, and the raw driver on the first.
    """
    async with AsyncExitStack() as exits:
        contenders: list[Contender] = []
        for make in plan.stores(databases):
            place = await databases.new(database)
            exits.push_async_callback(databases.remove, place)
            # Tables as this store makes them.
            async with make(place):
                pass
            await load(place, log)
            contenders.append(await exits.enter_async_context(make(place)))
        raw = raw_driver(contenders[0].place)
        yield [*contenders, await exits.enter_async_context(raw)]


async def _write_logs_round(
    contenders: Sequence[Contender], agents: Sequence[int]
) -> str:
    """
    Let every contender write its log round.

    Returns:
        What the tables say about it; nothing on PostgreSQL.
    """
    if contenders[0].place.database != "sqlite":
        return ""
    turns = [
        await take(one, "write_log_round", agents=list(agents)) for one in contenders
    ]
    late = [
        one.name for one, turn in zip(contenders, turns, strict=True) if not turn.count
    ]
    return f"not round: {', '.join(late)}" if late else "round"


async def _race(
    plan: Plan,
    work: str,
    entries: Sequence[Entry],
    *,
    unit: str = "events",
    log: str = "",
) -> list[Measured]:
    samples = await in_turn([entry.take for entry in entries], plan.rounds)
    return [
        Measured(
            database=entry.contender.place.database,
            work=work,
            size=entry.size,
            contender=entry.contender.name,
            kind=entry.contender.kind,
            samples=taken,
            unit=unit,
            log=log,
        )
        for entry, taken in zip(entries, samples, strict=True)
    ]


SUITES: tuple[Suite, ...] = (
    agents,
    mixed,
    followed,
    processor,
    imports,
    batches,
    reading,
    growth,
    indexes,
)
