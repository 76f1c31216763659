"""
Operations that wait at the same time share a transaction, as in a database's own log.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import attrs

from asm_async.errors import StorageError, StoreClosedError
from asm_async.sql.careful_path import Outcome
from asm_async.sql.error_translation import is_collision
from asm_async.sql.fair_queue import FairQueue
from asm_async.sql.operations import Operation
from asm_async.sql.patience import pause_after, wait_stubbornly

__all__ = ["GroupCommit"]

Perform: TypeAlias = Callable[[Sequence[Operation], float], Awaitable[list[Outcome]]]

_MOST_OPERATIONS = 512
_MOST_BYTES = 4 * 2**20
_MOST_WAITING_OPERATIONS = 8_192
_MOST_WAITING_BYTES = 64 * 2**20
_MOST_COLLISIONS = 3


@attrs.define(eq=False, kw_only=True)
class _Member:
    """
    An operation on its way, and who waits for it.
    """

    operation: Operation
    deadline: float
    outcome: asyncio.Future[Outcome]
    lane: str
    weight: int
    group_done: asyncio.Future[None] | None = None
    may_be_committed: bool = False

    def survives(self, error: StorageError) -> bool:
        """
        Tell whether there is somebody to try again for, and nothing against it.
        """
        self.may_be_committed |= error.outcome_unknown
        if self.may_be_committed and not self.operation.is_repeatable:
            self.fail(error)
        return not self.outcome.done()

    def settle(self, outcome: Outcome) -> None:
        """
        Tell the caller, unless it was cancelled meanwhile.
        """
        if not self.outcome.done():
            self.outcome.set_result(outcome)

    def fail(self, error: StorageError) -> None:
        """
        Tell the caller, with an error of its own, what became of the transaction.
        """
        unknown = self.may_be_committed or error.outcome_unknown
        own = type(error)(str(error.args[0]), unknown)
        own.__cause__ = error.__cause__
        self.settle(own)

    def break_off(self, error: Exception) -> None:
        """
        Raise *error* in the caller, if it still waits.
        """
        if not self.outcome.done():
            self.outcome.set_exception(error)


class GroupCommit:
    """
    One queue, and a task that empties it, group by group.

    When no group is under way an operation starts at once; those that arrive meanwhile
    form the next group.

    Args:
        perform: Performs a group in one transaction, once, by a deadline on the loop's
            clock.
    """

    def __init__(self, perform: Perform) -> None:
        self._perform = perform
        self._queue: FairQueue[_Member] = FairQueue()
        self._blocked: deque[asyncio.Future[None]] = deque()
        self._expected = 0
        self._failures = 0
        self._drainer: asyncio.Task[None] | None = None

    async def submit(self, operation: Operation, patience: float) -> Outcome:
        """
        Have *operation* performed and give its outcome.

        Cancelled while it waits, it is withdrawn. Once its group has begun, the caller
        waits until the outcome is known or patience has run out; then the cancellation
        goes on.

        Args:
            operation: What to perform.

            patience: How long, in seconds, to go on trying once it is let in.
        """
        await self._wait_for_room()
        loop = asyncio.get_running_loop()
        member = _Member(
            operation=operation,
            deadline=loop.time() + patience,
            outcome=loop.create_future(),
            lane=operation.lane,
            weight=operation.weight,
        )
        self._queue.put(member)
        if self._drainer is None:
            self._drainer = loop.create_task(self._drain())
        try:
            return await member.outcome
        except asyncio.CancelledError:
            # An outcome that was there already is nothing to withdraw or to wait for.
            if member.outcome.cancelled():
                await self._give_up(member)
            raise

    async def _give_up(self, member: _Member) -> None:
        if member.group_done is None:
            self._queue.withdraw(member)
        else:
            await wait_stubbornly(member.group_done, member.deadline)

    async def aclose(self) -> None:
        """
        Wait until everything that was submitted is done.
        """
        while self._drainer is not None:
            await asyncio.wait({self._drainer})

    async def _wait_for_room(self) -> None:
        """
        Hold the caller back while too much is waiting: first come, first let in.
        """
        if not self._blocked and not self._is_full():
            return
        place = asyncio.get_running_loop().create_future()
        self._blocked.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if not place.cancelled():
                self._expected -= 1
                self._let_in()
            raise
        self._expected -= 1

    def _is_full(self) -> bool:
        return (
            self._queue.count + self._expected >= _MOST_WAITING_OPERATIONS
            or self._queue.weight >= _MOST_WAITING_BYTES
        )

    def _let_in(self) -> None:
        while self._blocked and not self._is_full():
            place = self._blocked.popleft()
            if not place.done():
                self._expected += 1
                place.set_result(None)

    async def _drain(self) -> None:
        group: list[_Member] = []
        try:
            while group := self._queue.take(_MOST_OPERATIONS, _MOST_BYTES):
                self._let_in()
                await self._run(group)
        except asyncio.CancelledError:
            # The loop is being shut down: nobody may wait for what will never come.
            error = StoreClosedError("the event loop was shut down")
            for member in (*group, *self._queue.take(sys.maxsize, sys.maxsize)):
                member.break_off(error)
            raise
        finally:
            # No await stands between the empty queue and this line: whoever submits
            # afterwards finds no drainer and starts one.
            self._drainer = None

    async def _run(self, group: list[_Member]) -> None:
        """
        Perform *group* once, and tell its members or have them wait for another try.
        """
        group_done = asyncio.get_running_loop().create_future()
        for member in group:
            member.group_done = group_done
        try:
            outcomes = await self._perform(
                [member.operation for member in group],
                min(member.deadline for member in group),
            )
        except StorageError as error:
            await self._after_failure(group, error)
        except Exception as error:  # noqa: BLE001 - a fault of this code; theirs to see
            for member in group:
                member.break_off(error)
        else:
            self._failures = 0
            for member, outcome in zip(group, outcomes, strict=True):
                member.settle(outcome)
        finally:
            group_done.set_result(None)

    async def _after_failure(self, group: list[_Member], error: StorageError) -> None:
        """
        Try again what may succeed later, by itself what may be the culprit.
        """
        self._failures += 1
        group = [member for member in group if member.survives(error)]
        is_race = is_collision(error) and self._failures <= _MOST_COLLISIONS
        if error.retryable or is_race:
            await self._try_later(group, error)
        elif len(group) == 1:
            group[0].fail(error)
        else:
            middle = len(group) // 2
            for half in filter(None, (group[:middle], group[middle:])):
                await self._run(half)

    async def _try_later(self, group: list[_Member], error: StorageError) -> None:
        pause = pause_after(self._failures)
        end = asyncio.get_running_loop().time() + pause
        for member in group:
            member.group_done = None
            if member.deadline < end:
                member.fail(error)
        self._queue.put_back([member for member in group if not member.outcome.done()])
        await asyncio.sleep(pause)
