"""
Who waits for events of which session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterable
from contextlib import contextmanager

__all__ = ["WakeUps"]


class WakeUps:
    """
    Wake-ups within one process: hints to read again, never the news themselves.
    """

    def __init__(self) -> None:
        self._waiters: dict[str, set[asyncio.Event]] = {}

    @contextmanager
    def waiting_for(self, session_id: str) -> Generator[asyncio.Event]:
        """
        Register a waiter, which is set whenever the session may have new events.

        Register before reading: whoever reads first misses what is committed between.
        """
        waiter = asyncio.Event()
        self._waiters.setdefault(session_id, set()).add(waiter)
        try:
            yield waiter
        finally:
            waiters = self._waiters[session_id]
            waiters.discard(waiter)
            if not waiters:
                del self._waiters[session_id]

    def notify(self, session_ids: Iterable[str]) -> None:
        """
        Wake whoever waits for events of these sessions.
        """
        for session_id in session_ids:
            for waiter in self._waiters.get(session_id, ()):
                waiter.set()

    def notify_all(self) -> None:
        """
        Wake everyone, to look whether their store was closed.
        """
        self.notify(tuple(self._waiters))
