"""
The page on failover shows what the campaign of failovers runs.
"""

from __future__ import annotations

import pytest
import yaml

from asm_async.sql import create_engine
from tests.failover.recipe import documented, rendered, statements, urls

NETWORK = "127.1.2."


def test_every_file_of_a_cluster_is_on_the_page() -> None:
    """
    With what is done once on the primary.
    """
    paths = ["/etc/etcd.yaml", "/etc/patroni.yaml", "/etc/haproxy/haproxy.cfg"]
    assert list(documented()) == paths
    assert [line.split()[0] for line in statements()] == ["CREATE", "CREATE"]


def test_a_node_differs_from_the_first_in_its_own_lines_alone() -> None:
    """
    Its name and its addresses; all know the same members.
    """
    text = documented()["/etc/etcd.yaml"]
    first = rendered(text, network=NETWORK).splitlines()
    second = rendered(text, network=NETWORK, number=2).splitlines()
    for one, other in zip(first, second, strict=True):
        assert (one != other) == one.endswith("# this node")
    assert yaml.safe_load("\n".join(second))["name"] == "node2"
    assert text.count("10.0.0.") == "\n".join(second).count(NETWORK)


def test_the_configuration_loses_nothing() -> None:
    """
    A commit waits for a standby, and nobody talks to an old primary.
    """
    cluster = yaml.safe_load(documented()["/etc/patroni.yaml"])["bootstrap"]["dcs"]
    assert cluster["synchronous_mode"] is cluster["synchronous_mode_strict"] is True
    wait = cluster["loop_wait"] + 2 * cluster["retry_timeout"]
    assert wait <= cluster["ttl"]
    proxy = documented()["/etc/haproxy/haproxy.cfg"]
    assert "on-marked-down shutdown-sessions" in proxy


@pytest.mark.parametrize(("servers", "commas"), [(2, 1), (3, 2)])
async def test_the_urls_are_taken(servers: int, commas: int) -> None:
    """
    By HAProxy, and with all servers in it.
    """
    proxied, several = urls(network=NETWORK, servers=servers)
    assert several.count(",") == commas
    for url in (proxied, several):
        await create_engine(url).dispose()
