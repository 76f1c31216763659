"""
A way to a server on which messages are lost, held back or cut short.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self, cast
from urllib.parse import urlsplit, urlunsplit

from asm_async.testing.faults.moment import Moment
from asm_async.testing.faults.relays import (
    Direction,
    ProxyAct,
    ProxyFault,
    Relay,
    Streams,
)

__all__ = ["TCPProxy"]


class TCPProxy:
    """
    A relay on 127.0.0.1, which passes on everything until it is told otherwise.

    It knows nothing of what it passes on. A *message* is what arrives at once: what a
    driver sends in one go, up to 64 KiB of it. What is encrypted cannot be searched for
    a marker, so tell the driver to do without.

    Args:
        host: Where the server is.

        port: Where it listens.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._armed: list[ProxyFault] = []
        self._relays: set[Relay] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._past_round_trips = 0
        self._server: asyncio.Server | None = None
        self._speaks = _new_speech()
        # Of connections that are made now.
        self._speaks_to_new = self._speaks
        self.port: int = 0
        """
        Where clients find it.
        """
        self.is_blocked: bool = False
        """
        Whether no new connection gets through.
        """

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        self.is_blocked = True
        self.speak()
        self.cut_connections()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def url(self, url: str) -> str:
        """
        Return the URL by which what *url* names is reached through the proxy.
        """
        parts = urlsplit(url)
        user, at, _ = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{user}{at}127.0.0.1:{self.port}"))

    @property
    def round_trips(self) -> int:
        """
        How often the server has answered something, over all connections.

        An answer that comes in pieces counts once, as do several requests that are
        answered together.
        """
        running = sum(relay.round_trips for relay in self._relays)
        return self._past_round_trips + running

    def arm(
        self,
        act: ProxyAct,
        marker: bytes = b"",
        *,
        moment: Moment = Moment.BEFORE_SEND,
        direction: Direction = Direction.REQUESTS,
        after_bytes: int = 0,
        skip: int = 0,
    ) -> ProxyFault:
        """
        Have something befall one connection, once, as soon as a certain message comes.

        Args:
            act: What.

            marker: Bytes of the message; any message if there are none.

            moment: When, of that message: before it is passed on, when it was, or when
                the first bytes come that are sent the other way after it.

            direction: Which way the message goes.

            after_bytes: How many bytes of what would be the first to be kept back to
                pass on all the same. They may be more than one message has.

            skip: How many such messages to let pass first.

        Returns:
            The fault, which tells when it has happened.
        """
        fault = ProxyFault(
            act=act,
            marker=marker,
            moment=moment,
            direction=direction,
            after_bytes=after_bytes,
            skip=skip,
        )
        self._armed.append(fault)
        return fault

    def disarm(self) -> None:
        """
        Forget the faults that have not begun to happen.
        """
        self._armed.clear()

    def fall_silent(self, *, lets_new_through: bool = False) -> None:
        """
        Pass nothing on any more, and close nothing.

        Args:
            lets_new_through: Whether connections that are made meanwhile work.
        """
        self._speaks.clear()
        if lets_new_through:
            self._speaks_to_new = _new_speech()

    def speak(self) -> None:
        """
        Pass on what was held back, and all that comes.
        """
        self._speaks.set()
        self._speaks_to_new = self._speaks

    def cut_connections(self) -> None:
        """
        Break all connections there are.
        """
        for relay in self._relays:
            relay.cut()

    def _find_fault(
        self, direction: Direction, before: bytes, message: bytes
    ) -> ProxyFault | None:
        for fault in self._armed:
            if fault.strikes(direction, before, message):
                self._armed.remove(fault)
                return fault
        return None

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        speaks = self._speaks_to_new
        server = await self._connect()
        if server is None:
            writer.transport.abort()
            return
        relay = Relay((reader, writer), server, self._find_fault, speaks)
        self._relays.add(relay)
        try:
            await relay.run()
        finally:
            self._past_round_trips += relay.round_trips
            self._relays.discard(relay)

    async def _connect(self) -> Streams | None:
        """
        Connect to the server, unless the way there is blocked before or meanwhile.
        """
        if not self._lets_in():
            return None
        try:
            streams = await asyncio.open_connection(*self._target)
        except OSError:
            return None
        if self._lets_in():
            return streams
        streams[1].transport.abort()
        return None

    def _lets_in(self) -> bool:
        return not self.is_blocked


def _new_speech() -> asyncio.Event:
    speaks = asyncio.Event()
    speaks.set()
    return speaks
