"""
What a long load leaves behind in figures: memory, connections, latencies over time.
"""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, linear_regression, quantiles
from typing import Any, TypeAlias

import attrs
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

__all__ = ["PERCENTILES", "Figures", "Measurer", "Sample", "Window"]

Clock: TypeAlias = Callable[[], float]

_OPEN_FILES = Path("/proc/self/fd")
_STATUS = Path("/proc/self/statm")
PERCENTILES = (50, 95, 99)


@attrs.frozen(kw_only=True)
class Sample:
    """
    One look at the process.
    """

    at: float
    """
    Seconds since the load began.
    """

    resident: float
    """
    Memory that is resident, in MiB.
    """

    connections: int
    """
    How many connections the engine's pool has open.
    """

    files: int
    threads: int


@attrs.frozen(kw_only=True)
class Window:
    """
    The calls of one kind that ended within some seconds.
    """

    at: float
    """
    When it ended, in seconds since the load began.
    """

    kind: str
    calls: int
    percentiles: tuple[float, ...]
    """
    The 50th, 95th and 99th of their latencies, in milliseconds.
    """


@attrs.frozen(kw_only=True)
class Figures:
    """
    What was measured in one load.
    """

    database: str
    seconds: float
    samples: tuple[Sample, ...]
    windows: tuple[Window, ...]
    other_load: float
    """
    How many processes wanted a processor on average, this one among them.
    """

    def growth(self, field: str) -> float:
        """
        Give by how much *field* grew over the second half, by the line that fits best.
        """
        half = [sample for sample in self.samples if sample.at >= self.seconds / 2]
        if len(half) < 2:
            return 0.0
        times = [sample.at for sample in half]
        values = [float(getattr(sample, field)) for sample in half]
        return linear_regression(times, values).slope * self.seconds / 2

    def mean(self, field: str) -> float:
        """
        Return the mean of *field* over the second half.
        """
        half = [sample for sample in self.samples if sample.at >= self.seconds / 2]
        return fmean(float(getattr(sample, field)) for sample in half)

    def calls(self, kind: str) -> int:
        """
        Count the calls of a kind.
        """
        return sum(window.calls for window in self.windows if window.kind == kind)

    def to_dict(self) -> dict[str, Any]:
        """
        Return plain JSON.
        """
        return attrs.asdict(self)

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Figures:
        """
        Read what :meth:`to_dict` gave.
        """
        facts: dict[str, Any] = dict(plain)
        facts["samples"] = tuple(Sample(**one) for one in plain["samples"])
        facts["windows"] = tuple(
            Window(**(one | {"percentiles": tuple(one["percentiles"])}))
            for one in plain["windows"]
        )
        return cls(**facts)


class Measurer:
    """
    Takes samples, and the latencies of calls.

    Latencies are kept until their window ends, so that measuring takes up no memory
    that grows with the load.

    Args:
        engine: Whose connections to count.

        clock: Gives seconds.
    """

    def __init__(self, engine: AsyncEngine, clock: Clock = time.perf_counter) -> None:
        self._pool = engine.pool
        self._clock = clock
        self._start = clock()
        self._latencies: dict[str, list[float]] = defaultdict(list)
        self._samples: list[Sample] = []
        self._windows: list[Window] = []
        self._loads: list[float] = []

    @property
    def elapsed(self) -> float:
        """
        How many seconds the load has lasted.
        """
        return self._clock() - self._start

    def took(self, kind: str, seconds: float) -> None:
        """
        Note how long a call took.
        """
        self._latencies[kind].append(seconds)

    def look(self) -> None:
        """
        Take a sample.
        """
        assert isinstance(self._pool, QueuePool)
        pages = int(_STATUS.read_text().split()[1])
        self._samples.append(
            Sample(
                at=self.elapsed,
                resident=pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
                connections=self._pool.checkedin() + self._pool.checkedout(),
                files=len(list(_OPEN_FILES.iterdir())),
                threads=threading.active_count(),
            )
        )
        self._loads.append(os.getloadavg()[0])

    def end_window(self) -> None:
        """
        Sum up the latencies since the last window.
        """
        taken, self._latencies = self._latencies, defaultdict(list)
        self._windows += [
            Window(
                at=self.elapsed,
                kind=kind,
                calls=len(latencies),
                percentiles=_percentiles(latencies),
            )
            for kind, latencies in sorted(taken.items())
        ]

    def figures(self, database: str) -> Figures:
        """
        Return all that was measured.
        """
        return Figures(
            database=database,
            seconds=self.elapsed,
            samples=tuple(self._samples),
            windows=tuple(self._windows),
            other_load=fmean(self._loads),
        )


def _percentiles(latencies: Sequence[float]) -> tuple[float, ...]:
    if len(latencies) < 2:
        return tuple(1_000 * latencies[0] for _ in PERCENTILES)
    cuts = quantiles(latencies, n=100, method="inclusive")
    return tuple(1_000 * cuts[percentile - 1] for percentile in PERCENTILES)
