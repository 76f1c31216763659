"""
How long work on the event loop leaves time to others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterable
from time import perf_counter
from typing import TypeVar
from weakref import WeakKeyDictionary

A = TypeVar("A")
B = TypeVar("B")
T = TypeVar("T")

_MAX_SECONDS = 0.01

# What has waited for others meanwhile has not worked all the time.
_MAX_REST_SECONDS = 0.1


class LoopShare:
    """
    Work on the event loop that is done piece by piece, with rests in between.

    A mere turn of the loop is no rest: a request takes a dozen turns, and would wait
    for a piece in each of them. So it rests for as long as it has worked.
    """

    def __init__(self) -> None:
        self.ends_at: float = perf_counter() + _MAX_SECONDS
        """
        When it is time for a rest, by ``perf_counter``: after 10 milliseconds of work.
        """

    async def rest(self) -> None:
        """
        Leave the loop to others, if it is time.
        """
        worked = perf_counter() - self.ends_at + _MAX_SECONDS
        if worked >= _MAX_SECONDS:
            await asyncio.sleep(min(worked, _MAX_REST_SECONDS))
            self.ends_at = perf_counter() + _MAX_SECONDS


class LoopLock:
    """
    A lock of each event loop, for long work of which many would begin at once.

    Each of them rests; but all of them would work between two turns of the loop.
    """

    def __init__(self) -> None:
        self._locks = WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock]()

    def of_this_loop(self) -> asyncio.Lock:
        """
        Return the lock of the event loop that runs.
        """
        return self._locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())


async def in_pieces(make: Callable[[A], B], values: Iterable[A]) -> list[B]:
    """
    Return what *make* makes of each of *values*, with rests where it takes long.
    """
    share = LoopShare()
    made: list[B] = []
    for value in values:
        made.append(make(value))
        # Asked here, since most of what is read is as little work as a call.
        if perf_counter() >= share.ends_at:
            await share.rest()
    return made


async def in_steps(
    steps: Generator[None, None, T], share: LoopShare | None = None
) -> T:
    """
    Return what comes out of *steps* in the end, with rests where they take long.

    Args:
        steps: The work.

        share: Where it is a part of more work, what that whole takes of the loop.
    """
    share = share or LoopShare()
    try:
        while True:
            next(steps)
            await share.rest()
    except StopIteration as end:
        result: T = end.value
        return result
