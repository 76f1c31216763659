"""
How long calls take that have to end in time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress

from asm_async.errors import StorageError

# What a call may take beyond its timeout.
GRACE = 1.0

# Far beyond what anything here takes, so that a hang fails the test.
LONG_SECONDS = 20


class Stopwatch:
    """
    Measures how long calls take, less what a busy machine keeps the loop waiting.
    """

    def __init__(self) -> None:
        self._clock = asyncio.get_running_loop().time
        self._lag = 0.0
        self._task = asyncio.create_task(self._watch())

    async def time(self, call: Awaitable[object]) -> float:
        """
        Return how long a call takes that may fail.
        """
        start, lag = self._clock(), self._lag
        with suppress(StorageError, TimeoutError):
            async with asyncio.timeout(LONG_SECONDS):
                await call
        return self._clock() - start - (self._lag - lag)

    async def _watch(self) -> None:
        while True:
            before = self._clock()
            await asyncio.sleep(0.01)
            self._lag += max(0.0, self._clock() - before - 0.02)

    async def aclose(self) -> None:
        """
        Watch no more.
        """
        self._task.cancel()
        await asyncio.wait({self._task})
