"""
One call, from when it begins to try until it has ended.
"""

from __future__ import annotations

import asyncio
from typing import Any

import attrs

from asm_async.errors import StorageError
from asm_async.sql.core.error_translation import with_outcome

_MIN_SECONDS = 0.1


class FirstCalls:
    """
    The deadlines of calls that look at the database before they do what they are for.

    Both share one timeout: a call that waits for a failover in its look must not wait
    as long again. Each is the call of a task.
    """

    def __init__(self) -> None:
        self.deadlines: dict[asyncio.Task[Any] | None, float] = {}
        """
        What each task was told; where there is none, nobody need ask.
        """

    def begin(self, deadline: float) -> None:
        """
        Have what this task tries next end at *deadline*, on the loop's clock.
        """
        self.deadlines[asyncio.current_task()] = deadline

    def end(self) -> None:
        """
        Forget the call of this task, if it has one.
        """
        self.deadlines.pop(asyncio.current_task(), None)

    def take_seconds(self, timeout: float) -> float:
        """
        Return how long, in seconds, this task may try what it tries now.

        That is *timeout*, or what is left of it for a first call.
        """
        deadline = self.deadlines.pop(asyncio.current_task(), None)
        if deadline is None:
            return timeout
        return max(_MIN_SECONDS, deadline - asyncio.get_running_loop().time())


@attrs.define
class Call:
    """
    A call that goes on trying until its *deadline*, on the loop's clock.
    """

    deadline: float
    writes: bool = True
    driver: Any = None
    """
    The driver's connection, as long as there is one.
    """

    is_working: bool = False
    """
    Whether what is executed on it is the caller's, not what cleans up.
    """

    has_begun: bool = False
    is_withdrawn: bool = False
    may_be_committed: bool = False

    @property
    def has_effect(self) -> bool:
        """
        Whether something was done whose outcome must be waited for.
        """
        return self.has_begun or self.may_be_committed

    def with_outcome(self, error: StorageError) -> StorageError:
        """
        Return the error of a try, as it is told to the caller.
        """
        if error.outcome_unknown or not self.may_be_committed:
            return error
        return with_outcome(error, outcome_unknown=True)
