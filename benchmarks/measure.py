"""
Measuring in turn, and what becomes of the figures.

On a machine that does other things too, figures drift; so each round measures every
contender once, and a ratio is the median of the ratios within the rounds.
"""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter

__all__ = ["Measured", "Sample", "Stopwatch", "in_turn", "percentiles", "ratio"]


@dataclass(kw_only=True)
class Sample:
    """
    One contender's share of one round.
    """

    count: int
    """
    How many events were appended or read.
    """

    seconds: float
    """
    How long that took.
    """

    latencies: list[float] = field(default_factory=list)
    """
    The seconds of each call, where calls were measured one by one.
    """

    failures: int = 0
    """
    How many calls raised.
    """

    @property
    def rate(self) -> float:
        """
        Events a second.
        """
        return self.count / self.seconds


@dataclass(kw_only=True)
class Measured:
    """
    All rounds of one contender at one work.
    """

    database: str
    work: str
    size: int
    contender: str
    kind: str
    samples: list[Sample]

    @property
    def rates(self) -> list[float]:
        """
        Each round's events a second.
        """
        return [sample.rate for sample in self.samples]

    @property
    def rate(self) -> float:
        """
        The median of events a second.
        """
        return median(self.rates)

    @property
    def latencies(self) -> list[float]:
        """
        The seconds of all calls of all rounds.
        """
        return [one for sample in self.samples for one in sample.latencies]

    @property
    def failures(self) -> int:
        """
        How many calls raised.
        """
        return sum(sample.failures for sample in self.samples)


class Stopwatch:
    """
    Adds up the seconds within its ``with`` blocks.
    """

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> None:
        self._start = perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds += perf_counter() - self._start


async def in_turn(
    takers: Sequence[Callable[[], Awaitable[Sample]]], rounds: int
) -> list[list[Sample]]:
    """
    Take one sample of each, *rounds* times, after one that does not count.

    Returns:
        Each taker's samples, in the order of *takers*.
    """
    samples: list[list[Sample]] = [[] for _ in takers]
    for number in range(rounds + 1):
        for take, taken in zip(takers, samples, strict=True):
            gc.collect()
            sample = await take()
            if number:
                taken.append(sample)
    return samples


def ratio(
    rates: Sequence[float], others: Sequence[float]
) -> tuple[float, float, float]:
    """
    Compare rates round by round.

    Returns:
        The median of the ratios, the smallest and the largest.
    """
    pairs = zip(rates, others, strict=True)
    ratios = [first / second for first, second in pairs]
    return median(ratios), min(ratios), max(ratios)


def percentiles(values: list[float]) -> dict[str, float]:
    """
    Give the 50th, 95th and 99th percentile (nearest rank).
    """
    ranked = sorted(values)
    places = {f"p{number}": len(ranked) * number // 100 for number in (50, 95, 99)}
    return {name: ranked[place] for name, place in places.items()} if ranked else {}
