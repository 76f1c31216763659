"""
Failovers with a synchronous standby, in which nothing may be lost.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from asm_async import open_ports
from asm_async.testing.history import read_history
from tests.failover.acts import ACTS
from tests.failover.cluster import Cluster, running_cluster
from tests.failover.durations import (
    MAX_OVERRUN_SECONDS,
    answers,
    longest_overrun,
    longest_stall,
)
from tests.failover.load import RECORDED, Load, under_load
from tests.failover.preparation import make_tables
from tests.fault.recorded_runs import check_runs
from tests.torture.campaign import Setting, Tally
from tests.torture.deadlines import in_time
from tests.torture.writers import check_answers

__all__ = ["Synchronous"]

_RECOVERY_SECONDS = 300


class Synchronous:
    """
    The acts on one cluster, in random order, and what came of them.

    Args:
        servers: How many servers have PostgreSQL.

        acts: How often each act is to happen, by its name.
    """

    def __init__(self, servers: int, acts: Mapping[str, int]) -> None:
        self._servers = servers
        self._acts = acts
        self._times: list[tuple[str, float, float]] = []
        self.figures: dict[str, Any] = {}
        """
        What was really done and measured.
        """

    async def run(self, setting: Setting) -> Tally:
        """
        Bring the acts about under load, and judge.
        """
        order = [name for name, times in self._acts.items() for _ in range(times)]
        setting.random.shuffle(order)
        async with running_cluster(servers=self._servers) as cluster:
            url = cluster.proxied_url
            await make_tables(url)
            async with under_load(
                url, cluster.multi_host_url, setting.directory, setting.random
            ) as load:
                await self._bring_about(order, cluster, load, setting)
            setting.tell("check what is left")
            return await self._judged(load, url)

    async def _bring_about(
        self, order: list[str], cluster: Cluster, load: Load, setting: Setting
    ) -> None:
        for number in setting.each_fault():
            name = order[number]
            await load.writers.wait_for(setting.random.randint(1, 60))
            start = time.monotonic()
            await ACTS[name](cluster, load, setting.random)
            await cluster.wait_until_whole()
            await in_time(load.writers.wait_for_each(), seconds=_RECOVERY_SECONDS)
            self._times.append((name, start, time.monotonic()))
            setting.tell(f"{number + 1}: {name}")
            for follower in load.followers:
                if setting.random.random() < 0.3:
                    follower.begin_again()

    async def _judged(self, load: Load, url: str) -> Tally:
        """
        Assert that every promise was kept, and keep what was measured.
        """
        overruns = {
            path.name: longest_overrun(path, timeout, load.pulse)
            for path, timeout in load.timeouts.items()
        }
        moments = answers(load.patient)
        self.figures = {
            "acts": dict(Counter(name for name, _, _ in self._times)),
            "stalls": {
                name: [
                    round(longest_stall(moments, start, end), 1)
                    for act, start, end in self._times
                    if act == name
                ]
                for name in dict.fromkeys(name for name, _, _ in self._times)
            },
            "events": len(load.followers[0].record),
            "follower_restarts": sum(each.restarts for each in load.followers),
            "counted": sum(counter.acknowledged for counter in load.counters),
            "overrun": round(max(overruns.values()), 2),
        }
        assert max(overruns.values()) < MAX_OVERRUN_SECONDS, overruns
        for path in load.patient:
            check_answers(read_history(path))
        async with open_ports(url) as ports:
            runs = await check_runs(ports.store, ports.state, [RECORDED])
        self.figures["runs"] = sum(runs.values())
        return await load.ledger.judged(url, faults=len(self._times))
