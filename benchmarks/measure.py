"""
Measuring in turn, and what becomes of the figures.

On a machine that does other things too, figures drift; so each round measures every
contender once, and a ratio is the median of the ratios within the rounds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles
from time import perf_counter

__all__ = [
    "Measured",
    "Sample",
    "Stopwatch",
    "in_turn",
    "percentiles",
    "quartiles",
    "ratio",
    "ratios",
]


@dataclass(kw_only=True)
class Sample:
    """
    One contender's share of one round.
    """

    count: int
    """
    How many events were appended or read, or how many calls were made.
    """

    seconds: float
    """
    How long that took, or how long a processor was at it.
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

    unit: str = "events"
    """
    What the samples count; "processor" are calls by the processor's time.
    """

    log: str = ""
    """
    Of SQLite: "round" if the log has been written over before the clock started.
    """

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

    Every other round goes backwards, so that nobody always comes after the same one.

    Returns:
        Each taker's samples, in the order of *takers*.
    """
    pairs = [(take, list[Sample]()) for take in takers]
    for number in range(rounds + 1):
        for take, taken in pairs if number % 2 else reversed(pairs):
            sample = await take()
            if number:
                taken.append(sample)
    return [taken for _, taken in pairs]


def ratios(rates: Sequence[float], others: Sequence[float]) -> list[float]:
    """
    Compare rates round by round.
    """
    return [one / other for one, other in zip(rates, others, strict=True)]


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """
    Return the median and the two quartiles around it.
    """
    if len(values) == 1:
        return values[0], values[0], values[0]
    first, middle, third = quantiles(values, n=4, method="inclusive")
    return middle, first, third


def ratio(
    rates: Sequence[float], others: Sequence[float]
) -> tuple[float, float, float]:
    """
    Compare rates round by round.

    Returns:
        The median of the ratios, the smallest and the largest.
    """
    found = ratios(rates, others)
    return median(found), min(found), max(found)


def percentiles(values: list[float]) -> dict[str, float]:
    """
    Return the 50th, 95th and 99th percentile (nearest rank).
    """
    ranked = sorted(values)
    places = {f"p{number}": len(ranked) * number // 100 for number in (50, 95, 99)}
    return {name: ranked[place] for name, place in places.items()} if ranked else {}
