"""
Measure following: ``python -m benchmarks.following``, in some four minutes.

How late an event comes to a follower, what idle followers cost, and what following
costs those who append. The result is the tables of the documentation.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from statistics import median
from typing import Any

from asm_async import Event, EventType, Session, open_store
from asm_async.sql import SQLEventFeed, SQLSessionStore
from benchmarks.databases import (
    DATABASES,
    Database,
    Databases,
    Place,
    add_directory_option,
    databases_on_disk,
)
from benchmarks.measure import ratio
from benchmarks.raw_following import follow_with_driver

_IDLE = 100
_AGENTS = 32
_ROUNDS = 7
_ROUND_SECONDS = 1.5
_IDLE_SECONDS = 5.0
_DELAYS = 150
_PAUSE_SECONDS = 0.02
_NAME = "ses_{}"


def _say(row: str) -> None:
    sys.stdout.write(f"{row}\n")
    sys.stdout.flush()


def _event(session_id: str) -> Event:
    return Event.new(
        type=EventType.MESSAGE_SENT,
        session_id=session_id,
        data={"content": "x" * 150},
    )


async def _new_place(databases: Databases, database: Database) -> Place:
    place = await databases.new(database)
    async with open_store(place.url, migrate=True) as store:
        for number in range(_IDLE + _AGENTS):
            session = Session.new(id=_NAME.format(number), agent_id="bench")
            await store.save_session(session)
    return place


async def _write_slowly(store: SQLSessionStore) -> dict[str, int]:
    """
    Append to the first session, one event at a time, with pauses.

    Returns:
        When each was acknowledged, by id, on the clock that all processes share.
    """
    acknowledged: dict[str, int] = {}
    for _ in range(_DELAYS):
        event = _event(_NAME.format(0))
        await store.append_event(event)
        acknowledged[event.id] = time.monotonic_ns()
        await asyncio.sleep(_PAUSE_SECONDS)
    return acknowledged


async def _follow(following: AsyncGenerator[Any], given: dict[str, int]) -> None:
    """
    Note when each event comes.
    """
    async with aclosing(following):
        async for found in following:
            event = found[0] if isinstance(found, tuple) else found
            given[event.id] = time.monotonic_ns()


@asynccontextmanager
async def _tasks(calls: Sequence[Any]) -> AsyncGenerator[None]:
    tasks = [asyncio.create_task(call) for call in calls]
    # Until all have read what is there.
    await asyncio.sleep(1.0)
    yield
    for task in tasks:
        task.cancel()
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(ended, Exception):
            raise ended


def _idle_followers(feed: SQLEventFeed) -> list[Any]:
    return [
        _follow(feed.follow_session(_NAME.format(1 + number)), {})
        for number in range(_IDLE)
    ]


async def _delays(place: Place, *, elsewhere: bool) -> dict[str, float]:
    """
    Return the medians for a session's follower and for one of all sessions.
    """
    async with open_store(place.url) as store:
        feed = SQLEventFeed(store.engine)
        latest = await feed.get_latest_checkpoint()
        number = await store.get_latest_sequence(_NAME.format(0))
        given: dict[str, dict[str, int]] = {"one session": {}, "all sessions": {}}
        calls = [
            *_idle_followers(feed),
            _follow(
                feed.follow_session(_NAME.format(0), after=number), given["one session"]
            ),
            _follow(feed.follow_all(checkpoint=latest), given["all sessions"]),
        ]
        async with _tasks(calls):
            if elsewhere:
                acknowledged = await _write_elsewhere(place)
            else:
                acknowledged = await _write_slowly(store)
            await asyncio.sleep(2.0)
        await feed.aclose()
    return {
        name: median(times[id_] - at for id_, at in acknowledged.items()) / 1e6
        for name, times in given.items()
    }


async def _write_elsewhere(place: Place) -> dict[str, int]:
    process = await _other_process("write", place)
    output, _ = await process.communicate()
    return dict(json.loads(output))


async def _other_process(what: str, place: Place) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.following", "--do", what),
        *("--database", place.database, "--location", place.location),
        stdout=PIPE,
    )


async def _idle_cost(place: Place) -> float:
    """
    Return the share of a core that idle followers take.
    """
    async with open_store(place.url) as store:
        feed = SQLEventFeed(store.engine)
        async with _tasks(_idle_followers(feed)):
            begun = time.process_time()
            await asyncio.sleep(_IDLE_SECONDS)
            share = (time.process_time() - begun) / _IDLE_SECONDS
        await feed.aclose()
    return share


async def _append_rate(store: SQLSessionStore) -> float:
    """
    Let agents append for a while; gives events a second.
    """
    appended = 0
    end = time.perf_counter() + _ROUND_SECONDS

    async def agent(number: int) -> None:
        nonlocal appended
        while time.perf_counter() < end:
            await store.append_event(_event(_NAME.format(_IDLE + number)))
            appended += 1

    begun = time.perf_counter()
    await asyncio.gather(*map(agent, range(_AGENTS)))
    return appended / (time.perf_counter() - begun)


class Contender:
    """
    One way of appending, with or without somebody who follows.
    """

    def __init__(self, place: Place, **options: Any) -> None:
        self.place = place
        self.options = options
        self.rates: list[float] = []

    async def followers(self, feed: SQLEventFeed) -> list[Any]:
        """
        Return who follows; nobody.
        """
        _ = feed
        return []

    async def run(self) -> None:
        """
        Take part in one round.
        """
        async with open_store(self.place.url, **self.options) as store:
            feed = SQLEventFeed(store.engine)
            async with _tasks(await self.followers(feed)):
                await _append_one_each(store)
                self.rates.append(await _append_rate(store))
            await feed.aclose()


async def _append_one_each(store: SQLSessionStore) -> None:
    for number in range(_AGENTS):
        await store.append_event(_event(_NAME.format(_IDLE + number)))


class Followed(Contender):
    """
    Five of the sessions are followed in the same process.
    """

    async def followers(self, feed: SQLEventFeed) -> list[Any]:
        """
        Return five followers.
        """
        return [
            _follow(feed.follow_session(_NAME.format(_IDLE + number)), {})
            for number in range(5)
        ]


class FollowedWhole(Contender):
    """
    All sessions are followed in the same process.
    """

    async def followers(self, feed: SQLEventFeed) -> list[Any]:
        """
        Return one follower, from now on.
        """
        checkpoint = await feed.get_latest_checkpoint()
        return [_follow(feed.follow_all(checkpoint=checkpoint), {})]


class ReadBack(Contender):
    """
    All is read back in the same process, by the driver alone.
    """

    async def followers(self, feed: SQLEventFeed) -> list[Any]:
        """
        Return one who does without a feed.
        """
        _ = feed
        return [follow_with_driver(self.place)]


class FollowedElsewhere(Contender):
    """
    Five follow in another process.
    """

    async def run(self) -> None:
        """
        Start the other process, and end it after the round.
        """
        process = await _other_process("follow", self.place)
        await asyncio.sleep(3.0)
        try:
            await super().run()
        finally:
            process.kill()
            await process.communicate()


async def _rates(databases: Databases, database: Database) -> dict[str, Contender]:
    """
    Measure all ways of appending, in turn.
    """
    kinds: dict[str, tuple[type[Contender], dict[str, Any]]] = {
        "nobody follows": (Contender, {}),
        "5 sessions followed in the process": (Followed, {}),
        "all followed in the process": (FollowedWhole, {}),
        "all read back in the process by the raw driver": (ReadBack, {}),
        "5 sessions followed in another process": (FollowedElsewhere, {}),
    }
    if database == "postgresql":
        silent = {"execution_options": {"asm_announces": False}}
        kinds["nothing is announced"] = (Contender, silent)
    contenders = {
        name: kind(await _new_place(databases, database), **options)
        for name, (kind, options) in kinds.items()
    }
    for _ in range(_ROUNDS):
        for contender in contenders.values():
            await contender.run()
    return contenders


def _ratio(one: Contender, other: Contender) -> str:
    middle, lowest, highest = ratio(one.rates, other.rates)
    return f"**{middle:.2f}** ({lowest:.2f} ... {highest:.2f})"


async def _measure(databases: Databases, only: Database | None) -> None:
    for database in [only] if only else DATABASES:
        place = await _new_place(databases, database)
        idle = await _idle_cost(place)
        here = await _delays(place, elsewhere=False)
        there = await _delays(place, elsewhere=True)
        _say(f"| {database} | {_IDLE} idle followers | {idle:.2%} of a core |")
        for name in here:
            _say(
                f"| {database} | delay, {name}, in the process | {here[name]:.1f} ms |"
            )
            _say(f"| {database} | delay, {name}, across | {there[name]:.1f} ms |")
        contenders = await _rates(databases, database)
        plain = contenders.pop("nobody follows")
        _say(f"| {database} | nobody follows | {median(plain.rates):,.0f} a second |")
        for name, contender in contenders.items():
            _say(
                f"| {database} | {name} / nobody follows | {_ratio(contender, plain)} |"
            )


async def _do(what: str, place: Place) -> None:
    """
    Be the other process.
    """
    async with open_store(place.url) as store:
        if what == "write":
            _say(json.dumps(await _write_slowly(store)))
            return
        feed = SQLEventFeed(store.engine)
        await asyncio.gather(*await Followed(place).followers(feed))


def main() -> None:
    """
    Measure and show.
    """
    parser = argparse.ArgumentParser(prog="following", description=__doc__)
    add_directory_option(parser)
    parser.add_argument("--do", help=argparse.SUPPRESS)
    parser.add_argument("--database", choices=DATABASES, help="only this one")
    parser.add_argument("--location", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.do:
        place = Place(database=options.database, location=options.location)
        asyncio.run(_do(options.do, place))
        return
    with databases_on_disk(options.directory) as databases:
        asyncio.run(_measure(databases, options.database))


if __name__ == "__main__":
    main()
