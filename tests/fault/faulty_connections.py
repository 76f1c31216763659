"""
Real connections that fail at a chosen moment: at a statement, or on the way to it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from typing import Any, TypeAlias

import asyncpg
import attrs
import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = [
    "Fault",
    "FaultyWay",
    "at_statement",
    "failing_at_commit",
    "faulty_way",
    "terminated",
]

Act: TypeAlias = Callable[[Any], Awaitable[None]]

_CHUNK = 65_536


@contextmanager
def at_statement(
    engine: AsyncEngine,
    beginning: str,
    act: Act,
    *,
    is_answered: bool = False,
    skipped: int = 0,
    times: int = 1,
) -> Generator[list[str]]:
    """
    Do something on the driver's connection at the first statements of a kind.

    Args:
        engine: Whose statements to watch.

        beginning: How the statement begins.

        act: Takes the driver's connection; what it raises is the statement's failure.

        is_answered: Act when the database has answered, rather than before it is asked.

        skipped: How many of the statements to let pass first.

        times: At how many of the statements then.

    Yields:
        The statements at which it was done.
    """
    done: list[str] = []
    seen = count()

    def on_statement(
        conn: sa.Connection, _cursor: object, statement: str, *_: object
    ) -> None:
        if not statement.lstrip().startswith(beginning):
            return
        if skipped <= next(seen) < skipped + times:
            done.append(statement)
            adapted: Any = conn.connection.dbapi_connection
            adapted.run_async(act)

    moment = "after_cursor_execute" if is_answered else "before_cursor_execute"
    sa_event.listen(engine.sync_engine, moment, on_statement)
    try:
        yield done
    finally:
        sa_event.remove(engine.sync_engine, moment, on_statement)


def terminated(url: str) -> Act:
    """
    Give the act that ends a PostgreSQL connection from the server's side.
    """

    async def act(driver: Any) -> None:
        pid = driver.get_server_pid()
        admin = await asyncpg.connect(url.replace("+asyncpg", ""))
        try:
            await admin.execute("SELECT pg_terminate_backend($1)", pid)
            is_there = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)"
            while await admin.fetchval(is_there, pid):
                pass
        finally:
            await admin.close()

    return act


def failing_at_commit(error: Exception) -> type[sqlite3.Connection]:
    """
    Make a class of SQLite connections whose first COMMIT is carried out and then fails.

    Args:
        error: What the connection raises.
    """
    errors = [error]

    class FailingConnection(sqlite3.Connection):
        def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
            cursor = super().execute(sql, *args)
            if sql == "COMMIT" and errors:
                raise errors.pop()
            return cursor

    return FailingConnection


@attrs.define(eq=False, kw_only=True)
class Fault:
    """
    What shall happen to the next message of a kind.
    """

    marker: bytes
    """
    Bytes of the message.
    """

    is_delivered: bool
    """
    Whether the server gets it.
    """

    is_answered: bool
    """
    Whether the client gets the answer, when it is :attr:`released`; if not, the
    connection breaks.
    """

    happened: asyncio.Event = attrs.field(factory=asyncio.Event)
    """
    Set when the message was lost, or was answered by the server.
    """

    released: asyncio.Event = attrs.field(factory=asyncio.Event)
    """
    To be set when an answer that is held back may go on.
    """


class FaultyWay:
    """
    A way to a PostgreSQL server on which messages and answers get lost.
    """

    def __init__(self, target: sa.URL, port: int) -> None:
        self._target = target
        self._port = port
        self._fault: Fault | None = None
        self.is_blocked = False
        """
        Whether no new connection gets through.
        """

    @property
    def url(self) -> str:
        """
        The server's URL by this way.
        """
        here = self._target.set(host="127.0.0.1", port=self._port)
        # What is encrypted could not be read.
        plain = here.update_query_dict({"ssl": "disable"})
        return plain.render_as_string(hide_password=False)

    def lose(self, marker: bytes) -> Fault:
        """
        Break the connection before the server gets the next message with *marker*.
        """
        return self._arm(marker, is_delivered=False, is_answered=False)

    def lose_answer(self, marker: bytes) -> Fault:
        """
        Break the connection when the server has carried out the next such message.
        """
        return self._arm(marker, is_delivered=True, is_answered=False)

    def hold_answer(self, marker: bytes) -> Fault:
        """
        Hold back the answer to the next such message until it is released.
        """
        return self._arm(marker, is_delivered=True, is_answered=True)

    def _arm(self, marker: bytes, *, is_delivered: bool, is_answered: bool) -> Fault:
        self._fault = Fault(
            marker=marker, is_delivered=is_delivered, is_answered=is_answered
        )
        return self._fault

    def fault_of(self, message: bytes) -> Fault | None:
        """
        Take the fault that shall happen to *message*, if it is the one.
        """
        fault = self._fault
        if fault is None or fault.marker not in message:
            return None
        self._fault = None
        return fault


@asynccontextmanager
async def faulty_way(url: str) -> AsyncGenerator[FaultyWay]:
    """
    Open a way to the server of *url*, which loses nothing until it is told to.
    """
    target = sa.make_url(url)
    relays: dict[asyncio.Task[None], asyncio.WriteTransport] = {}

    async def relay(client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if way.is_blocked:
            back.transport.abort()
            return
        relays[task] = back.transport
        there = await asyncio.open_connection(target.host, target.port or 5432)
        try:
            await _relay(way, (client, back), there)
        finally:
            back.transport.abort()
            there[1].transport.abort()
            del relays[task]

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    way = FaultyWay(target, server.sockets[0].getsockname()[1])
    try:
        yield way
    finally:
        server.close()
        for transport in relays.values():
            transport.abort()
        if relays:
            await asyncio.wait(relays)


_Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _relay(way: FaultyWay, client: _Streams, server: _Streams) -> None:
    """
    Pass on messages and answers until either side or a fault ends it.
    """
    awaited: list[Fault] = []

    async def pass_on_messages() -> None:
        while message := await client[0].read(_CHUNK):
            fault = way.fault_of(message)
            if fault and not fault.is_delivered:
                fault.happened.set()
                return
            if fault:
                awaited.append(fault)
            server[1].write(message)

    async def pass_on_answers() -> None:
        while answer := await server[0].read(_CHUNK):
            if awaited:
                fault = awaited.pop()
                fault.happened.set()
                if not fault.is_answered:
                    return
                await fault.released.wait()
            client[1].write(answer)

    directions = {
        asyncio.ensure_future(pass_on_messages()),
        asyncio.ensure_future(pass_on_answers()),
    }
    await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
    for direction in directions:
        direction.cancel()
    # A connection that breaks is an end like any other here.
    await asyncio.gather(*directions, return_exceptions=True)
