"""
How a log is followed: read, yield what was found, wait for more.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

import attrs

from asm_async.values.event import Event

P = TypeVar("P")
T = TypeVar("T")

READ_BATCH_SIZE = 256
"""
How many events a follower holds at most.
"""


@attrs.frozen(kw_only=True)
class ReadResult(Generic[P]):
    """
    What was found behind a place.
    """

    found: Sequence[tuple[Event, P]]
    """
    Events that are wanted, in order, each with its place.
    """

    place: P
    """
    Where to read on: all that is there up to here was found, or is not wanted.
    """

    is_caught_up: bool
    """
    Whether there was nothing more behind it.
    """

    is_over: bool = False
    """
    Whether the iteration is to end here.
    """


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
    ) -> None: ...

    def check_usable(self) -> object:
        """
        Refuse to go on in a feed that was closed.

        Raises:
            StoreClosedError: If it was.
        """
        ...

    async def read(self, place: P, limit: int) -> ReadResult[P]:
        """
        Read behind *place*, at most *limit* events.
        """
        ...

    async def wait(self, seconds: float | None = None) -> None:
        """
        Wait until it is worth reading again, at most so many *seconds*.
        """
        ...


def event_alone(event: Event, place: object) -> Event:
    """
    Return the event, whose number is its place.
    """
    del place
    return event


async def follow(
    reader: EventReader[P], place: P, give: Callable[[Event, P], T]
) -> AsyncGenerator[T]:
    """
    Yield the events behind *place*, those to come included.

    Args:
        reader: Where to read.

        place: Where to begin.

        give: Makes of an event and its place what is yielded.
    """
    check_usable = reader.check_usable
    async with reader:
        while True:
            result = await reader.read(place, READ_BATCH_SIZE)
            for event, at in result.found:
                yield give(event, at)
                check_usable()
            place = result.place
            if result.is_over:
                return
            if result.is_caught_up:
                await reader.wait()
