"""
The streams that an application has open: how many, how often written to, and ended.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Collection, Generator
from contextlib import aclosing, contextmanager
from http import HTTPStatus
from math import inf
from typing import TypeVar

import attrs

from asm_async.integrations.fastapi.problems import ProblemError

T = TypeVar("T")

# To wake a stream and to write to its socket costs as much as several events do. All
# streams together do it once in this time at most, but for short bursts.
_SECONDS_PER_TURN = 0.004
_BURST_SECONDS = 0.05

# However many streams there are: a person who looks at a page sees no such delay.
_MAX_REST_SECONDS = 0.1

# An event that comes sooner than this was there already, and is not waited for.
_WAITED_SECONDS = 0.0005


@attrs.frozen
class Place:
    """
    One of *limit* places of a *kind* of streams: of a tenant's, or of all.
    """

    kind: str
    tenant_id: str | None
    limit: int

    @property
    def key(self) -> tuple[str, str | None]:
        """
        What is counted.
        """
        return self.kind, self.tenant_id

    def refusal(self) -> ProblemError:
        """
        Make the problem that there is no such place left.
        """
        status = HTTPStatus.SERVICE_UNAVAILABLE
        detail = f"This server has {self.limit} {self.kind} open, which is the most."
        if self.tenant_id is not None:
            status = HTTPStatus.TOO_MANY_REQUESTS
            detail = (
                f"You have {self.limit} {self.kind} open here, which is the most: close"
                " one, or wait until one has ended."
            )
        return ProblemError(
            status, f"too_many_{self.kind}", detail, headers={"Retry-After": "5"}
        )


class OpenStreams:
    """
    The open streams of an application, in one event loop.
    """

    def __init__(self) -> None:
        self._endings: set[asyncio.Future[None]] = set()
        self._taken: Counter[tuple[str, str | None]] = Counter()
        self._is_ending = False

    def __len__(self) -> int:
        return len(self._endings)

    @property
    def are_ending(self) -> bool:
        """
        Whether the application is about to stop.
        """
        return self._is_ending

    @contextmanager
    def join(self, places: Collection[Place]) -> Generator[asyncio.Future[None]]:
        """
        Take these places, and yield a future that is done when the stream is to end.
        """
        for place in places:
            if self._taken[place.key] >= place.limit:
                raise place.refusal()
        ending: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._is_ending:
            ending.set_result(None)
        self._endings.add(ending)
        keys = [place.key for place in places]
        self._taken.update(keys)
        try:
            yield ending
        finally:
            self._endings.discard(ending)
            self._taken.subtract(keys)
            # What was a tenant's leaves nothing behind.
            self._taken = +self._taken

    def end(self) -> None:
        """
        End all streams, and each that is opened from now on at once.
        """
        self._is_ending = True
        for ending in self._endings:
            if not ending.done():
                ending.set_result(None)


class Pace:
    """
    A rate limit on the writes of all open streams of an event loop.

    As long as there are fewer events than turns, each one is passed on at once. Where
    there are more, a stream rests before it passes on an event that it has waited for,
    and then finds what has come meanwhile beside it.
    """

    def __init__(self) -> None:
        self._next_turn = -inf

    async def of(self, events: AsyncGenerator[T]) -> AsyncGenerator[T]:
        """
        Yield *events*, at this pace.
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
        turn = max(self._next_turn, now - _BURST_SECONDS)
        turn = min(turn, now + _MAX_REST_SECONDS)
        self._next_turn = turn + _SECONDS_PER_TURN
        if turn > now:
            await asyncio.sleep(turn - now)
