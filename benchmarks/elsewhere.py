"""
The store of any checkout, in a process of its own.

    python -P -m benchmarks.elsewhere DATABASE LOCATION

reads one work after the other from its input, as JSON, and answers each with a sample.
Old and new code can so be measured in turn, by the same benchmarks.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, cast

from benchmarks.contenders import Contender, Kind, Maker, Store
from benchmarks.databases import Database, Place
from benchmarks.measure import Sample
from benchmarks.workloads import take_here

__all__ = ["Elsewhere", "checkouts", "environment", "stores", "take"]

_CHECKOUT = Path(__file__).parent.parent

# A line has the latency of every call of a round.
_MAX_LINE_BYTES = 2**26


class Elsewhere(Contender):
    """
    The store of a checkout.
    """

    has_batches = True

    def __init__(self, place: Place, *, name: str, kind: Kind, path: str) -> None:
        super().__init__(place)
        self.name = name  # type: ignore[misc] # one class for all checkouts
        self.kind = kind  # type: ignore[misc] # the same
        self._path = path

    async def open(self) -> None:
        """
        Start the process, which opens the store.
        """
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", __spec__.name),
            *(self.place.database, self.place.location),
            stdin=PIPE,
            stdout=PIPE,
            limit=_MAX_LINE_BYTES,
            env=environment(self._path),
        )
        self._exits.push_async_callback(self._process.communicate, b"")
        await self.ask("add_sessions", agents=[])

    async def add_sessions(self, agents: Sequence[int]) -> None:
        """
        Save the sessions.
        """
        await self.ask("add_sessions", agents=list(agents))

    async def ask(self, work: str, **options: Any) -> Sample:
        """
        Let the process do some work.
        """
        assert self._process.stdin  # noqa: S101 - it was asked for
        assert self._process.stdout  # noqa: S101 - it was asked for
        self._process.stdin.write(json.dumps([work, options]).encode() + b"\n")
        if not (line := await self._process.stdout.readline()):
            raise RuntimeError(f"{self.name} ended at {work}")
        return Sample(**json.loads(line))


async def take(contender: Contender, work: str, **options: Any) -> Sample:
    """
    Let a contender do some work, in whichever process it is.
    """
    if isinstance(contender, Elsewhere):
        return await contender.ask(work, **options)
    return await take_here(contender, work, **options)


def environment(path: str) -> dict[str, str]:
    """
    Return an environment in which *path* comes first where modules are looked for.

    What was compiled is kept below it, whatever the environment says about that: nobody
    starts an application twice without.
    """
    compiled = {
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": f"{path}/compiled",
    }
    return {**os.environ, "PYTHONPATH": path, **compiled}


def checkouts(directory: Path, against: Path | None) -> list[tuple[str, str, Kind]]:
    """
    Return a path, a name and a kind for this checkout and for the other one.
    """
    found: list[tuple[str, str, Kind]] = [
        (_linked(directory, _CHECKOUT), "asm_async", "store")
    ]
    if against is not None:
        found.append((_linked(directory, against), "asm_async before", "before"))
    return found


def stores(directory: Path, against: Path | None) -> list[Maker]:
    """
    Return the store; beside that of another checkout, each in a process of its own.

    Args:
        directory: Where links to the packages are made.

        against: The other checkout.
    """
    if against is None:
        return [Store]
    return [
        partial(Elsewhere, name=name, kind=kind, path=path)
        for path, name, kind in checkouts(directory, against)
    ]


def _linked(directory: Path, checkout: Path) -> str:
    # Each package comes from another checkout, so that no checkout's own directory can
    # stand where Python looks for them.
    path = directory / f"path{len(list(directory.glob('path*')))}"
    path.mkdir()
    (path / "asm_async").symlink_to(checkout.resolve() / "asm_async")
    (path / "benchmarks").symlink_to(_CHECKOUT / "benchmarks")
    return str(path)


async def _serve(place: Place) -> None:
    gc.collect()
    gc.freeze()
    async with Store(place) as store:
        while line := await asyncio.to_thread(sys.stdin.readline):
            work, options = json.loads(line)
            sample = await take_here(store, work, **options)
            sys.stdout.write(json.dumps(asdict(sample)) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    _database, _location = sys.argv[1:]
    _place = Place(database=cast("Database", _database), location=_location)
    asyncio.run(_serve(_place))
