"""
How much memory a contender takes, in a process of its own.

    python -m benchmarks.memory CONTENDER DATABASE LOCATION

opens the contender there, lets agents append, reads a session of 10,000 events, and
prints as JSON how far its resident memory rose at its highest in each of the two.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from benchmarks.contenders import Contender, Store
from benchmarks.databases import Database, Databases, Place
from benchmarks.payloads import Payloads
from benchmarks.raw_drivers import raw_driver
from benchmarks.resident_memory import mebibytes

__all__ = ["can_be_measured", "measure_memory"]

_AGENTS = 256
_APPENDS = 4
_READ = 10_000
_CLEAR_REFS = Path("/proc/self/clear_refs")


def can_be_measured() -> bool:
    """
    Return whether this system says how high memory rose since a given moment: Linux.
    """
    return _CLEAR_REFS.exists()


async def measure_memory(
    databases: Databases, database: Database, peers: Sequence[type[Contender]]
) -> list[dict[str, str | float]]:
    """
    Start one process for each: the store, the raw driver and *peers*.

    Returns:
        For each, "appending" and "reading" in MiB.
    """
    names = [Store.name, "raw driver", *(peer.name for peer in peers)]
    found: list[dict[str, str | float]] = []
    for name in names:
        place = await databases.new(database)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            __spec__.name,
            name,
            database,
            place.location,
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        await databases.remove(place)
        found.append({"database": database, "contender": name, **json.loads(output)})
    return found


def _contender(name: str, place: Place) -> Contender:
    # The peers' libraries are loaded only where one of them is asked for.
    for make in (Store, raw_driver):
        if (contender := make(place)).name == name:
            return contender
    from benchmarks.peers import peers_on  # noqa: PLC0415

    (peer,) = (one for one in peers_on(place.database) if one.name == name)
    return peer(place)


async def _use(contender: Contender) -> dict[str, float]:
    payloads, rises, agents = Payloads(), dict[str, float](), range(_AGENTS)
    async with contender:
        await contender.add_sessions(agents)
        await _append(contender, agents, payloads)
        with _peak(rises, "appending"):
            await _append(contender, agents, payloads)
        if contender.has_batches:
            for _ in range(10):
                data = payloads.many(_READ // 10)
                await contender.append_batch(contender.prepare(0, data))
            with _peak(rises, "reading"):
                await contender.read(0)
    return rises


async def _append(
    contender: Contender, agents: Sequence[int], payloads: Payloads
) -> None:
    async def work(agent: int) -> None:
        for _ in range(_APPENDS):
            await contender.append(agent, payloads.next())

    if contender.appends_in_groups:
        for _ in range(_APPENDS):
            await contender.append_to_each(agents, payloads.many(len(agents)))
    else:
        await asyncio.gather(*map(work, agents))


@contextmanager
def _peak(rises: dict[str, float], name: str) -> Generator[None]:
    gc.collect()
    _CLEAR_REFS.write_text("5")
    before = mebibytes("VmRSS")
    yield
    rises[name] = round(mebibytes("VmHWM") - before, 1)


if __name__ == "__main__":
    _name, _database, _location = sys.argv[1:]
    _place = Place(database=cast("Database", _database), location=_location)
    print(json.dumps(asyncio.run(_use(_contender(_name, _place)))))  # noqa: T201 - read by whoever started this
