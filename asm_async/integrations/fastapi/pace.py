"""
How often the open streams of an application are written to.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from math import inf
from typing import TypeVar

__all__ = ["Pace"]

T = TypeVar("T")

# To wake a stream and to write to its socket costs as much as several events do: for
# all streams together it is done so often at most, give or take some that come at once.
_SECONDS_PER_TURN = 0.004
_SECONDS_IN_HAND = 0.05

# However many streams there are, nobody who looks at a page sees the difference.
_LONGEST_REST_SECONDS = 0.1

# What comes sooner was there already.
_WAITED_SECONDS = 0.0005


class Pace:
    """
    Turns of all open streams of an event loop.

    As long as there are fewer events than turns each one is passed on at once. Where
    there are more, a stream rests before it passes on what it has waited for, and then
    finds what has come meanwhile beside it.
    """

    def __init__(self) -> None:
        self._next_turn = -inf

    async def of(self, events: AsyncGenerator[T]) -> AsyncGenerator[T]:
        """
        Give *events*, at this pace.
        """
        clock = asyncio.get_running_loop().time
        async with aclosing(events):
            while True:
                asked = clock()
                try:
                    item = await anext(events)
                except StopAsyncIteration:
                    return
                if (now := clock()) - asked >= _WAITED_SECONDS:
                    await self._rest(now)
                yield item

    async def _rest(self, now: float) -> None:
        turn = max(self._next_turn, now - _SECONDS_IN_HAND)
        turn = min(turn, now + _LONGEST_REST_SECONDS)
        self._next_turn = turn + _SECONDS_PER_TURN
        if turn > now:
            await asyncio.sleep(turn - now)
