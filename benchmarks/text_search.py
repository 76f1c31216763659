"""
Measure the search for text: ``python -m benchmarks.text_search CONVERSATIONS``.

What is said in real conversations is stored a million times over, with words that are
rare, and indexed. Then pairs of words of one text are searched for. And an agent
appends, alone and beside another process that keeps the index up to date, in turn.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

from rich.console import Console

from asm_async import Event, Session, open_store
from asm_async.conventions import message_received
from asm_async.sql import SQLSessionStore, SQLTextIndex, create_engine
from asm_async.values.search_terms import terms_of
from asm_async.values.text_match import IndexLag
from benchmarks.databases import (
    DATABASES,
    Databases,
    Place,
    add_directory_option,
    databases_on_disk,
)

_SESSIONS = 1_000
_BLOCK = 1_000
_QUERIES = 60
_REPETITIONS = 3
_MIN_WORD = 4
_TASKS = 8


def texts_of(path: Path) -> list[str]:
    """
    Return all that is said in a file of conversations.
    """
    conversations = json.loads(path.read_text(encoding="utf-8"))
    said = [message["content"] for one in conversations for message in one["traj"]]
    return [text for text in said if text]


def event_of(texts: Sequence[str], session_id: str, chance: random.Random) -> Event:
    """
    Make a message of a text, with a rare word and one that is the rarer the longer.
    """
    rare, rarer = chance.randrange(100_000), int(chance.paretovariate(1.0))
    content = f"{chance.choice(texts)} w{rare} w{rarer}"
    return message_received(session_id=session_id, content=content)


async def fill(store: SQLSessionStore, texts: Sequence[str], count: int) -> None:
    """
    Store so many messages in a thousand sessions of ten tenants, in turn.
    """
    chance = random.Random(count)  # noqa: S311 - the same each time
    for number in range(_SESSIONS):
        tenant = f"tenant_{number % 10}"
        session = Session.new(
            id=f"ses_{number}", agent_id="assistant", tenant_id=tenant
        )
        await store.save_session(session)
    for block in range(count // _BLOCK):
        session_id = f"ses_{block % _SESSIONS}"
        await store.append_events(
            [event_of(texts, session_id, chance) for _ in range(_BLOCK)]
        )


async def build(index: SQLTextIndex, console: Console) -> float:
    """
    Index all that is stored, and return how many events that was a second.
    """
    start = said = perf_counter()

    def progress(lag: IndexLag) -> None:
        nonlocal said
        if perf_counter() - said > 10:  # noqa: PLR2004 - seconds
            said = perf_counter()
            console.log(f"{lag.pending_events} events to index")

    count = await index.update(progress=progress)
    return count / (perf_counter() - start)


async def search(index: SQLTextIndex, texts: Sequence[str]) -> dict[str, list[float]]:
    """
    Search for pairs of words, and return the milliseconds that each search took.
    """
    chance = random.Random(7)  # noqa: S311 - the same each time
    took: dict[str, list[float]] = {}
    for _ in range(_QUERIES):
        words = {w for w in terms_of(chance.choice(texts)) if len(w) >= _MIN_WORD}
        pair = " ".join(chance.sample(sorted(words), min(2, len(words))))
        for order in ("relevance", "time"):
            for name, filters in (
                ("", {}),
                (" of a tenant", {"tenant_id": "tenant_3"}),
            ):
                calls: list[float] = []
                for _ in range(_REPETITIONS):
                    start = perf_counter()
                    await index.search_text(pair, order_by=order, **filters)  # type: ignore[arg-type] # one of the two
                    calls.append(1_000 * (perf_counter() - start))
                took.setdefault(order + name, []).append(statistics.median(calls))
    return took


async def append_for(
    store: SQLSessionStore, texts: Sequence[str], seconds: float
) -> float:
    """
    Append with eight tasks for some time, and return how many events that was a second.
    """
    chance = random.Random(7)  # noqa: S311 - the same each time
    start = perf_counter()

    async def append(session_id: str) -> int:
        count = 0
        while perf_counter() - start < seconds:
            await store.append_event(event_of(texts, session_id, chance))
            count += 1
        return count

    counts = await asyncio.gather(*(append(f"ses_{n}") for n in range(_TASKS)))
    return sum(counts) / (perf_counter() - start)


async def append_beside(
    place: Place, texts: Sequence[str], *, rounds: int, seconds: float
) -> list[tuple[float, float]]:
    """
    Return how fast one appends alone, and beside a process that indexes, each round.
    """
    engine = create_engine(place.url)
    store, index = SQLSessionStore(engine), SQLTextIndex(engine)
    rates: list[tuple[float, float]] = []
    for _ in range(rounds):
        alone = await append_for(store, texts, seconds)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", __spec__.name, "--follow", place.url
        )
        try:
            await index.update()
            while (await index.lag()).holder is None:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)
            rates.append((alone, await append_for(store, texts, seconds)))
        finally:
            process.terminate()
            await process.wait()
    await index.aclose()
    await store.aclose()
    await engine.dispose()
    return rates


async def follow(url: str) -> None:
    """
    Keep an index up to date until this process is ended.
    """
    index = SQLTextIndex(create_engine(url))
    async with index.following():
        await asyncio.Event().wait()


async def measure(
    databases: Databases, arguments: argparse.Namespace, console: Console
) -> None:
    """
    Measure each database and print what was found.
    """
    texts = texts_of(arguments.conversations)
    for database in arguments.database or DATABASES:
        place = await databases.new(database)
        async with open_store(place.url, migrate=True) as store:
            start = perf_counter()
            await fill(store, texts, arguments.events)
            rate = arguments.events / (perf_counter() - start)
            console.print(f"{database}: {arguments.events} appended at {rate:.0f}/s")
        engine = create_engine(place.url)
        index = SQLTextIndex(engine)
        console.print(f"{database}: indexed at {await build(index, console):.0f}/s")
        for name, took in (await search(index, texts)).items():
            console.print(f"{database}: two words by {name}, ms: {_spread(took)}")
        await index.aclose()
        await engine.dispose()
        pairs = await append_beside(
            place, texts, rounds=arguments.rounds, seconds=arguments.seconds
        )
        ratios = [beside / alone for alone, beside in pairs]
        console.print(
            f"{database}: appends beside / alone: median"
            f" {statistics.median(ratios):.3f} of {len(ratios)} rounds"
            f" ({', '.join(f'{one:.2f}' for one in ratios)}); alone"
            f" {statistics.median(alone for alone, _ in pairs):.0f}/s"
        )
        await databases.remove(place)


def _spread(took: Sequence[float]) -> str:
    ordered = sorted(took)
    return (
        f"median {statistics.median(ordered):.1f},"
        f" p90 {ordered[len(ordered) * 9 // 10]:.1f}, slowest {ordered[-1]:.1f}"
    )


def main() -> None:
    """
    Measure, or be the process that follows.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("conversations", type=Path, nargs="?")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--database", action="append", choices=DATABASES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--follow", metavar="URL", help=argparse.SUPPRESS)
    add_directory_option(parser)
    arguments = parser.parse_args()
    if arguments.follow:
        asyncio.run(follow(arguments.follow))
        return
    if arguments.conversations is None:
        parser.error("the path of a file of conversations is missing")
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    with databases_on_disk(arguments.directory) as databases:
        asyncio.run(measure(databases, arguments, console))


if __name__ == "__main__":
    main()
