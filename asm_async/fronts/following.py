"""
How a log is followed: read, yield what was found, wait for more; and waited for once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, suppress
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

import attrs

from asm_async.values.checkpoint import Witness
from asm_async.values.event import Event
from asm_async.values.moved_data import moved_members

P = TypeVar("P")
T = TypeVar("T")

READ_BATCH_SIZE = 256
"""
How many events a follower holds at most.
"""

MAX_HELD_BYTES = 1 << 20
"""
About how many bytes of events a follower holds at most, but for one that is larger.
"""

_FIRST_EVENTS = 2
_MAX_MEASURED = 8

# What a number, a text or an array takes in memory beside what is in it.
_BYTES_PER_VALUE = 64


def rough_size(event: Event) -> int:
    """
    Return about how many bytes an event takes; a mebibyte if it is more.
    """
    left = list[Any]((event.data, event.metadata))
    # What is elsewhere comes back into the event before a follower sees it.
    size = sum(moved.bytes for _, moved in moved_members(event))
    while left and size < MAX_HELD_BYTES:
        value: Any = left.pop()
        size += _BYTES_PER_VALUE
        if isinstance(value, str):
            size += len(value)
        elif isinstance(value, dict):
            left += value.keys()
            left += value.values()
        elif isinstance(value, list):
            left += value
    return size


@attrs.define
class ReadSize:
    """
    How many events to read at once, so that no more bytes are held than may be.

    What they are like is not known before some have been read: few at first, and more
    when they turn out to be small.
    """

    most: int = READ_BATCH_SIZE
    limit: int = attrs.field(init=False, default=_FIRST_EVENTS)

    def adapt(self, events: Sequence[Event]) -> int:
        """
        Take note of events that were read, and return about how many bytes they take.
        """
        measured = events[:: len(events) // _MAX_MEASURED + 1]
        size = sum(map(rough_size, measured))
        self.limit = min(4 * self.limit, self.most)
        if size:
            fitting = MAX_HELD_BYTES * len(measured) // size
            self.limit = max(1, min(self.limit, fitting))
        return size * len(events) // max(len(measured), 1)


@attrs.frozen(kw_only=True)
class ReadResult(Generic[P]):
    """
    What was found behind a place: events that are wanted, in order, with their places.

    All that is there up to *place* was found, or is not wanted; if it *is_caught_up*,
    there was nothing more behind it. If it *is_over*, the iteration is to end.
    """

    found: Sequence[tuple[Event, P]]
    place: P
    is_caught_up: bool
    is_over: bool = False


class EventReader(Protocol[P]):
    """
    The growing end of a log, seen by one follower.

    While it is entered it is told of commits, from before each read on: to read first
    and then begin to listen would miss what is committed in between.
    """

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

    def check_usable(self) -> object:
        """
        Refuse to go on in a feed that was closed.
        """
        ...

    def expect(self, witness: Witness | None) -> None:
        """
        Set which event stood at the place that the next read begins behind.

        Needed only where that is not the place that the last read came to.
        """
        ...

    async def read(self, place: P, limit: int) -> ReadResult[P]:
        """
        Read behind *place*, at most *limit* events.

        Raises:
            HistoryLostError: If the log does not hold any more what was read before, or
                the event that is expected.
        """
        ...

    async def wait(self, seconds: float | None = None) -> None:
        """
        Wait until it is worth reading again, at most so many *seconds*.
        """
        ...


async def follow(
    reader: EventReader[P], place: P, give: Callable[[Event, P], T]
) -> AsyncGenerator[T]:
    """
    Yield what *give* makes of each event behind *place*, those to come included.
    """
    check_usable, size = reader.check_usable, ReadSize()
    async with reader:
        while True:
            result = await reader.read(place, size.limit)
            size.adapt([event for event, _ in result.found])
            for event, at in result.found:
                yield give(event, at)
                check_usable()
            place = result.place
            if result.is_over:
                return
            if result.is_caught_up:
                await reader.wait()


class Waiter(Protocol):
    """
    What is set when a session is written to: an ``asyncio.Event``, or like one.
    """

    def clear(self) -> None: ...

    def wait(self) -> Awaitable[object]: ...


async def wait_for_events(
    read: Callable[[], Awaitable[list[Event]]],
    waiting: AbstractContextManager[Waiter],
    timeout: float,
) -> list[Event]:
    """
    Read whenever the waiter is set, until something is found or time runs out.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + timeout
    # The waiter is registered before the first read, and cleared before each: what is
    # committed between a read and the wait after it ends that wait.
    with waiting as waiter:
        while True:
            waiter.clear()
            events = await read()
            left = deadline - clock()
            if events or left <= 0:
                return events
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await waiter.wait()
