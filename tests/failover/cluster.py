"""
PostgreSQL servers under Patroni, with three etcd members and HAProxy, on loopback.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import asyncpg

from tests.failover.nodes import Node
from tests.failover.programs import give_to_owner, signal_all, spawn
from tests.failover.recipe import documented, rendered, statements, urls
from tests.postgres_server import roomy_memory

__all__ = ["Cluster", "Members", "running_cluster"]

_HOSTS = 3
_START_SECONDS = 120
_POLL_SECONDS = 0.1
_LOG_LINES = 30

_ASYNCHRONOUS = {
    "synchronous_mode: true": "synchronous_mode: false",
    "synchronous_mode_strict: true": "synchronous_mode_strict: false",
}

Members = Mapping[str, Mapping[str, Any]]
"""
What Patroni says of each, by its name.
"""


class Cluster:
    """
    What runs, and what is asked of it.

    Args:
        top: Where everything lies.

        network: What all addresses begin with.

        servers: How many of the hosts have PostgreSQL: two or three.

        is_synchronous: Whether commits wait for a standby, as the page has it.
    """

    def __init__(
        self, top: Path, network: str, *, servers: int, is_synchronous: bool
    ) -> None:
        changes = {} if is_synchronous else _ASYNCHRONOUS
        self.directory: Path = top
        self.is_synchronous: bool = is_synchronous
        self.hosts: list[Node] = [
            Node(top, network, n, has_data=n <= servers, changes=changes)
            for n in range(1, _HOSTS + 1)
        ]
        self.nodes: list[Node] = self.hosts[:servers]
        self._by_name = {node.name: node for node in self.nodes}
        self._network = network
        proxied, several = urls(network=network, servers=servers)
        self.proxied_url: str = proxied
        """
        The URL by HAProxy.
        """
        self.multi_host_url: str = several
        """
        The URL that names every server.
        """

    async def start(self) -> None:
        """
        Start everything, and make the database.
        """
        for node in self.hosts:
            node.start()
        proxy = self.directory / "proxy"
        proxy.mkdir()
        give_to_owner(proxy)
        text = rendered(documented()["/etc/haproxy/haproxy.cfg"], network=self._network)
        (proxy / "haproxy.cfg").write_text(text, "utf-8")
        spawn("haproxy", "-db", "-f", "haproxy.cfg", directory=proxy)
        await self.wait_until_whole(seconds=_START_SECONDS)
        leader = self.node(leader_of(await self.members()))
        conn = await self._superuser(leader)
        try:
            for statement in statements():
                await conn.execute(statement)
        finally:
            await conn.close()

    async def wait_for_replication(self) -> None:
        """
        Wait until every standby has stored what the primary has written by now.
        """
        conn = await self._superuser(await self.leader())
        try:
            end = await conn.fetchval("SELECT pg_current_wal_insert_lsn()")
            missing = "SELECT count(*) FROM pg_stat_replication WHERE flush_lsn < $1"
            while await conn.fetchval(missing, end):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(_POLL_SECONDS)
        finally:
            await conn.close()

    @staticmethod
    async def _superuser(node: Node) -> asyncpg.Connection[Any]:
        return await asyncpg.connect(
            f"postgresql://postgres:superuser-secret@{node.host}:5432/postgres"
        )

    def logs(self) -> str:
        """
        Return the last lines that each program has written.
        """
        told: list[str] = []
        for path in sorted(self.directory.glob("*/*.log")):
            lines = path.read_text("utf-8", "replace").splitlines()
            told += [f"{path}:", *lines[-_LOG_LINES:]]
        return "\n".join(told)

    def close(self) -> None:
        """
        End every process.
        """
        signal_all(self.directory, signal.SIGSTOP, signal.SIGKILL)

    def node(self, name: str) -> Node:
        """
        Return the host of a name.
        """
        return self._by_name[name]

    async def members(self) -> Members:
        """
        Return what some Patroni that answers says of all.
        """
        for node in self.nodes:
            answer = await node.ask("/cluster")
            if isinstance(answer, dict):
                answered = cast("dict[str, list[dict[str, Any]]]", answer)
                return {member["name"]: member for member in answered["members"]}
        return {}

    async def leader(self) -> Node:
        """
        Return who is the primary.
        """
        return self.node(leader_of(await self.members()))

    async def synchronous_standby(self) -> Node:
        """
        Return the standby that commits wait for.
        """
        return self.node(_standby_of(await self.members()))

    async def wait_for_another_standby(self, than: Node, *, seconds: float) -> None:
        """
        Wait until commits wait for another standby.
        """
        await self.wait(
            lambda members: _standby_of(members) not in {"", than.name}, seconds=seconds
        )

    async def wait_until_whole(self, *, seconds: float = _START_SECONDS) -> Members:
        """
        Wait until there is a primary that all others follow, and one that it waits for.
        """
        return await self.wait(self._is_whole, seconds=seconds)

    async def wait_for_another(self, than: Node, *, seconds: float) -> float:
        """
        Wait until another node is the primary, and return after how many seconds.
        """
        start = time.monotonic()
        await self.wait(
            lambda members: leader_of(members) not in {"", than.name}, seconds=seconds
        )
        return time.monotonic() - start

    async def wait(
        self, condition: Callable[[Members], bool], *, seconds: float
    ) -> Members:
        """
        Wait until what Patroni says is as it should be.
        """
        members: Members = {}
        try:
            async with asyncio.timeout(seconds):
                while not condition(members := await self.members()):  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            raise AssertionError(f"after {seconds:.0f} s: {members}") from None
        return members

    def _is_whole(self, members: Members) -> bool:
        roles = [member["role"] for member in members.values()]
        states = [member["state"] for member in members.values()]
        return (
            len(roles) == len(self.nodes)
            and roles.count("leader") == 1
            and states.count("streaming") == len(self.nodes) - 1
            and ("sync_standby" in roles or not self.is_synchronous)
            and len({member.get("timeline") for member in members.values()}) == 1
        )


def leader_of(members: Members) -> str:
    """
    Return the name of the primary that works; nothing if there is none.
    """
    for name, member in members.items():
        if member["role"] == "leader" and member["state"] == "running":
            return name
    return ""


def _standby_of(members: Members) -> str:
    for name, member in members.items():
        if member["role"] == "sync_standby":
            return name
    return ""


@asynccontextmanager
async def running_cluster(
    *, servers: int, is_synchronous: bool = True
) -> AsyncGenerator[Cluster]:
    """
    Yield a cluster that nobody else knows, with an empty database.
    """
    top = Path(tempfile.mkdtemp(prefix="asm-failover-", dir=roomy_memory()))
    give_to_owner(top)
    cluster = Cluster(
        top, _free_network(), servers=servers, is_synchronous=is_synchronous
    )
    try:
        await cluster.start()
        yield cluster
    except Exception as error:
        error.add_note(cluster.logs())
        raise
    finally:
        cluster.close()
        shutil.rmtree(top, ignore_errors=True)


def _free_network() -> str:
    """
    Find addresses of this machine where nobody listens; each port is as on the page.

    Raises:
        RuntimeError: If there are none, as where somebody listens on all addresses.
    """
    for _ in range(10):
        network = f"127.{random.randint(1, 254)}.{random.randint(1, 254)}."
        try:
            for port in (2379, 2380, 5432, 8008):
                with socket.create_server((f"{network}1", port)):
                    pass
        except OSError:
            continue
        return network
    raise RuntimeError("ports 2379, 2380, 5432 or 8008 are taken on all addresses")
