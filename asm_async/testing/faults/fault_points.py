"""
Points in the talk with a database at which one can have something happen.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import attrs

from asm_async.testing.faults.moment import Moment

__all__ = ["Act", "Fault", "FaultPoints", "Hold", "Point", "cut", "failing"]


@attrs.frozen(kw_only=True)
class Point:
    """
    A moment of an exchange with the database, at which something happens.
    """

    statement: str
    """
    What the exchange is about; ``CONNECT`` if it makes the connection.
    """

    moment: Moment
    connection: Any
    """
    The driver's connection; None before there is one.
    """

    cut: Callable[[], object]
    """
    Breaks the connection, as far as there is one.
    """


Act: TypeAlias = Callable[[Point], Awaitable[None]]
"""
What is done at a point that is reached.
"""


def failing(error: Exception) -> Act:
    """
    Make the act that raises *error*.

    Before the database is asked, this is its refusal. Later, it has done what it was
    asked, or may do it, and the connection breaks if the driver could not go on.
    """

    async def act(_: Point) -> None:
        raise error

    return act


async def cut(point: Point) -> None:
    """
    Break the connection; what the caller is told is the driver's to say.
    """
    point.cut()


class Hold:
    """
    The act that waits, until it is released.
    """

    def __init__(self) -> None:
        self.happened: asyncio.Event = asyncio.Event()
        """
        Set when the point was reached.
        """
        self.released: asyncio.Event = asyncio.Event()
        """
        To be set when it may go on.
        """

    async def __call__(self, _: Point) -> None:
        """
        Wait.
        """
        self.happened.set()
        await self.released.wait()


@attrs.define(eq=False, kw_only=True)
class Fault:
    """
    Something that shall happen at some points.
    """

    act: Act
    pattern: re.Pattern[str]
    moment: Moment
    skip: int
    """
    How many more points to let pass.
    """

    times: int
    """
    At how many more points it shall happen then.
    """

    struck: list[str] = attrs.field(init=False, factory=list[str])
    """
    The statements at which it has happened.
    """

    loop: asyncio.AbstractEventLoop = attrs.field(
        init=False, factory=asyncio.get_running_loop
    )
    """
    The event loop that the act runs in.
    """

    def strikes(self, statement: str, moment: Moment) -> bool:
        """
        Return whether it happens here, and count those points that are let pass.
        """
        if moment is not self.moment or not self.pattern.match(statement):
            return False
        self.skip -= 1
        if self.skip >= 0 or not self.times:
            return False
        self.times -= 1
        self.struck.append(statement)
        return True


class FaultPoints:
    """
    All exchanges of some connections with a database, each of which can be hit.

    An exchange is what the driver waits for: on PostgreSQL a message and its answer, so
    that a statement that is prepared first is two; on SQLite a statement, also one of
    several that are done in one go in the connection's thread. Making a connection is
    one, too. SQLite carries a statement out as it gets it: ``AFTER_SEND`` and
    ``BEFORE_ANSWER`` are the same there.
    """

    def __init__(self) -> None:
        self._armed: list[Fault] = []
        # Connections to SQLite have threads of their own.
        self._counting = threading.Lock()
        self.count: int = 0
        """
        How many exchanges there were.
        """

    def arm(
        self,
        act: Act,
        statement: str = "",
        *,
        moment: Moment = Moment.BEFORE_SEND,
        skip: int = 0,
        times: int = 1,
    ) -> Fault:
        """
        Have something happen at exchanges to come.

        Args:
            act: What; it runs in the present event loop, and the exchange waits for it.
                What it raises is what the driver raises.

            statement: A regular expression that the statement's beginning matches;
                white space before it does not count.

            moment: When, of such an exchange.

            skip: How many of them to let pass first.

            times: At how many of them then.

        Returns:
            The fault, which tells where it has happened.
        """
        pattern = re.compile(statement, re.DOTALL)
        fault = Fault(act=act, pattern=pattern, moment=moment, skip=skip, times=times)
        self._armed.append(fault)
        return fault

    def disarm(self) -> None:
        """
        Let nothing more happen.
        """
        self._armed.clear()

    def find(self, statement: str, moment: Moment) -> list[Fault]:
        """
        Find what shall happen here, for those who watch connections.
        """
        with self._counting:
            self.count += moment is Moment.BEFORE_SEND
            told = statement.lstrip()
            return [fault for fault in self._armed if fault.strikes(told, moment)]

    async def reach(self, point: Point) -> None:
        """
        Have happen at *point* what shall, in a coroutine.
        """
        for fault in self.find(point.statement, point.moment):
            await fault.act(point)

    def reach_in_thread(self, point: Point) -> None:
        """
        Have happen at *point* what shall, and wait for it in another thread.
        """
        for fault in self.find(point.statement, point.moment):
            acting = _act(fault, point)
            asyncio.run_coroutine_threadsafe(acting, fault.loop).result()


async def _act(fault: Fault, point: Point) -> None:
    await fault.act(point)
