"""
What the figures must show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.databases import DATABASES, Database
from benchmarks.measure import Measured, ratio

__all__ = ["Goal", "Verdict", "verdicts"]


@dataclass(frozen=True, kw_only=True)
class Goal:
    """
    A ratio of the store's rate to another's, or to its own elsewhere, and its bound.
    """

    work: str
    said: str
    least: dict[Database, float]
    against: str
    """
    "raw", "peer" (the fastest) or "store": itself at the other end of the sizes.
    """

    size: int | None = None
    """
    The size that is compared; None is the largest, against the smallest.
    """


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """
    What was found.
    """

    database: str
    said: str
    least: float
    median: float
    lowest: float
    highest: float
    against: str

    @property
    def is_met(self) -> bool:
        """
        Whether the median is good enough.
        """
        return self.median >= self.least


def _both(least: float) -> dict[Database, float]:
    return dict.fromkeys(DATABASES, least)


# A time of 1.5 is a rate of two thirds.
_GOALS = (
    Goal(
        work="agents",
        size=32,
        said="32 agents, one append at a time each",
        least={"sqlite": 8, "postgresql": 20},
        against="peer",
    ),
    Goal(
        work="agents",
        size=32,
        said="32 agents, one append at a time each",
        least=_both(0.35),
        against="raw",
    ),
    Goal(
        work="agents",
        size=1,
        said="1 agent, one append at a time",
        least=_both(1.5),
        against="peer",
    ),
    Goal(
        work="batches, from events",
        size=1_000,
        said="batches of 1,000",
        least=_both(0.6),
        against="raw",
    ),
    Goal(
        work="reading",
        size=10_000,
        said="reading 10,000 events",
        least=_both(0.6),
        against="raw",
    ),
    Goal(
        work="last 50",
        said="the last 50 of a long session against a short one",
        least=_both(1 / 1.5),
        against="store",
    ),
    Goal(
        work="growth",
        said="appending to the largest log against the smallest",
        least=_both(0.8),
        against="store",
    ),
)


def verdicts(measured: Sequence[Measured]) -> list[Verdict]:
    """
    Judge by every goal whose figures are there.
    """
    found: list[Verdict] = []
    for goal in _GOALS:
        for database, least in goal.least.items():
            rows = [
                one
                for one in measured
                if one.database == database and one.work == goal.work
            ]
            if pair := _pair(goal, rows):
                ours, other = pair
                median, lowest, highest = ratio(ours.rates, other.rates)
                against = other.contender
                if goal.against == "store":
                    against = f"{ours.size:,} against {other.size:,}"
                found.append(
                    Verdict(
                        database=database,
                        said=goal.said,
                        least=least,
                        median=median,
                        lowest=lowest,
                        highest=highest,
                        against=against,
                    )
                )
    return found


def _pair(goal: Goal, rows: Sequence[Measured]) -> tuple[Measured, Measured] | None:
    """
    Find the two that are compared.
    """
    size = goal.size or max((row.size for row in rows), default=0)
    ours = [row for row in rows if row.kind == "store" and row.size == size]
    if goal.against == "store":
        smallest = min((row.size for row in rows), default=0)
        others = [row for row in rows if row.kind == "store" and row.size == smallest]
    else:
        others = [row for row in rows if row.kind == goal.against and row.size == size]
    if not ours or not others:
        return None
    return ours[0], max(others, key=lambda row: row.rate)
