"""
What is done and timed, by the names that other processes know it by.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.contenders import Contender
from benchmarks.followed import append_followed
from benchmarks.measure import Sample, Stopwatch
from benchmarks.operations import mixed_load, processor_time

__all__ = ["take_here"]

# By then any log has been round, or never will be.
_MAX_LOG_TURNS = 3_000

# So many commits in a row leave the log as long as it was: it is written over.
_STEADY_COMMITS = 4


async def take_here(contender: Contender, work: str, **options: Any) -> Sample:
    """
    Let a contender of this process do the work of this name.
    """
    gc.collect()
    return await _WORKS[work](contender, **options)


async def _add_sessions(contender: Contender, agents: Sequence[int]) -> Sample:
    begun = perf_counter()
    await contender.add_sessions(agents)
    return Sample(count=len(agents), seconds=perf_counter() - begun)


async def _write_log_round(contender: Contender, agents: Sequence[int]) -> Sample:
    """
    Append until SQLite's log is written over, alone and then as all of *agents*.

    A commit costs more while the log still grows, since the file's size is synced too.

    Returns:
        One, or zero if the log grew until the end.
    """
    log, begun = Path(f"{contender.place.location}-wal"), perf_counter()
    has_been_round = True
    for some in agents[:1], agents:
        size = steady = turns = 0
        while steady < _STEADY_COMMITS and (turns := turns + 1) < _MAX_LOG_TURNS:
            await _append_to_each(contender, some)
            before, size = size, _size(log)
            steady = steady + 1 if size == before else 0
        has_been_round &= steady == _STEADY_COMMITS
    return Sample(count=int(has_been_round), seconds=perf_counter() - begun)


def _size(path: Path) -> int:
    # SQLite makes no log where it is not in WAL mode.
    return path.stat().st_size if path.exists() else 0


async def _append_to_each(contender: Contender, agents: Sequence[int]) -> None:
    if contender.appends_in_groups:
        await contender.append_to_each(agents, contender.payloads.many(len(agents)))
        return
    appends = [contender.append(agent, contender.payloads.next()) for agent in agents]
    for outcome in await asyncio.gather(*appends, return_exceptions=True):
        # A peer may fail under load, which is measured elsewhere.
        if isinstance(outcome, BaseException) and contender.kind != "peer":
            raise outcome


async def _append_one_by_one(
    contender: Contender, agents: Sequence[int], seconds: float
) -> Sample:
    """
    Let every agent append one event at a time until the time is over.

    The raw driver has no agents: it appends one event for each of them in one
    transaction, over and over.
    """
    if contender.appends_in_groups:
        return await _append_in_groups(contender, agents, seconds)
    latencies: list[float] = []
    failures = 0
    start = perf_counter()

    async def work(agent: int) -> None:
        nonlocal failures
        while (begun := perf_counter()) < start + seconds:
            try:
                await contender.append(agent, contender.payloads.next())
            except Exception:  # a peer that gives up under load is a result, too
                if contender.kind != "peer":
                    raise
                failures += 1
            else:
                latencies.append(perf_counter() - begun)

    await asyncio.gather(*map(work, agents))
    return Sample(
        count=len(latencies),
        seconds=perf_counter() - start,
        latencies=latencies,
        failures=failures,
    )


async def _append_in_groups(
    contender: Contender, agents: Sequence[int], seconds: float
) -> Sample:
    latencies: list[float] = []
    start = perf_counter()
    while (begun := perf_counter()) < start + seconds:
        await _append_to_each(contender, agents)
        latencies.append(perf_counter() - begun)
    return Sample(
        count=len(latencies) * len(agents),
        seconds=perf_counter() - start,
        latencies=latencies,
    )


async def _append_batches(
    contender: Contender, size: int, seconds: float, timed_from: str
) -> Sample:
    """
    Append batches of one session until the time is over.

    Args:
        contender: Who appends.

        size: How many events a batch has.

        seconds: How long.

        timed_from:
            When the clock starts: "events" when they are made and have yet to be
            encoded, "data" earlier, when there is nothing but the data.
    """
    clock, batches = Stopwatch(), 0
    while clock.seconds < seconds:
        data = contender.payloads.many(size)
        if timed_from == "data":
            with clock:
                await contender.append_batch(contender.prepare(0, data))
        else:
            batch = contender.prepare(0, data)
            with clock:
                await contender.append_batch(batch)
        batches += 1
    return Sample(count=batches * size, seconds=clock.seconds)


async def _read_session(
    contender: Contender, agent: int, number: int, seconds: float, *, last: bool = False
) -> Sample:
    """
    Read *number* events of a session, all or the *last*, until the time is over.
    """
    clock, latencies = Stopwatch(), list[float]()
    while clock.seconds < seconds:
        begun = clock.seconds
        with clock:
            found = await contender.read(agent, number if last else None)
        latencies.append(clock.seconds - begun)
        if found != number:
            raise AssertionError(f"{contender.name} read {found} of {number} events")
    return Sample(
        count=len(latencies) * number, seconds=clock.seconds, latencies=latencies
    )


_WORKS: dict[str, Callable[..., Awaitable[Sample]]] = {
    "add_sessions": _add_sessions,
    "write_log_round": _write_log_round,
    "append_followed": partial(append_followed, _append_one_by_one),
    "append_one_by_one": _append_one_by_one,
    "append_batches": _append_batches,
    "read_session": _read_session,
    "mixed_load": mixed_load,
    "processor_time": processor_time,
}
