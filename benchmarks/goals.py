"""
What the figures must show.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from benchmarks.databases import DATABASES, Database
from benchmarks.measure import Measured, quartiles, ratios

__all__ = ["Goal", "Verdict", "verdicts"]

Against: TypeAlias = Literal["raw", "hop", "peer", "before", "itself", "processor"]
"""
The driver alone, the driver alone behind one hop, the fastest peer, another checkout,
the store at the smallest size; or no other: milliseconds of the processor for a call.
"""


@dataclass(frozen=True, kw_only=True)
class Goal:
    """
    A bound of the ratio of the store's rate to another's, or of a call's cost.
    """

    work: str
    said: str
    against: Against
    bounds: dict[Database, float]
    """
    The least that a ratio may be, the most milliseconds.
    """

    size: int | None = None
    """
    The size that is compared; None is the largest.
    """


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """
    What was found: the median of the rounds and its quartiles.
    """

    database: str
    said: str
    against: str
    bound: float
    median: float
    quartiles: tuple[float, float]
    is_met: bool


def _both(bound: float) -> dict[Database, float]:
    return dict.fromkeys(DATABASES, bound)


def _agents(
    number: int, against: Against, *, sqlite: float = 0, postgresql: float = 0
) -> Goal:
    bounds: dict[Database, float] = {"sqlite": sqlite, "postgresql": postgresql}
    return Goal(
        work="agents",
        size=number,
        said=f"{number} agent{'s' * (number > 1)}, one append at a time each",
        against=against,
        bounds={database: bound for database, bound in bounds.items() if bound},
    )


def _not_worse(work: str, said: str, size: int | None = None) -> Goal:
    # Two runs of one and the same code differ by as much as a twentieth.
    return Goal(work=work, size=size, said=said, against="before", bounds=_both(0.95))


def _costs(work: str, sqlite: float, postgresql: float | None = None) -> Goal:
    bounds: dict[Database, float] = {"sqlite": sqlite}
    if postgresql:
        bounds["postgresql"] = postgresql
    return Goal(work=work, said=work, against="processor", bounds=bounds)


# A time of 1.5 is a rate of two thirds.
_GOALS = (
    _agents(1, "peer", sqlite=1.0, postgresql=1.2),
    _agents(1, "hop", sqlite=0.85),
    _agents(1, "raw", sqlite=0.65, postgresql=0.85),
    _agents(32, "peer", sqlite=6.5, postgresql=10),
    _agents(32, "raw", sqlite=0.7, postgresql=0.62),
    *(_agents(number, "before", sqlite=1, postgresql=1) for number in (1, 8, 32, 256)),
    Goal(
        work="mixed load",
        said="32 agents, each saves a run, appends ten events and flushes",
        against="before",
        bounds={"sqlite": 4, "postgresql": 2.5},
    ),
    _costs("flush", 0.6, 1.4),
    _costs("save_session", 0.55, 0.9),
    _costs("save_run", 0.45, 1.0),
    _costs("append with expected_sequence", 0.3, 0.4),
    _costs("get_session", 0.15, 0.15),
    _costs("get_events(last=50)", 0.3, 0.3),
    _costs("list_sessions(limit=50)", 0.5, 0.5),
    _costs("import, values alone", 120),
    _costs("import, with SQLite", 400),
    Goal(
        work="batches, from events",
        size=1_000,
        said="batches of 1,000",
        against="raw",
        bounds=_both(0.6),
    ),
    _not_worse("batches, from events", "batches of 1,000", 1_000),
    Goal(
        work="reading",
        size=10_000,
        said="reading 10,000 events",
        against="raw",
        bounds=_both(0.6),
    ),
    _not_worse("reading", "reading 10,000 events"),
    Goal(
        work="last 50",
        said="the last 50 of a long session against a short one",
        against="itself",
        bounds=_both(1 / 1.5),
    ),
    _not_worse("last 50", "the last 50 of a long session"),
    Goal(
        work="growth",
        said="appending to the largest log against the smallest",
        against="itself",
        bounds=_both(0.8),
    ),
    _not_worse("growth", "appending to the largest log"),
    _not_worse("followed, all sessions", "32 agents, all followed in the process"),
    _not_worse("followed, 5 sessions", "32 agents, 5 followed in the process"),
)


def verdicts(measured: Sequence[Measured]) -> list[Verdict]:
    """
    Judge by every goal whose figures are there.
    """
    return [
        verdict
        for goal in _GOALS
        for database in goal.bounds
        for verdict in _judged(
            goal,
            database,
            [
                one
                for one in measured
                if (one.database, one.work) == (database, goal.work)
            ],
        )
    ]


def _judged(
    goal: Goal, database: Database, rows: Sequence[Measured]
) -> Iterator[Verdict]:
    size = goal.size or max((row.size for row in rows), default=0)
    ours = [row for row in rows if row.kind == "store" and row.size == size]
    if not ours:
        return
    (own,), bound = ours, goal.bounds[database]
    if goal.against == "processor":
        against, figures = "milliseconds, at most", [1000 / rate for rate in own.rates]
    elif others := _others(goal, rows, size):
        other = max(others, key=lambda row: row.rate)
        against, figures = other.contender, ratios(own.rates, other.rates)
        if goal.against == "itself":
            against = f"{own.size:,} against {other.size:,}"
    else:
        return
    middle, first, third = quartiles(figures)
    yield Verdict(
        database=database,
        said=goal.said,
        against=against,
        bound=bound,
        median=middle,
        quartiles=(first, third),
        is_met=middle <= bound if goal.against == "processor" else middle >= bound,
    )


def _others(goal: Goal, rows: Sequence[Measured], size: int) -> list[Measured]:
    """
    Find those whose fastest is compared.
    """
    if goal.against == "itself":
        smallest = min(row.size for row in rows)
        return [row for row in rows if row.kind == "store" and row.size == smallest]
    return [row for row in rows if row.kind == goal.against and row.size == size]
