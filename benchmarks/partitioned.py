"""
Measure what partitions cost: ``python -m benchmarks.partitioned``, some five minutes.

A plain schema and one of eight partitions lie on one server and take turns, round by
round: 32 agents append, then all events are followed from the start. What counts is the
ratio of a round; its median stands, with the lowest and the highest.
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import aclosing
from statistics import median
from time import perf_counter

from rich.console import Console
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.sql import SQLEventFeed, SQLSessionStore, create_engine, migrations
from asm_async.values.event import Event, EventType
from asm_async.values.session import Session
from benchmarks.databases import add_directory_option, databases_on_disk
from benchmarks.growth_history import payload

_AGENTS = 32


async def new_sessions(engine: AsyncEngine, number: int) -> list[str]:
    """
    Save sessions, and return their ids.
    """
    store = SQLSessionStore(engine)
    sessions = [Session.new(agent_id="agent") for _ in range(number)]
    for session in sessions:
        await store.save_session(session)
    await store.aclose()
    return [session.id for session in sessions]


async def append(engine: AsyncEngine, ids: list[str], seconds: float) -> int:
    """
    Return how many events the agents append, each one after the other.
    """
    store, data = SQLSessionStore(engine), payload("x")
    begun = perf_counter()

    async def agent(own: list[str]) -> int:
        count = 0
        while perf_counter() - begun < seconds:
            type_, session_id = EventType.MESSAGE_SENT, own[count % len(own)]
            event = Event.new(type=type_, session_id=session_id, data=data)
            await store.append_event(event)
            count += 1
        return count

    counts = await asyncio.gather(*(agent(ids[n::_AGENTS]) for n in range(_AGENTS)))
    await store.aclose()
    return sum(counts)


async def follow_rate(engine: AsyncEngine, most: int) -> float:
    """
    Return how many events a second a follower of all sessions is given.
    """
    feed, count = SQLEventFeed(engine), 0
    begun = perf_counter()
    async with aclosing(feed.follow_all()) as events:
        async for _ in events:
            count += 1
            if count == most:
                break
    rate = count / (perf_counter() - begun)
    await feed.aclose()
    return rate


def described(ratios: list[float]) -> str:
    """
    Return the median of some ratios, with the lowest and the highest.
    """
    return f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


async def measure(urls: list[str], options: argparse.Namespace) -> dict[str, str]:
    """
    Let both take turns, each as often first as second.
    """
    engines = [create_engine(url) for url in urls]
    for engine, partitions in zip(engines, (None, options.partitions), strict=True):
        await migrations.upgrade(engine, partitions=partitions)
    ids = [await new_sessions(engine, options.sessions) for engine in engines]
    rates: dict[str, list[list[float]]] = {"append": [], "follow_all": []}
    for number in range(options.rounds):
        turns = (0, 1) if number % 2 else (1, 0)
        found = {n: await append(engines[n], ids[n], options.seconds) for n in turns}
        rates["append"].append([found[0], found[1]])
    # A follower of more than there are would wait for ever.
    most = min(map(sum, zip(*rates["append"], strict=True)))
    for number in range(options.rounds):
        turns = (0, 1) if number % 2 else (1, 0)
        speeds = {n: await follow_rate(engines[n], int(most)) for n in turns}
        rates["follow_all"].append([speeds[0], speeds[1]])
    for engine in engines:
        await engine.dispose()
    return {
        name: described([parted / plain for plain, parted in each])
        for name, each in rates.items()
    }


def main() -> None:
    """
    Measure and show.
    """
    parser = argparse.ArgumentParser(prog="partitioned", description=__doc__)
    parser.add_argument("--partitions", type=int, default=8)
    parser.add_argument("--sessions", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=2.0)
    add_directory_option(parser)
    options = parser.parse_args()
    with databases_on_disk(options.directory, ["postgresql"]) as databases:
        places = [asyncio.run(databases.new("postgresql")) for _ in range(2)]
        found = asyncio.run(measure([place.url for place in places], options))
    for name, ratio in found.items():
        Console().print(f"{name}: {ratio}", markup=False)


if __name__ == "__main__":
    main()
