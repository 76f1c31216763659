"""
A bound on what may wait: callers are held back, not refused.
"""

from __future__ import annotations

import asyncio
from collections import deque

__all__ = ["AdmissionLimit"]


class AdmissionLimit:
    """
    A room for so many operations, or so many bytes of them: first come, first let in.

    One operation more than the bytes allow may enter, so that none is too large for an
    empty room.

    Args:
        most: How many operations have room.

        most_weight: How many bytes have room.
    """

    def __init__(self, most: int, most_weight: int) -> None:
        self._most = most
        self._most_weight = most_weight
        self._blocked: deque[tuple[asyncio.Future[None], int]] = deque()
        self.count: int = 0
        self.weight: int = 0

    async def enter(self, weight: int) -> None:
        """
        Wait for room and take it.
        """
        if not self._blocked and not self._is_full():
            self._take(weight)
            return
        place = asyncio.get_running_loop().create_future()
        self._blocked.append((place, weight))
        try:
            await place
        except asyncio.CancelledError:
            if not place.cancelled():
                self.leave(weight)
            raise

    def leave(self, weight: int) -> None:
        """
        Give the room back and let in those who wait for it.
        """
        self.count -= 1
        self.weight -= weight
        while self._blocked and not self._is_full():
            place, waiting = self._blocked.popleft()
            if not place.done():
                self._take(waiting)
                place.set_result(None)

    def _is_full(self) -> bool:
        return self.count >= self._most or self.weight >= self._most_weight

    def _take(self, weight: int) -> None:
        self.count += 1
        self.weight += weight
