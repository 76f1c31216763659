"""
An operation on its way through a group, and who waits for it.
"""

from __future__ import annotations

import asyncio

import attrs

from asm_async.errors import StorageError
from asm_async.sql.careful_path import Outcome
from asm_async.sql.operations import Operation

__all__ = ["Member"]


@attrs.define(eq=False, kw_only=True)
class Member:
    """
    An operation, until its caller has been told what became of it.
    """

    operation: Operation
    lane: str
    weight: int
    deadline: float
    """
    When the caller's patience ends, on the loop's clock.
    """

    outcome: asyncio.Future[Outcome]
    is_queued: bool = False
    is_under_way: bool = False
    is_cancelled: bool = False
    may_be_committed: bool = False

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

    def settle(self, outcome: Outcome) -> None:
        """
        Tell the caller.
        """
        if not self.outcome.done():
            self.outcome.set_result(outcome)

    def fail(self, error: StorageError) -> None:
        """
        Tell the caller, in an error of its own, what became of the transaction.
        """
        unknown = self.may_be_committed or error.outcome_unknown
        own = type(error)(str(error.args[0]), unknown)
        own.__cause__ = error.__cause__
        self.settle(own)

    def break_off(self, error: Exception) -> None:
        """
        Raise *error* in the caller, if it still waits for its outcome.
        """
        if not self.outcome.done():
            self.outcome.set_exception(error)

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
        return not self.outcome.done()
