"""
What is done and timed: agents that append, batches, and reading.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import count
from time import perf_counter

from benchmarks.contenders import Contender, JSONObject
from benchmarks.measure import Sample, Stopwatch

__all__ = [
    "Payloads",
    "TimedFrom",
    "append_batches",
    "append_one_by_one",
    "read_session",
]

_TEXT = (
    "I have found two flights that fit: one leaves at 07:40 with a stop, the other at"
    " 11:15 without. Which one shall I book for you? "
)


class TimedFrom(StrEnum):
    """
    When the clock of a batch starts.
    """

    EVENTS = "events"
    """
    When the events are made, and have yet to be encoded.
    """

    DATA = "data"
    """
    Earlier, when there is nothing but the data.
    """


class Payloads:
    """
    An endless supply of what agents say: about 250 bytes of JSON, no two alike.
    """

    def __init__(self) -> None:
        self._numbers: Iterator[int] = count(1_000_000)

    def next(self) -> JSONObject:
        """
        Give the next one.
        """
        number = next(self._numbers)
        return {
            "role": "assistant",
            "content": f"{_TEXT}({number})",
            "call": {"id": f"call_{number}", "name": "search_flights", "ok": True},
        }

    def many(self, number: int) -> list[JSONObject]:
        """
        Give the next *number* of them.
        """
        return [self.next() for _ in range(number)]


async def append_one_by_one(
    contender: Contender, agents: Sequence[int], payloads: Payloads, seconds: float
) -> Sample:
    """
    Let every agent append one event at a time until the time is over.

    The raw driver has no agents: it appends one event for each of them in one
    transaction, over and over.
    """
    if contender.kind == "raw":
        return await _append_in_groups(contender, agents, payloads, seconds)
    latencies: list[float] = []
    failures = 0
    start = perf_counter()

    async def work(agent: int) -> None:
        nonlocal failures
        while (begun := perf_counter()) < start + seconds:
            try:
                await contender.append(agent, payloads.next())
            except Exception:  # a peer that gives up under load is a result, too
                if contender.kind == "store":
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
    contender: Contender, agents: Sequence[int], payloads: Payloads, seconds: float
) -> Sample:
    latencies: list[float] = []
    start = perf_counter()
    while (begun := perf_counter()) < start + seconds:
        await contender.append_to_each(agents, payloads.many(len(agents)))
        latencies.append(perf_counter() - begun)
    return Sample(
        count=len(latencies) * len(agents),
        seconds=perf_counter() - start,
        latencies=latencies,
    )


async def append_batches(
    contender: Contender,
    size: int,
    payloads: Payloads,
    seconds: float,
    *,
    timed_from: TimedFrom,
) -> Sample:
    """
    Append batches of one session until the time is over.
    """
    clock, batches = Stopwatch(), 0
    while clock.seconds < seconds:
        data = payloads.many(size)
        if timed_from is TimedFrom.DATA:
            with clock:
                await contender.append_batch(contender.prepare(0, data))
        else:
            batch = contender.prepare(0, data)
            with clock:
                await contender.append_batch(batch)
        batches += 1
    return Sample(count=batches * size, seconds=clock.seconds)


async def read_session(
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
