"""
Operations that wait to be written, whose turn it is, and those that are under way.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Generic, Protocol, TypeAlias, TypeGuard, TypeVar, cast

import attrs

from asm_async.errors import StorageError
from asm_async.fronts.cancellation import wait_uninterruptible
from asm_async.sql.core.deadlines import GRACE_SECONDS, MAX_CUT_SHORT
from asm_async.sql.core.error_translation import is_cut_short, with_outcome
from asm_async.sql.writes.operations import (
    Operation,
    Outcome,
    Written,
    may_hide_a_commit,
)


@attrs.define(eq=False)
class PendingOperation:
    """
    An operation, until its caller has been told what became of it.
    """

    operation: Operation
    partition_key: str
    size: int
    deadline: float
    """
    When the caller's timeout ends, on the loop's clock.
    """

    _told: asyncio.Future[None]
    mark: object = None
    """
    What an observer knows it by; None if nobody observes.
    """

    is_queued: bool = False
    is_in_flight: bool = False
    is_cancelled: bool = False
    cut_short: int = 0
    """
    How often the server has cancelled a statement of a transaction of its own.
    """

    commit_error: StorageError | None = None
    """
    What first left it unknown whether it is committed.
    """

    outcome: Outcome | None = None
    """
    What became of it; None as long as nobody knows.
    """

    fault: Exception | None = None
    """
    What kept it from having an outcome at all.
    """

    @property
    def is_over(self) -> bool:
        """
        Whether there is nothing left to do or to find out.
        """
        return self.outcome is not None or self.fault is not None

    @property
    def _may_be_committed(self) -> bool:
        return self.commit_error is not None

    @property
    def has_effect(self) -> bool:
        """
        Whether something was done whose outcome must be waited for.
        """
        return self.is_in_flight or self._may_be_committed

    def begin(self) -> bool:
        """
        Take part in a transaction that begins now, unless the caller has given up.
        """
        wanted = self._may_be_committed or not self.is_cancelled
        self.is_in_flight = wanted and not self.is_over
        return self.is_in_flight

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
        Wait on after a cancellation, until the deadline.

        The cancellation has taken with it what :meth:`wait` waits for; it came some
        turns of the loop ago, and the outcome may have come since.
        """
        if not self.is_over:
            self._told = asyncio.get_running_loop().create_future()
            await wait_uninterruptible(self._told, self.deadline + GRACE_SECONDS)

    def settle(self, outcome: Outcome) -> None:
        """
        Resume the caller.
        """
        if not self.is_over:
            self.outcome = self._known(outcome)
            self._tell()

    def _known(self, outcome: Outcome) -> Outcome:
        """
        Return *outcome*, unless it says more than can be known.
        """
        first = self.commit_error
        if first is None or not may_hide_a_commit(self.operation, outcome):
            return outcome
        message = f"{first.args[0]}; tried again, {outcome}"
        error = type(first)(message, outcome_unknown=True)
        error.__cause__ = first.__cause__
        return error

    def _tell(self) -> None:
        if not self._told.done():
            self._told.set_result(None)

    def fail(self, error: StorageError) -> None:
        """
        Raise an error of its own for the caller: what became of the transaction.
        """
        unknown = self._may_be_committed or error.outcome_unknown
        self.settle(with_outcome(error, outcome_unknown=unknown))

    def abort(self, error: Exception) -> None:
        """
        Raise *error* in the caller, if it still waits for its outcome.
        """
        if not self.is_over:
            self.fault = error
            self._tell()

    def should_retry(self, error: StorageError, *, alone: bool, is_final: bool) -> bool:
        """
        Return whether to try again after *error*; if not, the caller has been told.

        What took too long for the server counts only if it was alone: of several, each
        may be the one. A cancelled caller is done with, unless it must still be found
        out whether the operation was committed.
        """
        self.is_in_flight = False
        if error.outcome_unknown:
            self.commit_error = self.commit_error or error
        repeatable = self.operation.is_repeatable or not self._may_be_committed
        wanted = self._may_be_committed or not self.is_cancelled
        self.cut_short += alone and is_cut_short(error)
        is_hopeless = is_final or self.cut_short > MAX_CUT_SHORT
        if is_hopeless or not (repeatable and wanted):
            self.fail(error)
        return not self.is_over


LOOK_INTERVAL = 0.25
"""
Seconds between two looks at what is under way.
"""

Interrupt: TypeAlias = Callable[[], object]
"""
Has a transaction that is under way end soon, however it does.
"""

Begin: TypeAlias = Callable[[Interrupt], Sequence[Operation]]
"""
Called when a transaction begins; returns its operations.
"""

Ended: TypeAlias = Callable[[Written | None, Exception | None], None]
"""
Called in the event loop when a group's transaction has ended: with the outcomes, or
with what kept it from being committed.
"""


@attrs.define(eq=False)
class Flight:
    """
    A group's transaction, from when it begins until it has ended.
    """

    group: list[PendingOperation]
    begun: list[PendingOperation]
    """
    Those of the group that take part.
    """

    begun_at: float
    """
    When it began, on the loop's clock.
    """

    task: asyncio.Task[None] | None = None
    """
    What waits for its end, if a task does.
    """

    interrupt: Interrupt | None = None
    landing: asyncio.Future[Written] | None = None
    """
    What a task of its own waits for, where it keeps nobody else waiting any more.
    """

    deadline: float = attrs.field(init=False)
    """
    The first of the members' deadlines.
    """

    def __attrs_post_init__(self) -> None:
        self.deadline = min([member.deadline for member in self.group])

    def interrupt_if_late(self, now: float) -> bool:
        """
        Interrupt it, once, if an answer is long overdue, and return whether it was.

        The first deadline counts: those whose time is not over are better served by
        another try.
        """
        interrupt = self.interrupt
        if interrupt is None or now < self.deadline + GRACE_SECONDS:
            return False
        self.interrupt = None
        interrupt()
        return True

    def land(self, written: Written | None, error: Exception | None) -> bool:
        """
        Resolve what the task of its own waits for, if there is one.
        """
        if self.landing is None:
            return False
        if not self.landing.done():
            if written is not None:
                self.landing.set_result(written)
            elif error is not None:
                self.landing.set_exception(error)
        return True


def abort_all(members: Iterable[PendingOperation], error: Exception) -> None:
    """
    Raise *error* in those who still wait for their outcomes.
    """
    for member in members:
        member.abort(error)


def goes_on(task: asyncio.Task[None] | None) -> TypeGuard[asyncio.Task[None]]:
    """
    Return whether there is such a task, and it has not ended.

    One that a loop cancels before it has begun never gets to say so itself.
    """
    return task is not None and not task.done()


class Queued(Protocol):
    """
    What can stand in the queue: those of one partition leave in the order they came.
    """

    partition_key: str
    size: int


Q = TypeVar("Q", bound=Queued)


class FairQueue(Generic[Q]):
    """
    Partitions that take turns, so that a long one does not keep the others waiting.
    """

    def __init__(self) -> None:
        self._partitions: dict[str, deque[Q]] = {}
        self._held: dict[str, deque[Q]] = {}

    def __bool__(self) -> bool:
        """
        Return whether anybody has a turn.
        """
        return bool(self._partitions)

    def put(self, member: Q) -> None:
        """
        Queue up behind those of the same partition.
        """
        key = member.partition_key
        partitions = self._held if key in self._held else self._partitions
        if key in partitions:
            partitions[key].append(member)
        else:
            partitions[key] = deque((member,))

    def put_back(self, members: Iterable[Q]) -> None:
        """
        Queue up again, in front of everyone; the members of a partition in their order.
        """
        returned: dict[str, deque[Q]] = {}
        for member in members:
            returned.setdefault(member.partition_key, deque()).append(member)
        for key in returned.keys() & self._held.keys():
            self._held[key].extendleft(reversed(returned.pop(key)))
        for key, waiting in self._partitions.items():
            returned.setdefault(key, deque()).extend(waiting)
        self._partitions = returned

    def withdraw(self, member: Q) -> None:
        """
        Leave the queue.
        """
        key = member.partition_key
        partitions = self._held if key in self._held else self._partitions
        partitions[key].remove(member)
        if not partitions[key] and partitions is self._partitions:
            del partitions[key]

    def withdraw_all(self, members: Collection[Q]) -> None:
        """
        Have some leave the queue, who may be many.
        """
        if not members:
            return
        leaving = set(members)
        for partitions in (self._partitions, self._held):
            for key, waiting in tuple(partitions.items()):
                staying = deque(m for m in waiting if m not in leaving)
                partitions[key] = staying
                if not staying and partitions is self._partitions:
                    del partitions[key]

    def is_held(self, partition_key: str) -> bool:
        """
        Return whether a partition's members are being kept in the queue.
        """
        return partition_key in self._held

    def hold(self, partition_key: str) -> None:
        """
        Keep a partition's members in the queue until :meth:`release`.
        """
        self._held[partition_key] = self._partitions.pop(partition_key, deque())

    def release(self, partition_key: str) -> None:
        """
        Let a partition have its turn again.
        """
        if waiting := self._held.pop(partition_key):
            self._partitions[partition_key] = waiting

    def take(self, max_count: int, max_size: int) -> list[Q]:
        """
        Take the next group: one of each partition in turn, until a bound is reached.

        Args:
            max_count: At most so many members.

            max_size: No further member once the group has so much.
        """
        group: list[Q] = []
        size = 0
        while self._partitions and len(group) < max_count and size < max_size:
            # A dict keeps the order of insertion: the first goes to the end.
            key = next(iter(self._partitions))
            partition = self._partitions.pop(key)
            member = partition.popleft()
            if partition:
                self._partitions[key] = partition
            group.append(member)
            size += member.size
        return group

    def take_all(self) -> list[Q]:
        """
        Take everyone, also those of partitions that are held.
        """
        waiting = [*self._partitions.values(), *self._held.values()]
        self._partitions = {}
        self._held = {key: deque() for key in self._held}
        return [member for partition in waiting for member in partition]
