"""
A PostgreSQL server that follows another one, until it is promoted in its place.
"""

from __future__ import annotations

import asyncio
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.sql import create_engine
from tests.postgres_server import PostgresServer, give_away

__all__ = ["Address", "StandbyServer", "ask"]

_SECONDS = 30


class Address:
    """
    One address for whichever server is the primary, as a proxy or a DNS name is.

    Args:
        server: Which one it is at first.
    """

    def __init__(self, server: PostgresServer) -> None:
        self.server: PostgresServer = server

    def engine(self, **options: Any) -> AsyncEngine:
        """
        Make an engine whose connections go to the server that is the primary by then.
        """
        engine = create_engine(self.server.url, **options)

        def connect(
            _dialect: object, _record: object, _args: object, parameters: Any
        ) -> None:
            parameters["port"] = sa.make_url(self.server.url).port

        sa_event.listen(engine.sync_engine, "do_connect", connect)
        return engine


class StandbyServer(PostgresServer):
    """
    A server that begins with a copy of another's data and follows it.

    Args:
        primary: Which is running.
    """

    def __init__(self, primary: PostgresServer) -> None:
        self._primary_url = sa.make_url(primary.url)
        url = self._primary_url
        super().__init__(
            {
                "primary_conninfo": f"host={url.host} port={url.port}"
                f" user={url.username} password={url.password}"
            }
        )
        self._password = str(url.password)

    def _make_cluster(self) -> None:
        url = self._primary_url.render_as_string(hide_password=False)
        arguments = [f"--dbname={url}", f"--pgdata={self._data}", "--no-sync"]
        if self._spawn("pg_basebackup", "--checkpoint=fast", *arguments).wait():
            raise RuntimeError(f"pg_basebackup failed:\n{self._log.read_text()}")
        signal = self._data / "standby.signal"
        signal.touch()
        give_away(signal)

    def url_of(self, url: str) -> str:
        """
        Return where it has a database of the primary.
        """
        there = sa.make_url(url).set(port=sa.make_url(self.url).port)
        return there.render_as_string(hide_password=False)

    async def catch_up(self) -> None:
        """
        Wait until it has all that the primary has.
        """
        question = "SELECT CAST(pg_current_wal_insert_lsn() AS TEXT)"
        end = await ask(self._primary_url, question)
        await self._until(f"pg_last_wal_replay_lsn() >= '{end}'")

    async def stop_following(self) -> None:
        """
        Receive nothing any more, as if the network were cut.
        """
        await ask(self.url, "ALTER SYSTEM SET primary_conninfo = ''")
        await ask(self.url, "SELECT pg_reload_conf()")
        await self._until("NOT EXISTS (SELECT FROM pg_stat_wal_receiver)")

    async def hold_back(self) -> None:
        """
        Lag, from now on.
        """
        await ask(self.url, "SELECT pg_wal_replay_pause()")
        await self._until("pg_get_wal_replay_pause_state() = 'paused'")

    async def go_on(self) -> None:
        """
        Undo :meth:`hold_back`.
        """
        await ask(self.url, "SELECT pg_wal_replay_resume()")

    def log_text(self) -> str:
        """
        Return what the server has logged.
        """
        return self._log.read_text()

    async def promote(self) -> None:
        """
        Make it the primary.
        """
        assert await ask(self.url, f"SELECT pg_promote(true, {_SECONDS})")

    async def _until(self, condition: str) -> None:
        async with asyncio.timeout(_SECONDS):
            while not await ask(self.url, f"SELECT {condition}"):  # noqa: ASYNC110 - none is set
                await asyncio.sleep(0.01)


async def ask(url: str | sa.URL, question: str) -> Any:
    """
    Return what a server answers to one statement, which is no transaction's part.
    """
    engine = create_engine(url)
    try:
        async with engine.connect() as conn:
            await conn.execution_options(isolation_level="AUTOCOMMIT")
            answer = await conn.execute(sa.text(question))
            return answer.scalar() if answer.returns_rows else None
    finally:
        await engine.dispose()
