"""
One connection through a proxy: two directions, and what befalls each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import StrEnum
from typing import TypeAlias

import attrs

from asm_async.testing.faults.moment import Moment

__all__ = ["Direction", "ProxyAct", "ProxyFault", "Relay", "Streams"]

_CHUNK = 65_536

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Direction(StrEnum):
    """
    Which way a message goes.
    """

    REQUESTS = "requests"
    """
    From the client to the server.
    """

    ANSWERS = "answers"
    """
    From the server to the client.
    """


class ProxyAct(StrEnum):
    """
    What can befall a connection.
    """

    CUT = "cut"
    """
    It breaks, in both directions.
    """

    STALL = "stall"
    """
    Nothing more goes this way until the fault is released; then everything does.
    """

    HALF_CLOSE = "half_close"
    """
    The receiver is told that nothing more will come, and nothing does; the other
    direction stays open.
    """


@attrs.define(eq=False, kw_only=True)
class ProxyFault:
    """
    What shall befall one connection, once.
    """

    act: ProxyAct
    marker: bytes
    """
    Bytes of the message that it shall happen at; every message has no bytes at all.
    """

    moment: Moment
    direction: Direction
    """
    Which way that message goes.
    """

    after_bytes: int
    """
    How many bytes are still let through, of what would be the first to be kept back.
    """

    skip: int
    """
    How many messages with *marker* to let pass first.
    """

    happened: asyncio.Event = attrs.field(init=False, factory=asyncio.Event)
    """
    Set when it has happened.
    """

    released: asyncio.Event = attrs.field(init=False, factory=asyncio.Event)
    """
    To be set when what is stalled may go on.
    """

    def strikes(self, direction: Direction, before: bytes, message: bytes) -> bool:
        """
        Return whether this is the message, and count those that are let pass.

        Args:
            direction: Which way it goes.

            before: What went that way before it: the marker may have been cut in two.

            message: What it says.
        """
        start = max(0, len(before) + 1 - len(self.marker))
        told = before[start:] + message
        if direction is not self.direction or self.marker not in told:
            return False
        self.skip -= 1
        return self.skip < 0


FindFault: TypeAlias = Callable[[Direction, bytes, bytes], ProxyFault | None]


class _Cut(Exception):  # noqa: N818 - it is what was asked for
    """
    The connection is to break.
    """


class _Lane:
    """
    One direction of a connection.
    """

    def __init__(
        self,
        direction: Direction,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        find_fault: FindFault,
        speaks: asyncio.Event,
    ) -> None:
        self._direction = direction
        self._reader = reader
        self._writer = writer
        self._find_fault = find_fault
        self._speaks = speaks
        self._before = b""
        self._left = 0
        self._is_shut = False
        self.due: ProxyFault | None = None

    async def pass_on(self, opposite: _Lane, on_message: Callable[[], None]) -> None:
        """
        Pass on everything until the sender has no more.
        """
        while message := await self._reader.read(_CHUNK):
            on_message()
            if self.due is None:
                self._look(message, opposite)
            await self._deliver(message)
        self._shut()

    def _look(self, message: bytes, opposite: _Lane) -> None:
        fault = self._find_fault(self._direction, self._before, message)
        self._before = message
        if fault is None:
            return
        struck = opposite if fault.moment is Moment.BEFORE_ANSWER else self
        struck.due = fault
        is_sent = fault.moment is Moment.AFTER_SEND
        struck._left = len(message) if is_sent else fault.after_bytes  # noqa: SLF001 - of its own kind

    async def _deliver(self, message: bytes) -> None:
        if (fault := self.due) is None:
            await self._send(message)
            return
        first, rest = message[: self._left], message[self._left :]
        self._left -= len(first)
        await self._send(first)
        if not self._left:
            self.due = None
            await self._bring_about(fault)
            await self._send(rest)

    async def _bring_about(self, fault: ProxyFault) -> None:
        fault.happened.set()
        match fault.act:
            case ProxyAct.CUT:
                raise _Cut
            case ProxyAct.STALL:
                await fault.released.wait()
            case ProxyAct.HALF_CLOSE:
                self._shut()

    async def _send(self, message: bytes) -> None:
        await self._speaks.wait()
        if message and not self._is_shut:
            self._writer.write(message)
            await self._writer.drain()

    def _shut(self) -> None:
        if not self._is_shut:
            self._is_shut = True
            self._writer.write_eof()


class Relay:
    """
    A connection from a client to the server and back.

    Args:
        client: Both ends of the connection from the client.

        server: Both ends of that to the server.

        find_fault: Returns what shall befall a message.

        speaks: Set as long as anything is passed on.
    """

    def __init__(
        self,
        client: Streams,
        server: Streams,
        find_fault: FindFault,
        speaks: asyncio.Event,
    ) -> None:
        self._writers = (client[1], server[1])
        self._requests = _Lane(
            Direction.REQUESTS, client[0], server[1], find_fault, speaks
        )
        self._answers = _Lane(
            Direction.ANSWERS, server[0], client[1], find_fault, speaks
        )
        self._is_asked = False
        self.round_trips: int = 0
        """
        How often the server has answered something.
        """

    async def run(self) -> None:
        """
        Pass on both ways until both sides have no more, or it breaks.
        """
        tasks = {
            asyncio.ensure_future(self._requests.pass_on(self._answers, self._ask)),
            asyncio.ensure_future(self._answers.pass_on(self._requests, self._count)),
        }
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in tasks:
            task.cancel()
        # A connection that breaks is an end like any other here.
        errors = await asyncio.gather(*tasks, return_exceptions=True)
        if any(errors):
            self.cut()
        for writer in self._writers:
            writer.close()

    def cut(self) -> None:
        """
        Break the connection.
        """
        for writer in self._writers:
            writer.transport.abort()

    def _ask(self) -> None:
        self._is_asked = True

    def _count(self) -> None:
        self.round_trips += self._is_asked
        self._is_asked = False
