"""
A primary and a hot standby of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from typing import TypeAlias

import attrs

from tests.postgres_databases import PostgresDatabases
from tests.postgres_server import PostgresServer
from tests.standby_server import StandbyServer, ask

__all__ = ["Copies", "Pair", "copies_of_template", "running_pair"]

_SECONDS = 30

Copies: TypeAlias = Callable[[], AbstractContextManager[str]]
"""
Makes a database with our tables, and drops it in the end.
"""


@attrs.frozen
class Pair:
    """
    Two servers, of which one follows the other.
    """

    primary: PostgresServer
    standby: StandbyServer

    def on_standby(self, url: str) -> str:
        """
        Return where the standby has a database of the primary.
        """
        return self.standby.url_of(url)

    async def wait_for_standby(self) -> None:
        """
        Have each commit from now on wait until the standby has replayed it.
        """
        url = self.primary.url
        await ask(url, "ALTER SYSTEM SET synchronous_commit = remote_apply")
        await ask(url, "ALTER SYSTEM SET synchronous_standby_names = '*'")
        await ask(url, "SELECT pg_reload_conf()")
        names = "SELECT string_agg(sync_state, '') FROM pg_stat_replication"
        async with asyncio.timeout(_SECONDS):
            while await ask(url, names) != "sync":
                pass


@contextmanager
def running_pair(settings: Mapping[str, str] | None = None) -> Generator[Pair]:
    """
    Yield two servers that are running, and throw them away in the end.
    """
    primary = PostgresServer({"synchronous_commit": "on", **(settings or {})})
    servers = [primary]
    try:
        primary.start()
        standby = StandbyServer(primary)
        servers.append(standby)
        standby.start()
        yield Pair(primary, standby)
    finally:
        for server in reversed(servers):
            server.close()


@contextmanager
def copies_of_template(primary: PostgresServer) -> Generator[Copies]:
    """
    Yield what makes databases on a server, and so on its standby.
    """
    databases = PostgresDatabases(primary.url)
    with closing(databases), databases.migrated() as template:
        yield partial(databases.copy, template)
