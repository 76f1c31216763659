"""
How long calls took, and how long everybody was without an answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from asm_async.testing.history import Outcome, read_history

__all__ = [
    "MAX_OVERRUN_SECONDS",
    "Pulse",
    "answers",
    "longest_overrun",
    "longest_stall",
]

MAX_OVERRUN_SECONDS = 1.0
"""
How much longer than its timeout a call may take.
"""

_BEAT_SECONDS = 0.1
_LATE_SECONDS = 0.1
_NANOSECONDS = 1e9


class Pulse:
    """
    Notices when this process stood still, for which no call is to blame.
    """

    def __init__(self) -> None:
        self._gaps: list[tuple[float, float]] = []

    async def beat(self) -> None:
        """
        Look at the clock until cancelled.
        """
        while True:
            before = time.monotonic()
            await asyncio.sleep(_BEAT_SECONDS)
            now = time.monotonic()
            if now - before > _BEAT_SECONDS + _LATE_SECONDS:
                self._gaps.append((before + _BEAT_SECONDS, now))

    def lost_between(self, start: float, end: float) -> float:
        """
        Return how many seconds of these the process stood still.
        """
        return sum(max(0.0, min(end, b) - max(start, a)) for a, b in self._gaps)


def longest_overrun(path: Path, timeout: float, pulse: Pulse) -> float:
    """
    Return by how many seconds the worst call of a history exceeded its timeout.
    """
    worst = 0.0
    for call in read_history(path):
        if call.end is not None:
            start, end = call.start / _NANOSECONDS, call.end / _NANOSECONDS
            seconds = end - start - pulse.lost_between(start, end)
            worst = max(worst, seconds - timeout)
    return worst


def answers(paths: Iterable[Path]) -> list[float]:
    """
    Return when writers were told that something is done, on the clock of histories.
    """
    return sorted(
        call.end / _NANOSECONDS
        for path in paths
        for call in read_history(path)
        if call.outcome is Outcome.OK and call.end is not None
        if not call.operation.startswith("get_")
    )


def longest_stall(moments: Iterable[float], start: float, end: float) -> float:
    """
    Return the longest time between two answers within a span, in seconds.

    Args:
        moments: When there were answers, in order.

        start: When the span begins, which counts as an answer.

        end: When it ends, which does not.
    """
    within = [start, *(moment for moment in moments if start < moment < end)]
    return max([b - a for a, b in pairwise(within)], default=end - start)
