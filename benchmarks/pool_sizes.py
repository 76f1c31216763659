"""
How many connections a process needs: ``python -m benchmarks.pool_sizes``, six minutes.

So many agents of one process at once write, or write and read by turns, over pools of
several sizes, on a PostgreSQL server of our own. Each round measures every size in
turn; a table has the medians of the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from time import perf_counter

import asyncpg

from asm_async import Ports, Session, open_ports
from asm_async.conventions import message_sent
from benchmarks.databases import Databases, add_directory_option, databases_on_disk
from benchmarks.measure import Sample, in_turn, percentiles

_POOLS = (1, 2, 5, 10, 20)
_AGENTS = (1, 10, 50, 200)
_LISTENS = """
SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND query LIKE 'LISTEN%'
"""
_TEXT = "x" * 400
_LAST = 50


async def _write(ports: Ports, session_id: str) -> None:
    await ports.store.append_event(message_sent(session_id=session_id, content=_TEXT))


async def _write_and_read(ports: Ports, session_id: str) -> None:
    """
    Do what a turn of a chat takes: its message, and the end of the history.
    """
    await _write(ports, session_id)
    latest = await ports.store.get_latest_sequence(session_id)
    await ports.store.get_events(session_id, after=max(0, latest - _LAST))


_WORKS = {"write": _write, "write and read": _write_and_read}


async def _measure(
    ports: Ports, work: str, session_ids: Sequence[str], seconds: float
) -> Sample:
    """
    Let each agent go on in its own session until the time is over.
    """
    latencies: list[float] = []
    do, start = _WORKS[work], perf_counter()

    async def agent(session_id: str) -> None:
        while (begun := perf_counter()) < start + seconds:
            await do(ports, session_id)
            latencies.append(perf_counter() - begun)

    await asyncio.gather(*map(agent, session_ids))
    return Sample(
        count=len(latencies), seconds=perf_counter() - start, latencies=latencies
    )


async def _tables(
    databases: Databases, rounds: int, seconds: float
) -> dict[str, dict[int, list[list[Sample]]]]:
    """
    Measure each work with each number of agents over each pool, in turn.
    """
    place = await databases.new("postgresql")
    found: dict[str, dict[int, list[list[Sample]]]] = {}
    async with AsyncExitStack() as stack:
        pools: list[Ports] = []
        for size in _POOLS:
            opening = open_ports(
                place.url, migrate=True, pool_size=size, max_overflow=0
            )
            pools.append(await stack.enter_async_context(opening))
        sessions = [Session.new(agent_id="agent") for _ in range(max(_AGENTS))]
        ids = [(await pools[0].store.save_session(each)).id for each in sessions]
        for work in _WORKS:
            found[work] = {}
            for agents in _AGENTS:
                sys.stderr.write(f"{work}: {agents} agents\n")
                takers = [
                    lambda ports=ports, agents=agents, work=work: _measure(
                        ports, work, ids[:agents], seconds
                    )
                    for ports in pools
                ]
                found[work][agents] = await in_turn(takers, rounds)
    await databases.remove(place)
    return found


async def _held(databases: Databases) -> dict[str, int]:
    """
    Count the connections that one process holds, as it does more and more.
    """
    place = await databases.new("postgresql")
    watching = await asyncpg.connect(databases.server)
    name = place.location.rpartition("/")[2]

    async def count() -> int:
        question = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1"
        return int(await watching.fetchval(question, name))

    found: dict[str, int] = {}
    async with open_ports(place.url, migrate=True, max_overflow=0) as ports:
        session = await ports.store.save_session(Session.new(agent_id="agent"))
        await _write(ports, session.id)
        found["open, and one agent writes"] = await count()
        sessions = [Session.new(agent_id="agent") for _ in range(50)]
        ids = [(await ports.store.save_session(each)).id for each in sessions]
        await _measure(ports, "write", ids, 1)
        found["50 agents write"] = await count()
        await _measure(ports, "write and read", ids, 1)
        found["50 agents write and read"] = await count()
        following = ports.feed.follow_session(session.id, after=0)
        # The second event is not there yet: its announcement is waited for.
        await anext(following)
        waiting = asyncio.ensure_future(anext(following))
        while not await watching.fetchval(_LISTENS, name):  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.01)
        await _write(ports, session.id)
        await waiting
        await _measure(ports, "write and read", ids, 1)
        found["the same, and somebody follows"] = await count()
        await following.aclose()
    await watching.close()
    await databases.remove(place)
    return found


def _cell(samples: Sequence[Sample]) -> str:
    latencies = percentiles([one for sample in samples for one in sample.latencies])
    first, *_, last = latencies.values()
    rate = median(sample.rate for sample in samples)
    return f"{rate:,.0f} ({first * 1000:.1f} / {last * 1000:.1f})"


def _print_tables(found: dict[str, dict[int, list[list[Sample]]]]) -> None:
    for work, rows in found.items():
        heads = " | ".join(f"pool of {size}" for size in _POOLS)
        sys.stdout.write(f"\n{work}\n\n| agents | {heads} |\n")
        sys.stdout.write("| ---: " * (len(_POOLS) + 1) + "|\n")
        for agents, cells in rows.items():
            row = " | ".join(map(_cell, cells))
            sys.stdout.write(f"| {agents} | {row} |\n")


async def _work(databases: Databases, options: argparse.Namespace) -> None:
    for what, count in (await _held(databases)).items():
        sys.stdout.write(f"{what}: {count} connections\n")
    _print_tables(await _tables(databases, options.rounds, options.seconds))


def main() -> None:
    """
    Measure and print.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5)
    add_directory_option(parser)
    options = parser.parse_args()
    directory: Path = options.directory
    with databases_on_disk(directory, ["postgresql"]) as databases:
        asyncio.run(_work(databases, options))


if __name__ == "__main__":
    main()
