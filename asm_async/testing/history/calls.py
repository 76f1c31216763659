"""
What a process remembers of one call.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import attrs

__all__ = ["Call", "Outcome"]


class Outcome(StrEnum):
    """
    What the caller was told.
    """

    OK = "ok"
    FAILED = "failed"
    """
    The call was refused, or it is certain that nothing was written.
    """

    UNKNOWN = "unknown"
    """
    The caller was cancelled or killed, or the error said that the outcome is unknown.
    """


@attrs.frozen(kw_only=True)
class Call:
    """
    One call of a port's method, as its caller saw it.

    Arguments, result and error are plain JSON: values as their ``to_dict`` gives them.
    Times are nanoseconds of a clock that all processes of one machine share.
    """

    process: str
    """
    Whose call it is.
    """

    number: int
    """
    Its place among the calls of that process, from 1 on.
    """

    operation: str
    """
    The method's name.
    """

    arguments: Mapping[str, Any]
    """
    What the method was given; what is None is left out.
    """

    start: int
    """
    A moment before the call began.
    """

    end: int | None = None
    """
    A moment after it ended; None if it is not known to have ended.
    """

    outcome: Outcome = Outcome.UNKNOWN
    """
    How it ended.
    """

    result: Any = None
    """
    What it returned.
    """

    error: Mapping[str, Any] | None = None
    """
    What it raised: the class's name as *type*, and the *args*.
    """

    given: tuple[Any, ...] = ()
    """
    What an iterator gave, step by step.
    """

    @property
    def key(self) -> tuple[str, int]:
        """
        What tells it from all others.
        """
        return self.process, self.number

    def __str__(self) -> str:
        return f"{self.operation} (call {self.number} of {self.process})"
