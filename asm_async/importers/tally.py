"""
The counts of an import while it runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from asm_async.importers.records import Place
from asm_async.importers.summary import ImportSummary, Problem, ProblemCode


class Tally:
    """
    Counts what an import does, and keeps its first problems.

    Args:
        max_problems: How many problems to keep; all are counted.

        progress: Called with the counts whenever they are reported.
    """

    def __init__(
        self,
        max_problems: int,
        progress: Callable[[ImportSummary], object] | None = None,
    ) -> None:
        self._max_problems = max_problems
        self._progress = progress
        self._counts: Counter[str] = Counter()
        self._problems: list[Problem] = []

    def add(self, **counts: int) -> None:
        """
        Add to some counts, by the names that :class:`ImportSummary` has for them.
        """
        self._counts.update(counts)

    def problem(self, place: Place, code: ProblemCode, reason: str) -> None:
        """
        Report what was not imported.
        """
        self.add(problem_count=1)
        if len(self._problems) < self._max_problems:
            self._problems.append(
                Problem(
                    source=place.source, number=place.number, code=code, reason=reason
                )
            )

    def report(self) -> None:
        """
        Report the present counts.
        """
        if self._progress is not None:
            self._progress(self.summary())

    def summary(self) -> ImportSummary:
        """
        Return the present counts.
        """
        counts: dict[str, Any] = dict(self._counts)
        return ImportSummary(problems=tuple(self._problems), **counts)
