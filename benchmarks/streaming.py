"""
What a background writer saves a token stream: ``python -m benchmarks.streaming``.

One stream of small events into one session: each append is awaited, or all go through
a ``BackgroundWriter``, which is left in the end, so that everything is durable. The
stream turns the event loop once for each piece, as one that reads a socket does. The
two ways take turns.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from statistics import median

from asm_async import Event, Session, SessionStore, open_store
from asm_async.conventions import message_streamed
from asm_async.recording import BackgroundWriter
from benchmarks.databases import (
    DATABASES,
    Database,
    Databases,
    add_directory_option,
    databases_on_disk,
)

__all__ = ["main"]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.streaming")
    parser.add_argument("--events", type=int, default=3_000)
    parser.add_argument("--rounds", type=int, default=9)
    add_directory_option(parser)
    return parser.parse_args()


def main() -> None:
    """
    Measure both databases and print a table.
    """
    options = _options()
    print("| database | awaited | in the background | ratio | one append_nowait, us |")  # noqa: T201 - what was asked for
    print("| --- | --- | --- | --- | --- |")  # noqa: T201 - the same
    with databases_on_disk(options.directory) as databases:
        for database in DATABASES:
            row = asyncio.run(
                _measure(databases, database, options.events, options.rounds)
            )
            print(row, flush=True)  # noqa: T201 - the same


async def _measure(
    databases: Databases, database: Database, count: int, rounds: int
) -> str:
    place = await databases.new(database)
    awaited: list[float] = []
    behind: list[float] = []
    pauses: list[float] = []
    async with open_store(place.url, migrate=True) as store:
        # The first round does not count.
        for number in range(rounds + 1):
            seconds = await _append_each(store, await _stream(store, count))
            others, pause = await _append_behind(store, await _stream(store, count))
            if number:
                awaited.append(count / seconds)
                behind.append(count / others)
                pauses.append(pause)
    await databases.remove(place)
    ratios = sorted(b / a for a, b in zip(awaited, behind, strict=True))
    return (
        f"| {database} | {median(awaited):,.0f} | {median(behind):,.0f}"
        f" | {median(ratios):.0f} ({ratios[0]:.0f} to {ratios[-1]:.0f})"
        f" | {median(pauses) * 1e6:.0f} |"
    )


async def _stream(store: SessionStore, count: int) -> list[Event]:
    session = await store.save_session(Session.new(agent_id="streaming"))
    return [
        message_streamed(session_id=session.id, run_id="run_1", delta=" token")
        for _ in range(count)
    ]


async def _append_each(store: SessionStore, events: Sequence[Event]) -> float:
    begin = time.perf_counter()
    for event in events:
        await asyncio.sleep(0)
        await store.append_event(event)
    return time.perf_counter() - begin


async def _append_behind(
    store: SessionStore, events: Sequence[Event]
) -> tuple[float, float]:
    """
    Return the seconds of all, and the median of those of one append.
    """
    pauses: list[float] = []
    begin = time.perf_counter()
    async with BackgroundWriter(store) as writer:
        for event in events:
            await asyncio.sleep(0)
            before = time.perf_counter()
            writer.append_nowait(event)
            pauses.append(time.perf_counter() - before)
    return time.perf_counter() - begin, median(pauses)


if __name__ == "__main__":
    main()
