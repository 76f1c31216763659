"""
How a stream goes over from what is replayed to what is sent as it happens.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

# From the end of a replay, or of the beginning that is stored behind it, until the
# transport has the stream among those that it sends to. It needs a few turns of the
# loop, and as long as the client takes to read one event.
_SHORTLY = 0.05

# A client that does not read holds up the messages of its session for no longer.
_AT_MOST = 1.0


class _Hold:
    """
    The time in which messages wait since a stream goes over.
    """

    def __init__(self, lock: asyncio.Lock) -> None:
        self._lock = lock
        self._is_over = False
        self.is_replayed = False
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_AT_MOST, self.end)

    def end(self) -> None:
        """
        Let messages go on.
        """
        if not self._is_over:
            self._is_over = True
            self._timer.cancel()
            self._lock.release()

    def end_within(self, seconds: float) -> None:
        """
        Let messages go on after a time, unless they do already.
        """
        if not self._is_over:
            self._timer.cancel()
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(seconds, self.end)


class _Gate:
    """
    Lets messages be stored one after the other, and none while a stream goes over.
    """

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.hold: _Hold | None = None


class Handover:
    """
    Keeps messages from falling between the end of a replay and what is sent live.

    The transport sends a message on only where its stream is being listened to, which
    it is again shortly after the replay. What is stored in between would be neither
    replayed nor sent. So it is stored a moment later.
    """

    def __init__(self) -> None:
        # Of a loop, since a lock is. A session's transport has one loop.
        self._gates: WeakKeyDictionary[asyncio.AbstractEventLoop, _Gate]
        self._gates = WeakKeyDictionary()

    @asynccontextmanager
    async def storing(self, *, is_beginning: bool) -> AsyncGenerator[None]:
        """
        Wait until a message may be stored; that a stream begins, always may.
        """
        gate = self._gate()
        if not is_beginning:
            async with gate.lock:
                yield
            return
        hold = gate.hold
        if hold is None or not hold.is_replayed:
            yield
            return
        # Behind a replay the transport stores a beginning before it listens.
        hold.end_within(_AT_MOST)
        try:
            yield
        finally:
            hold.end_within(_SHORTLY)

    @asynccontextmanager
    async def finishing(self) -> AsyncGenerator[None]:
        """
        Keep messages from being stored within the block, and shortly after it.
        """
        gate = self._gate()
        await gate.lock.acquire()
        hold = gate.hold = _Hold(gate.lock)
        try:
            yield
        except BaseException:
            hold.end()
            raise
        hold.is_replayed = True
        hold.end_within(_SHORTLY)

    def _gate(self) -> _Gate:
        return self._gates.setdefault(asyncio.get_running_loop(), _Gate())
