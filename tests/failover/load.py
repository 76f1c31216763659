"""
All who use a database while its servers fail over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path
from random import Random

import attrs

from asm_async.ports.session_store import SessionStore
from asm_async.sql import create_engine
from asm_async.testing.factories import make_session
from tests.failover.counters import Counter, open_counter
from tests.failover.durations import Pulse
from tests.failover.followers import (
    Consumer,
    EffectiveConsumer,
    FeedFollower,
    Follower,
    SessionFollower,
    open_feed,
)
from tests.failover.verdict import check_followers
from tests.failover.ways import Ways, open_ways
from tests.fault.mixed_writing import SESSIONS
from tests.fault.recorded_runs import record_one
from tests.torture.writers import Ledger, Writers

__all__ = ["PATIENT", "RECORDED", "Load", "under_load"]

PATIENT = 90.0
"""
The timeout, in seconds, of those who are to notice nothing.
"""

RECORDED = "recorded"
"""
The session of the runs that are recorded.
"""

_HASTY = 6.0
_FEED_SECONDS = 30.0
_PAUSE_SECONDS = 0.08
_TURN_SECONDS = 0.3


@attrs.frozen
class Client:
    """
    A store, and how many tasks write with it.
    """

    url: str
    timeout: float
    tasks: int


@attrs.frozen(kw_only=True)
class Load:
    """
    What everybody has done.
    """

    ledger: Ledger
    ways: Ways
    """
    The network of those who can be cut off.
    """

    clients: Mapping[str, Client]
    writers: Writers = attrs.field(factory=Writers)
    pulse: Pulse = attrs.field(factory=Pulse)
    followers: list[Follower] = attrs.field(factory=list[Follower])
    counters: list[Counter] = attrs.field(factory=list[Counter])
    timeouts: dict[Path, float] = attrs.field(factory=dict[Path, float])
    """
    The timeout of those whose calls a history holds.
    """

    @property
    def patient(self) -> list[Path]:
        """
        The histories of writers who are to notice nothing.
        """
        return [
            path for path in self.ledger.histories if self.timeouts.get(path) == PATIENT
        ]

    async def open_store(
        self, name: str, client: Client, stack: AsyncExitStack
    ) -> SessionStore:
        """
        Open a store whose calls are written down.
        """
        opening = self.ledger.open_store(name, client.url, timeout=client.timeout)
        store = await stack.enter_async_context(opening)
        self.timeouts[self.ledger.histories[-1]] = client.timeout
        return store

    async def open_others(self, name: str, url: str, stack: AsyncExitStack) -> None:
        """
        Open followers, a consumer and a counter.
        """
        feed = await stack.enter_async_context(open_feed(url, timeout=_FEED_SECONDS))
        consumer = Consumer if name == "proxy" else EffectiveConsumer
        self.followers.append(FeedFollower(f"all-{name}", feed))
        self.followers.append(SessionFollower(f"one-{name}", feed, SESSIONS[0]))
        self.followers.append(consumer(name, feed))
        path = self.ledger.directory / f"counter-{name}.state"
        counter = open_counter(url, path, timeout=PATIENT)
        self.counters.append(await stack.enter_async_context(counter))
        self.timeouts[path] = PATIENT


@asynccontextmanager
async def under_load(
    proxied_url: str, multi_host_url: str, directory: Path, random: Random
) -> AsyncGenerator[Load]:
    """
    Have everybody at work while the block lasts, and judge what followers were given.

    Args:
        proxied_url: By an address that leads to the primary.

        multi_host_url: By those of all servers.

        directory: Where histories are written.

        random: Where all choices come from.
    """
    ledger = Ledger(directory)
    await ledger.save_all(proxied_url)
    async with ledger.open_store("sessions", proxied_url) as store:
        await store.save_session(make_session(id=RECORDED))
    async with AsyncExitStack() as stack:
        ways = await stack.enter_async_context(open_ways(proxied_url, multi_host_url))
        clients = {
            "proxy": Client(proxied_url, PATIENT, 2),
            "hosts": Client(multi_host_url, PATIENT, 2),
            "hasty": Client(proxied_url, _HASTY, 1),
            "cut": Client(ways.url(proxied_url), _HASTY, 1),
            "cut-hosts": Client(ways.url(multi_host_url), _HASTY, 1),
        }
        load = Load(ledger=ledger, ways=ways, clients=clients)
        for name in ("proxy", "hosts"):
            await load.open_others(name, clients[name].url, stack)
        stores = {
            name: await load.open_store(name, client, stack)
            for name, client in clients.items()
        }
        recorders = Client(proxied_url, PATIENT, 1)
        recorder = await load.open_store("recorders", recorders, stack)
        async with asyncio.TaskGroup() as others:
            background = [others.create_task(load.pulse.beat())]
            background += [others.create_task(each.run()) for each in load.followers]
            background += [
                others.create_task(counter.count(pause=_TURN_SECONDS))
                for counter in load.counters
            ]
            try:
                async with _working(load, stores, recorder, random):
                    yield load
                await _check_followers(load, proxied_url)
            finally:
                for task in background:
                    task.cancel()
        for counter in load.counters:
            await counter.check()


@asynccontextmanager
async def _working(
    load: Load,
    stores: Mapping[str, SessionStore],
    recorder: SessionStore,
    random: Random,
) -> AsyncGenerator[None]:
    """
    Write and record, and finish what was begun when the block ends.
    """
    ended = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for name, store in stores.items():
            for task in range(load.clients[name].tasks):
                chance = Random(random.getrandbits(32))
                writing = load.writers.write(
                    store, f"{name}-{task}", chance, pause=_PAUSE_SECONDS
                )
                group.create_task(writing)
        group.create_task(_record(recorder, ended))
        try:
            yield
        finally:
            load.ways.heal()
            ended.set()
            load.writers.stop()


async def _check_followers(load: Load, url: str) -> None:
    engine = create_engine(url)
    try:
        await check_followers(load.followers, engine)
    finally:
        await engine.dispose()


async def _record(store: SessionStore, ended: asyncio.Event) -> None:
    """
    Record one run after the other.
    """
    for number in count():
        if ended.is_set():
            return
        run_id = f"recorded-{number}"
        await record_one(store, RECORDED, run_id, lambda: None, pause=_TURN_SECONDS)
