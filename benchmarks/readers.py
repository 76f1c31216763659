"""
What standbys take off the primary: ``python -m benchmarks.readers``, three minutes.

A primary and a hot standby of our own, on this machine. The same work is done in turn
by ports that know the primary alone and by ports that read from the standby, and the
processor time of the primary's processes is added up. Then it is measured how long a
read of what was just written takes, and how late a follower is given an event.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import sqlalchemy as sa

from asm_async import Session, open_ports
from asm_async.conventions import message_sent
from asm_async.fronts.text_search import text_search_of
from asm_async.sql import SQLPorts, create_engine
from benchmarks.measure import percentiles
from tests.standby_pair import Pair, running_pair

_SESSIONS = 200
_EVENTS = 100
_AGENTS = 8
_TURNS = 60
_LAST = 50
_FOLLOWED = 50
_TEXT = "the agent looks up the weather in Lisbon and answers the question " * 6
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")

_TUPLES = sa.text(
    "SELECT tup_returned + tup_fetched FROM pg_stat_database WHERE datname = 'postgres'"
)


def _seconds_of(pid: int) -> tuple[int, float, float]:
    """
    Return a process' parent, its processor time, and that of children that have ended.
    """
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own, ended = sum(map(int, fields[11:13])), sum(map(int, fields[13:15]))
    return int(fields[1]), own / _CLOCK_TICKS, ended / _CLOCK_TICKS


def _children_of(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [*map(int, children.split())]


class _Load:
    """
    What one server has done since the last look.
    """

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url, isolation_level="AUTOCOMMIT")
        self._before = (0.0, 0)

    async def since(self) -> tuple[float, int]:
        """
        Return the seconds of a processor, and the rows that were looked at.
        """
        async with self._engine.connect() as conn:
            await conn.execute(sa.text("SELECT pg_stat_force_next_flush()"))
            pid = (await conn.execute(sa.text("SELECT pg_backend_pid()"))).scalar_one()
            tuples = int((await conn.execute(_TUPLES)).scalar_one())
        server, _, _ = _seconds_of(pid)
        _, seconds, ended = _seconds_of(server)
        seconds += ended + sum(_seconds_of(child)[1] for child in _children_of(server))
        (before, rows), self._before = self._before, (seconds, tuples)
        return seconds - before, tuples - rows

    async def aclose(self) -> None:
        await self._engine.dispose()


async def _fill(ports: SQLPorts) -> list[str]:
    """
    Store sessions of a hundred messages each, and index their texts.
    """
    ids: list[str] = []
    for number in range(_SESSIONS):
        session = Session.new(agent_id=f"agent {number % 5}")
        ids.append((await ports.store.save_session(session)).id)
        events = [
            message_sent(session_id=ids[-1], content=_TEXT) for _ in range(_EVENTS)
        ]
        await ports.store.append_events(events)
    await text_search_of(ports).update()
    return ids


async def _agent(ports: SQLPorts, session_id: str) -> None:
    """
    Append messages, and read the end of the history before each.
    """
    for _ in range(_TURNS):
        await ports.store.get_events(session_id, last=_LAST)
        event = message_sent(session_id=session_id, content=_TEXT)
        await ports.store.append_event(event)


async def _people(ports: SQLPorts, session_id: str) -> None:
    """
    Look at lists, sessions and searches, as a console does.
    """
    query, text_search = ports.query, text_search_of(ports)
    calls: Sequence[Callable[[], Coroutine[Any, Any, Any]]] = (
        lambda: query.search_sessions(order_by="last_activity_desc", limit=50),
        lambda: query.search_events(session_ids=[session_id]),
        lambda: query.get_session_stats(session_id),
        lambda: query.export_session(session_id),
        lambda: text_search.search_text("weather Lisbon", session_id=session_id),
    )
    for number in range(_TURNS):
        await calls[number % len(calls)]()


async def _work(ports: SQLPorts, ids: Sequence[str]) -> float:
    """
    Let agents and people go on beside each other, and return how long it took.
    """
    begun = perf_counter()
    await asyncio.gather(
        *(_agent(ports, session_id) for session_id in ids[:_AGENTS]),
        *(_people(ports, session_id) for session_id in ids[_AGENTS : 2 * _AGENTS]),
    )
    return perf_counter() - begun


async def _reads_of_own_writes(ports: SQLPorts, session_id: str) -> list[float]:
    """
    Return how long it takes to read what was written: by its token, if there are any.
    """
    found: list[float] = []
    for _ in range(200):
        event = message_sent(session_id=session_id, content=_TEXT)
        await ports.store.append_event(event)
        begun = perf_counter()
        if ports.readers is None:
            (last,) = await ports.store.get_events(session_id, last=1)
        else:
            token = await ports.readers.token()
            with ports.readers.reading(after=token):
                (last,) = await ports.store.get_events(session_id, last=1)
        found.append(perf_counter() - begun)
        if last.id != event.id:
            raise RuntimeError("a read did not find what was written before it")
    return found


async def _delays(ports: SQLPorts, writer: SQLPorts, session_id: str) -> list[float]:
    """
    Return how late a follower is given what another process appends now and then.
    """
    written: dict[str, float] = {}
    found: list[float] = []
    latest = await writer.store.get_latest_sequence(session_id)

    async def write() -> None:
        for _ in range(_FOLLOWED):
            await asyncio.sleep(0.13)
            event = message_sent(session_id=session_id, content=_TEXT)
            await writer.store.append_event(event)
            written[event.id] = perf_counter()

    writing = asyncio.create_task(write())
    async for event in ports.feed.follow_session(session_id, after=latest):
        found.append(perf_counter() - written.get(event.id, perf_counter()))
        if len(found) == _FOLLOWED:
            break
    await writing
    return found


async def _compare(
    names: dict[str, SQLPorts], pair: Pair, ids: list[str], rounds: int
) -> None:
    """
    Do the same work in turn, and say what each server did for it.
    """
    loads = [_Load(pair.primary.url), _Load(pair.standby.url)]
    table: dict[str, list[tuple[float, ...]]] = {name: [] for name in names}
    for number in range(rounds + 1):
        for name in list(names)[:: 1 if number % 2 else -1]:
            for load in loads:
                await load.since()
            row = [await _work(names[name], ids)]
            # A backend reports what it has looked at after ten idle seconds at most.
            await asyncio.sleep(10.5)
            for load in loads:
                row += await load.since()
            if number:
                table[name].append(tuple(row))
    for load in loads:
        await load.aclose()
    columns = "s, primary: CPU s, rows, standby: CPU s, rows"
    for name, rows in table.items():
        middle = [f"{median(column):,.2f}" for column in zip(*rows, strict=True)]
        sys.stdout.write(f"{name} ({columns}): {', '.join(middle)}\n")
    first, second = table.values()
    for column, what in ((1, "processor time"), (2, "rows")):
        both = zip(first, second, strict=True)
        share = median(1 - other[column] / each[column] for each, other in both)
        sys.stdout.write(f"taken off the primary, {what}: {share:.0%}\n")


async def _measure(pair: Pair, rounds: int) -> None:
    url, standby = pair.primary.url, pair.standby.url
    alone = open_ports(url, migrate=True)
    beside = open_ports(url, readers=[standby])
    async with alone as one, beside as two, open_ports(url) as writer:
        ids = await _fill(one)
        await pair.standby.catch_up()
        names = {"the primary alone": one, "with a standby": two}
        await _compare(names, pair, ids, rounds)
        for name, ports in names.items():
            reading = _reads_of_own_writes(ports, ids[0])
            await _say("reading one's own write", name, reading)
        for name, ports in names.items():
            await _say("a follower's delay", name, _delays(ports, writer, ids[1]))
        sys.stdout.write(f"{two.readers and two.readers.states}\n")


async def _say(
    what: str, name: str, measuring: Coroutine[Any, Any, list[float]]
) -> None:
    ranks = percentiles(await measuring)
    told = ", ".join(f"{rank} {1000 * ranks[rank]:.1f} ms" for rank in ("p50", "p95"))
    sys.stdout.write(f"{what}, {name}: {told}\n")


def main() -> int:
    """
    Measure, and print what was found.
    """
    parser = argparse.ArgumentParser(prog="benchmarks.readers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often (5)")
    options = parser.parse_args()
    with running_pair({"fsync": "on", "full_page_writes": "on"}) as pair:
        asyncio.run(_measure(pair, options.rounds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
