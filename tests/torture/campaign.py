"""
What a campaign is given, and what it has to show for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from random import Random
from typing import Literal, TypeAlias

import attrs

__all__ = ["Campaign", "Database", "Run", "Setting", "Tally"]

Database: TypeAlias = Literal["sqlite", "postgresql"]


@attrs.frozen(kw_only=True)
class Setting:
    """
    What one run of a campaign is given.
    """

    database: Database
    """
    The kind of database; the campaign makes its own, and its own server if need be.
    """

    faults: int
    """
    How many faults to bring about.
    """

    random: Random
    """
    Where all chance comes from, so that the seed tells the run.
    """

    directory: Path
    """
    An empty directory, thrown away after a run without a violation.
    """

    tell: Callable[[str], None]
    """
    Takes a line on how far the run is.
    """

    is_over: Callable[[], bool] = lambda: False
    """
    Whether the time is up, so that no more faults shall be brought about.
    """

    def each_fault(self) -> Iterator[int]:
        """
        Count the faults from 0 on, as far as the time allows, and tell how far it is.
        """
        step = max(1, self.faults // 10)
        for number in range(self.faults):
            if self.is_over():
                return
            if number and number % step == 0:
                self.tell(f"{number} of {self.faults} faults")
            yield number


@attrs.frozen(kw_only=True)
class Tally:
    """
    What a run without a violation has done; a violation is raised.
    """

    faults: int
    """
    How many faults came about.
    """

    acknowledged: int
    """
    How many calls were told that they are done.
    """

    refused: int
    """
    How many calls were told that nothing was done.
    """

    unknown: int
    """
    Of how many calls nobody was told the outcome.
    """


Run: TypeAlias = Callable[[Setting], Awaitable[Tally]]


@attrs.frozen(kw_only=True)
class Campaign:
    """
    One kind of misfortune, brought about again and again.
    """

    name: str
    """
    What the command line calls it, such as ``killed_writers``.
    """

    title: str
    """
    What the table calls it.
    """

    run: Run
    """
    Brings the misfortune about, and asserts that every promise holds.
    """

    databases: tuple[Database, ...] = ("sqlite", "postgresql")
    """
    The kinds of database that can suffer it.
    """

    faults: int
    """
    How many faults the long form brings about; tests bring about few.
    """
