"""
What a command has done so far, shown while it works and reported at its end.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import monotonic
from typing import Any, Generic, TypeVar

from asm_async.cli.options import Options
from asm_async.cli.reports import say
from asm_async.cli.screen import Screen
from asm_async.cli.streams import is_terminal, report

T = TypeVar("T")

_SECONDS_BETWEEN_REPORTS = 1.0


class RunningReport(Generic[T]):
    """
    The latest report of some work, and how it is written.

    Args:
        options: Whether to be quiet, and whether to print JSON at the end.

        nothing: The report of work that has not begun.

        sentence: Called with a report; returns it in words.

        plain: Called with a report; returns it for JSON, as it is unless given.
    """

    def __init__(
        self,
        options: Options,
        nothing: T,
        sentence: Callable[[T], str],
        *,
        plain: Callable[[T], Any] = lambda done: done,
    ) -> None:
        self.done: T = nothing
        self._options = options
        self._sentence = sentence
        self._plain = plain
        self._is_shown = is_terminal(sys.stderr) and not options.quiet
        self._next_time = monotonic() + _SECONDS_BETWEEN_REPORTS

    def show(self, done: T) -> None:
        """
        Keep a report, and write it to a terminal, at most once a second.
        """
        self.done = done
        if self._is_shown and monotonic() >= self._next_time:
            self._next_time = monotonic() + _SECONDS_BETWEEN_REPORTS
            report(self._sentence(done))

    def finish(self) -> None:
        """
        Print the latest report as JSON, or report it in words.

        To be called before an error or Ctrl-C goes on, too: what was done stays.
        """
        if self._options.as_json:
            Screen().json(self._plain(self.done))
        else:
            say(self._options, self._sentence(self.done))
