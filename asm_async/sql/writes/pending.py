"""
An operation on its way through a group, and who waits for it.
"""

from __future__ import annotations

import asyncio
from typing import cast

import attrs

from asm_async.errors import StorageError
from asm_async.sql.core.deadlines import wait_uninterruptible
from asm_async.sql.core.error_translation import with_outcome
from asm_async.sql.writes.operations import Operation, Outcome

__all__ = ["PendingOperation"]


@attrs.define(eq=False, kw_only=True)
class PendingOperation:
    """
    An operation, until its caller has been told what became of it.
    """

    operation: Operation
    lane: str
    weight: int
    deadline: float
    """
    When the caller's timeout ends, on the loop's clock.
    """

    is_queued: bool = False
    is_under_way: bool = False
    is_cancelled: bool = False
    may_be_committed: bool = False
    outcome: Outcome | None = None
    """
    What became of it; None as long as nobody knows.
    """

    fault: Exception | None = None
    """
    What kept it from having an outcome at all.
    """

    _told: asyncio.Future[None] = attrs.field(
        init=False, factory=lambda: asyncio.get_running_loop().create_future()
    )

    @property
    def is_over(self) -> bool:
        """
        Whether there is nothing left to do or to find out.
        """
        return self.outcome is not None or self.fault is not None

    @property
    def has_effect(self) -> bool:
        """
        Whether something was done whose outcome must be waited for.
        """
        return self.is_under_way or self.may_be_committed

    def begin(self) -> bool:
        """
        Take part in a transaction that begins now, unless the caller has given up.
        """
        self.is_under_way = self.may_be_committed or not self.is_cancelled
        return self.is_under_way

    async def wait(self) -> Outcome:
        """
        Wait to be told what became of it.
        """
        await self._told
        if self.fault is not None:
            raise self.fault
        return cast("Outcome", self.outcome)

    async def wait_uninterruptible(self) -> None:
        """
        Wait on after a cancellation, as long as timeout lasts.

        The cancellation has taken with it what :meth:`wait` waits for; it came some
        turns of the loop ago, and the outcome may have come since.
        """
        if not self.is_over:
            self._told = asyncio.get_running_loop().create_future()
            await wait_uninterruptible(self._told, self.deadline)

    def settle(self, outcome: Outcome) -> None:
        """
        Tell the caller.
        """
        if not self.is_over:
            self.outcome = outcome
            self._tell()

    def _tell(self) -> None:
        if not self._told.done():
            self._told.set_result(None)

    def fail(self, error: StorageError) -> None:
        """
        Tell the caller, in an error of its own, what became of the transaction.
        """
        unknown = self.may_be_committed or error.outcome_unknown
        self.settle(with_outcome(error, outcome_unknown=unknown))

    def break_off(self, error: Exception) -> None:
        """
        Raise *error* in the caller, if it still waits for its outcome.
        """
        if not self.is_over:
            self.fault = error
            self._tell()

    def survives(self, error: StorageError) -> bool:
        """
        Tell whether to try again after *error*; if not, the caller has been told.

        A cancelled caller is done with, unless it must still be found out whether the
        operation was committed.
        """
        self.is_under_way = False
        self.may_be_committed |= error.outcome_unknown
        repeatable = self.operation.is_repeatable or not self.may_be_committed
        wanted = self.may_be_committed or not self.is_cancelled
        if not (repeatable and wanted):
            self.fail(error)
        return not self.is_over
