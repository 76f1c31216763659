"""
Connections of asyncpg whose every message is a fault point.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from asm_async.testing.faults.fault_points import Fault, FaultPoints, Point
from asm_async.testing.faults.moment import Moment

__all__ = ["watch_asyncpg"]

# The methods of the driver's protocol that talk to the server, and what about: the
# argument that is the statement, or has it as its ``query``, by name and by place.
_EXCHANGES: Mapping[str, tuple[str, int]] = MappingProxyType(
    {
        "bind": ("state", 0),
        "bind_execute": ("state", 0),
        "bind_execute_many": ("state", 0),
        "close_statement": ("state", 0),
        "copy_in": ("copy_stmt", 0),
        "copy_out": ("copy_stmt", 0),
        "execute": ("state", 0),
        "prepare": ("query", 1),
        "query": ("query", 0),
    }
)


def watch_asyncpg(connection: Any, points: FaultPoints) -> None:
    """
    Make each message that *connection* sends from now on a fault point.

    Args:
        connection: An ``asyncpg.Connection``.

        points: Where to tell what shall happen.
    """
    connection._protocol = _WatchedProtocol(connection, points)  # noqa: SLF001 - there is no other way in


class _WatchedProtocol:
    """
    What a connection talks to its server with.
    """

    def __init__(self, connection: Any, points: FaultPoints) -> None:
        self._protocol = connection._protocol  # noqa: SLF001 - see above
        self._exchanges = _Exchanges(connection, points)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._protocol, name)
        if name not in _EXCHANGES:
            return found
        return partial(self._exchanges.exchange, found, _EXCHANGES[name])


class _Exchanges:
    def __init__(self, connection: Any, points: FaultPoints) -> None:
        self._connection = connection
        self._points = points
        self._cut = connection._transport.abort  # noqa: SLF001 - see above

    async def exchange(
        self,
        send: Callable[..., Awaitable[Any]],
        subject: tuple[str, int],
        *args: Any,
        **options: Any,
    ) -> Any:
        """
        Send a message and wait for its answer, with whatever shall happen to them.
        """
        name, place = subject
        about = options[name] if name in options else args[place]
        statement = str(getattr(about, "query", about))
        point = partial(
            Point, statement=statement, connection=self._connection, cut=self._cut
        )
        await self._points.reach(point(moment=Moment.BEFORE_SEND))
        faults = self._points.find(statement, Moment.AFTER_SEND)
        if faults:
            sending = asyncio.ensure_future(send(*args, **options))
            answer = await self._when_sent(sending, faults, point)
        else:
            answer = await send(*args, **options)
        await self._points.reach(point(moment=Moment.BEFORE_ANSWER))
        if self._connection._transport.is_closing():  # noqa: SLF001 - see above
            raise _lost()
        return answer

    async def _when_sent(
        self,
        sending: asyncio.Future[Any],
        faults: list[Fault],
        point: Callable[..., Point],
    ) -> Any:
        # A task that has begun to run has sent the message.
        await asyncio.sleep(0)
        try:
            for fault in faults:
                await fault.act(point(moment=Moment.AFTER_SEND))
        except BaseException:
            # The driver could not tell this answer from the next one.
            self._cut()
            await asyncio.wait({sending})
            sending.exception()
            raise
        return await sending


def _lost() -> Exception:
    """
    Make the error of the driver's for an answer that never came.
    """
    # Anyone who has a connection of the driver has the driver.
    from asyncpg import ConnectionDoesNotExistError  # noqa: PLC0415 - nobody else has

    return ConnectionDoesNotExistError(
        "connection was closed in the middle of operation"
    )
