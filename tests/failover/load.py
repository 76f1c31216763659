"""
All who use a database while its servers fail over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path
from random import Random

import attrs

from asm_async.ports.session_store import SessionStore
from asm_async.sql import create_engine
from asm_async.testing.factories import make_session
from asm_async.testing.faults import TCPProxy
from tests.failover.cluster import Cluster
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
from tests.fault.mixed_writing import SESSIONS
from tests.fault.recorded_runs import record_one
from tests.torture.writers import Ledger, Writers

__all__ = ["PATIENT", "RECORDED", "Load", "Ways", "under_load"]

PATIENT = 90.0
"""
The timeout, in seconds, of those who are to notice nothing.
"""

RECORDED = "recorded"
"""
The session of the runs that are recorded.
"""

_HASTY = 3.0
_PAUSE_SECONDS = 0.08
_TURN_SECONDS = 0.3


@attrs.frozen
class Ways:
    """
    Relays from a client to HAProxy and to each server, which nobody else uses.
    """

    relays: tuple[TCPProxy, ...]

    def cut(self) -> None:
        """
        Break what is connected, and let nothing new through.
        """
        for relay in self.relays:
            relay.is_blocked = True
            relay.cut_connections()

    def fall_silent(self) -> None:
        """
        Pass nothing on, and close nothing.
        """
        for relay in self.relays:
            relay.fall_silent()

    def heal(self) -> None:
        """
        Let everything through.
        """
        for relay in self.relays:
            relay.is_blocked = False
            relay.speak()


@attrs.frozen(kw_only=True)
class Load:
    """
    What everybody has done.
    """

    ledger: Ledger
    writers: Writers
    ways: Ways
    pulse: Pulse
    followers: list[Follower]
    counters: list[Counter]
    timeouts: dict[Path, float]
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


@asynccontextmanager
async def under_load(
    cluster: Cluster, directory: Path, random: Random
) -> AsyncGenerator[Load]:
    """
    Have everybody at work while the block lasts, and let them finish in the end.
    """
    ledger, writers, pulse = Ledger(directory), Writers(), Pulse()
    url = cluster.proxied_url
    await ledger.save_all(url)
    async with ledger.open_store("sessions", url) as store:
        await store.save_session(make_session(id=RECORDED))
    async with AsyncExitStack() as stack:
        relays = [
            await stack.enter_async_context(TCPProxy(host, 5432))
            for host in (cluster.proxy_host, *(node.host for node in cluster.nodes))
        ]
        cut_url = relays[0].url(url)
        cut_hosts = cluster.multi_host_url
        for node, relay in zip(cluster.nodes, relays[1:], strict=True):
            cut_hosts = cut_hosts.replace(
                f"{node.host}:5432", f"127.0.0.1:{relay.port}"
            )
        clients = {
            "proxy": (url, PATIENT, 2),
            "hosts": (cluster.multi_host_url, PATIENT, 2),
            "hasty": (url, _HASTY, 1),
            "cut": (cut_url, _HASTY, 1),
            "cut-hosts": (cut_hosts, _HASTY, 1),
        }
        load = Load(
            ledger=ledger,
            writers=writers,
            ways=Ways(tuple(relays)),
            pulse=pulse,
            followers=[],
            counters=[],
            timeouts={},
        )
        for name in ("proxy", "hosts"):
            client_url, timeout, _ = clients[name]
            feed = await stack.enter_async_context(open_feed(client_url, timeout=30))
            load.followers.extend(
                [
                    FeedFollower(f"all-{name}", feed),
                    SessionFollower(f"session-{name}", feed, SESSIONS[0]),
                    (Consumer if name == "proxy" else EffectiveConsumer)(name, feed),
                ]
            )
            path = directory / f"counter-{name}.state"
            load.timeouts[path] = timeout
            counter = open_counter(client_url, path, timeout=timeout)
            load.counters.append(await stack.enter_async_context(counter))
        stores = {
            name: await stack.enter_async_context(
                ledger.open_store(name, client_url, timeout=timeout)
            )
            for name, (client_url, timeout, _) in clients.items()
        }
        recorders = await stack.enter_async_context(
            ledger.open_store("recorders", url, timeout=PATIENT)
        )
        for name, (_, timeout, _) in clients.items():
            load.timeouts[directory / f"{name}.jsonl"] = timeout
        load.timeouts[directory / "recorders.jsonl"] = PATIENT
        ended = asyncio.Event()
        async with asyncio.TaskGroup() as others:
            background = [
                others.create_task(work)
                for work in (
                    pulse.beat(),
                    *(follower.run() for follower in load.followers),
                    *(counter.count(pause=_TURN_SECONDS) for counter in load.counters),
                )
            ]
            try:
                async with asyncio.TaskGroup() as working:
                    for name, (_, _, tasks) in clients.items():
                        for task in range(tasks):
                            writing = writers.write(
                                stores[name],
                                f"{name}-{task}",
                                Random(random.getrandbits(32)),
                                pause=_PAUSE_SECONDS,
                            )
                            working.create_task(writing)
                    working.create_task(_record(recorders, ended))
                    try:
                        yield load
                    finally:
                        load.ways.heal()
                        ended.set()
                        writers.stop()
                await _check_followers(load.followers, url)
            finally:
                for task in background:
                    task.cancel()
        for counter in load.counters:
            await counter.check()


async def _check_followers(followers: Sequence[Follower], url: str) -> None:
    engine = create_engine(url)
    try:
        await check_followers(followers, engine)
    finally:
        await engine.dispose()


async def _record(store: SessionStore, ended: asyncio.Event) -> None:
    """
    Record one run after the other.
    """
    for number in count():
        if ended.is_set():
            return
        await record_one(
            store, RECORDED, f"recorded-{number}", lambda: None, pause=_TURN_SECONDS
        )
