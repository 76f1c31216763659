"""
What several primaries carry: ``python -m benchmarks.sharding``, three minutes.

One PostgreSQL server and three, in turn, under the same writers, each of which appends
to a session of its own. What counts on one machine is the rate for each second of
processor time that the servers take: three times as many machines have three times as
much of it. Writers of one server share its transactions. What comes of fewer writers
for each server is shown by one with a third of the writers, and by three that have as
many writers each as the one. Then one of the three is killed, and a table has the 99th
percentile of the appends to the others before and after.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from time import perf_counter

from asm_async import Session
from asm_async.conventions import message_sent
from asm_async.errors import StorageError
from asm_async.sharding import (
    ShardedPorts,
    create_shards,
    open_sharded_ports,
    shard_engine,
)
from asm_async.sql import migrations
from benchmarks.measure import percentiles
from tests.postgres_server import PostgresServer

_TEXT = "x" * 400
_TICKS = os.sysconf("SC_CLK_TCK")


def _server_seconds(pids: Sequence[int]) -> float:
    """
    Return the processor time that some processes and all below them have taken.

    A process that has ended counts in its parent.
    """
    total = 0
    parents: dict[int, int] = {}
    times: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text("utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(path.parent.name)
        parents[pid] = int(fields[1])
        times[pid] = sum(map(int, fields[11:15]))
    for pid, ticks in times.items():
        above = pid
        while above in parents and above not in pids:
            above = parents[above]
        total += ticks if above in pids else 0
    return total / _TICKS


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _pid(server: PostgresServer) -> int:
    path = server.directory / "data" / "postmaster.pid"
    return int(path.read_text("utf-8").split()[0])


async def _prepare(urls: dict[str, str]) -> None:
    engines = {name: shard_engine(url) for name, url in urls.items()}
    for engine in engines.values():
        await migrations.upgrade(engine)
    await create_shards(engines)
    for engine in engines.values():
        await engine.dispose()


async def _write(
    ports: ShardedPorts, session_ids: Sequence[str], seconds: float
) -> dict[str, list[float]]:
    """
    Let each writer append for so long, and return how long each append took.
    """
    end = perf_counter() + seconds
    latencies: dict[str, list[float]] = {each: [] for each in session_ids}

    async def writer(session_id: str) -> None:
        while (begun := perf_counter()) < end:
            try:
                await ports.store.append_event(
                    message_sent(session_id=session_id, content=_TEXT)
                )
            except StorageError:
                return
            latencies[session_id].append(perf_counter() - begun)

    await asyncio.gather(*map(writer, session_ids))
    return latencies


async def _sessions(ports: ShardedPorts, writers: int) -> list[str]:
    sessions = [Session.new(agent_id="bench") for _ in range(writers)]
    for session in sessions:
        await ports.store.save_session(session)
    return [session.id for session in sessions]


def _p99(latencies: Sequence[float]) -> float:
    return percentiles(list(latencies)).get("p99", 0.0) * 1_000


async def _measure(
    servers: Sequence[PostgresServer], writers: int, rounds: int, seconds: float
) -> None:
    one = {"a": servers[0].url}
    three = {name: each.url for name, each in zip("abc", servers[1:], strict=True)}
    async with AsyncExitStack() as stack:
        opened: dict[int, tuple[ShardedPorts, list[str], list[int]]] = {}
        for urls, used in ((one, servers[:1]), (three, servers[1:])):
            await _prepare(urls)
            ports = await stack.enter_async_context(
                open_sharded_ports(urls, pool_size=5, max_overflow=0, timeout=5)
            )
            pids = [_pid(each) for each in used]
            sessions = await _sessions(ports, len(used) * writers)
            opened[len(used)] = ports, sessions, pids
        cases = [(1, writers), (1, writers // 3), (3, writers), (3, 3 * writers)]
        found = {case: list[tuple[float, float]]() for case in cases}
        for _ in range(rounds):
            for case in cases:
                ports, session_ids, pids = opened[case[0]]
                before = _server_seconds(pids)
                latencies = await _write(ports, session_ids[: case[1]], seconds)
                count = sum(map(len, latencies.values()))
                taken = _server_seconds(pids) - before
                found[case].append((count / seconds, count / taken))
        _say("| primaries | writers | appends/s | appends/s of server processor time |")
        _say("| ---: | ---: | ---: | ---: |")
        for (count, used_writers), samples in found.items():
            rate, per_second = (median(each) for each in zip(*samples, strict=True))
            _say(f"| {count} | {used_writers} | {rate:,.0f} | {per_second:,.0f} |")

        ports, session_ids, _ = opened[3]
        session_ids = session_ids[:writers]
        homes = {each: await ports.router.home(each) for each in session_ids}
        others = [each for each in session_ids if homes[each] != "c"]
        before_kill = await _write(ports, session_ids, seconds)
        servers[3].kill()
        after_kill = await _write(ports, session_ids, seconds)
        _say("\n| one of three | p99 of the others' appends, ms |")
        _say("| --- | ---: |")
        for text, latencies in (("alive", before_kill), ("killed", after_kill)):
            times = [time for each in others for time in latencies[each]]
            _say(f"| {text} | {_p99(times):,.1f} |")


def main(arguments: Sequence[str]) -> int:
    """
    Measure, and print two tables.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--writers", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args(arguments)
    servers = [PostgresServer(is_durable=True) for _ in range(4)]
    try:
        for server in servers:
            server.start()
        asyncio.run(_measure(servers, options.writers, options.rounds, options.seconds))
    finally:
        for server in servers:
            server.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
