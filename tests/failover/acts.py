"""
What befalls a cluster with a synchronous standby.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import TypeAlias

from tests.failover.cluster import Cluster
from tests.failover.load import Load

__all__ = ["ACTS", "Act"]

Act: TypeAlias = Callable[[Cluster, Load, Random], Awaitable[None]]
"""
Brings a misfortune about, and makes good what is not made good by itself.
"""

_FAILOVER_SECONDS = 90.0
_LONGEST_CUT = 9.0


async def kill_primary(cluster: Cluster, _load: Load, _random: Random) -> None:
    """
    Kill all processes of the primary's host, and start it when another is primary.
    """
    primary = await cluster.leader()
    primary.kill()
    await cluster.wait_for_another(primary, seconds=_FAILOVER_SECONDS)
    primary.start()


async def freeze_primary(cluster: Cluster, load: Load, random: Random) -> None:
    """
    Stop every process of the primary's host, and let them go on after the failover.

    With two servers nothing can be acknowledged before the host is back.
    """
    primary = await cluster.leader()
    primary.freeze()
    await cluster.wait_for_another(primary, seconds=_FAILOVER_SECONDS)
    if len(cluster.nodes) > 2:
        await load.writers.wait_for(random.randint(1, 20))
    primary.thaw()


async def switch_over(cluster: Cluster, _load: Load, _random: Random) -> None:
    """
    Hand over to the synchronous standby, as before maintenance.
    """
    primary, standby = await cluster.leader(), await cluster.synchronous_standby()
    body = {"leader": primary.name, "candidate": standby.name}
    answer = await primary.ask("/switchover", body)
    assert "Successfully switched over" in str(answer), answer


async def freeze_standby(cluster: Cluster, _load: Load, random: Random) -> None:
    """
    Stop the standby that commits wait for, until there is another one, or for a while.
    """
    standby = await cluster.synchronous_standby()
    standby.freeze()
    if len(cluster.nodes) > 2:
        await cluster.wait_for_another_standby(standby, seconds=_FAILOVER_SECONDS)
    else:
        await asyncio.sleep(random.uniform(1, _LONGEST_CUT))
    standby.thaw()


async def cut_network(_cluster: Cluster, load: Load, random: Random) -> None:
    """
    Cut some clients off from every server, which see each other as before.
    """
    random.choice([load.ways.cut, load.ways.fall_silent])()
    await asyncio.sleep(random.uniform(0.5, _LONGEST_CUT))
    load.ways.heal()


ACTS: dict[str, Act] = {
    "kills": kill_primary,
    "switchovers": switch_over,
    "freezes": freeze_primary,
    "standbys": freeze_standby,
    "cuts": cut_network,
}
