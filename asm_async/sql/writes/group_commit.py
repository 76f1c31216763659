"""
Operations that wait at the same time share a transaction, as in a database's own log.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from math import inf
from typing import TypeAlias, TypeGuard

from asm_async.errors import StorageBusyError, StorageError, StoreClosedError
from asm_async.sql.core.deadlines import pause_after
from asm_async.sql.core.error_translation import is_collision
from asm_async.sql.writes.admission import AdmissionLimit
from asm_async.sql.writes.fair_queue import FairQueue
from asm_async.sql.writes.operations import Operation, Outcome
from asm_async.sql.writes.pending import PendingOperation

__all__ = ["Begin", "GroupCommit", "Perform"]

Begin: TypeAlias = Callable[[], Sequence[Operation]]
Perform: TypeAlias = Callable[[Begin, float, float], Awaitable[list[Outcome]]]

_MAX_OPERATIONS = 512
_MAX_BYTES = 4 * 2**20
_MAX_WAITING_OPERATIONS = 8_192
_MAX_WAITING_BYTES = 64 * 2**20
_MAX_COLLISIONS = 3
_SHARED_LOCK_TIMEOUT_SECONDS = 0.1
_MAX_APART = 2


class GroupCommit:
    """
    One queue, and a task that empties it, group by group.

    When no group is under way an operation starts at once; those that arrive meanwhile
    form the next group.

    Args:
        perform:
            Performs a group in one transaction, once. Takes a function to call when the
            transaction begins, which gives the operations (none, if all callers have
            given up meanwhile); a deadline for that moment, on the loop's clock; and
            how long, in seconds, to wait for locks. Raises ``StorageError`` if the
            transaction failed.

        locks_sessions:
            Whether the database can make an operation wait for one session alone. Then
            that session goes on by itself, and the others do not wait for it.
    """

    def __init__(self, perform: Perform, *, locks_sessions: bool) -> None:
        self._perform = perform
        self._locks_sessions = locks_sessions
        # Whoever waits for a session's lock keeps the others waiting: not for long.
        self._shared_lock_timeout = (
            _SHARED_LOCK_TIMEOUT_SECONDS if locks_sessions else inf
        )
        self._room = AdmissionLimit(_MAX_WAITING_OPERATIONS, _MAX_WAITING_BYTES)
        self._queue: FairQueue[PendingOperation] = FairQueue()
        self._parts: deque[list[PendingOperation]] = deque()
        self._drainer: asyncio.Task[None] | None = None
        self._apart: set[asyncio.Task[None]] = set()
        self._failures = 0
        self._collisions = 0

    async def submit(self, operation: Operation, timeout: float) -> Outcome:
        """
        Have *operation* performed and give its outcome.

        Cancelled while it waits, it is withdrawn. Once its group has begun, the caller
        waits until the outcome is known or timeout has run out; then the cancellation
        goes on.

        Args:
            operation: What to perform.

            timeout: How long, in seconds, to go on trying once there is room for it.
        """
        weight = operation.weight
        await self._room.enter(weight)
        member = PendingOperation(
            operation=operation,
            lane=operation.lane,
            weight=weight,
            deadline=asyncio.get_running_loop().time() + timeout,
        )
        self._queue.put(member)
        member.is_queued = True
        self._start_draining()
        try:
            return await member.wait()
        except asyncio.CancelledError:
            await self._give_up(member)
            raise
        finally:
            self._room.leave(weight)

    async def _give_up(self, member: PendingOperation) -> None:
        member.is_cancelled = True
        if member.has_effect:
            await member.wait_uninterruptible()
        elif member.is_queued:
            self._queue.withdraw(member)

    async def aclose(self) -> None:
        """
        Wait until everything that was submitted is done.
        """
        while tasks := set(filter(_goes_on, (self._drainer, *self._apart))):
            await asyncio.wait(tasks)

    def _start_draining(self) -> None:
        if not _goes_on(self._drainer):
            self._drainer = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        group: list[PendingOperation] = []
        try:
            while group := self._next_group():
                await self._run(group, self._shared_lock_timeout)
        except asyncio.CancelledError:
            self._break_off(group)
            raise
        finally:
            # No await stands between the empty queue and this line: whoever submits
            # afterwards finds no drainer and starts one.
            self._drainer = None

    def _next_group(self) -> list[PendingOperation]:
        """
        Take the next part of a group that failed, else the next group of the queue.
        """
        held: list[PendingOperation] = []
        part: list[PendingOperation] = []
        while self._parts and not part:
            members = self._parts.popleft()
            held += [m for m in members if self._queue.is_held(m.lane)]
            part = [m for m in members if not self._queue.is_held(m.lane)]
        self._put_back(held)
        group = part or self._queue.take(_MAX_OPERATIONS, _MAX_BYTES)
        for member in group:
            member.is_queued = False
        return group

    async def _run(
        self, group: list[PendingOperation], max_lock_timeout: float
    ) -> None:
        """
        Perform *group* once, and tell its members or have them wait for another try.
        """
        begun: list[PendingOperation] = []

        def begin() -> list[Operation]:
            begun.extend(member for member in group if member.begin())
            return [member.operation for member in begun]

        deadline = min(member.deadline for member in group)
        left = deadline - asyncio.get_running_loop().time()
        try:
            outcomes = await self._perform(begin, deadline, min(left, max_lock_timeout))
        except StorageError as error:
            await self._after_failure(group, error)
        except Exception as error:  # noqa: BLE001 - a fault of this code; theirs to see
            for member in group:
                member.break_off(error)
        else:
            self._failures = self._collisions = 0
            for member, outcome in zip(begun, outcomes, strict=True):
                member.settle(outcome)

    async def _after_failure(
        self, group: list[PendingOperation], error: StorageError
    ) -> None:
        """
        Try again what may succeed later, by itself what may be the culprit.
        """
        self._failures += 1
        self._collisions += is_collision(error)
        group = [member for member in group if member.survives(error)]
        is_race = is_collision(error) and self._collisions <= _MAX_COLLISIONS
        if self._locks_sessions and isinstance(error, StorageBusyError):
            await self._after_waiting(group, error)
        elif error.retryable or is_race:
            await self._try_later(group, error)
        elif len(group) == 1:
            group[0].fail(error)
        elif group:
            middle = len(group) // 2
            self._parts.extendleft((group[middle:], group[:middle]))

    async def _after_waiting(
        self, group: list[PendingOperation], error: StorageError
    ) -> None:
        """
        Find the session whose lock another holds, and let it wait for that alone.
        """
        lanes: dict[str, list[PendingOperation]] = {}
        for member in group:
            lanes.setdefault(member.lane, []).append(member)
        is_apart = any(self._queue.is_held(lane) for lane in lanes)
        if len(lanes) > 1:
            self._parts.extend(lanes.values())
        elif is_apart or len(self._apart) == _MAX_APART:
            await self._try_later(group, error)
        else:
            for lane, members in lanes.items():
                self._run_apart(lane, members)

    def _run_apart(self, lane: str, members: list[PendingOperation]) -> None:
        def when_done(task: asyncio.Task[None]) -> None:
            self._apart.discard(task)
            self._queue.release(lane)
            if task.cancelled():
                self._break_off(members)
            else:
                self._start_draining()

        self._queue.hold(lane)
        task = asyncio.get_running_loop().create_task(self._run(members, inf))
        self._apart.add(task)
        task.add_done_callback(when_done)

    async def _try_later(
        self, group: list[PendingOperation], error: StorageError
    ) -> None:
        pause = pause_after(self._failures)
        end = asyncio.get_running_loop().time() + pause
        for member in group:
            if member.deadline < end:
                member.fail(error)
        # Parts of the same group would overtake it: they queue up behind it.
        waiting = [*group, *(member for part in self._parts for member in part)]
        self._parts.clear()
        self._put_back([member for member in waiting if not member.is_over])
        await asyncio.sleep(pause)

    def _put_back(self, members: list[PendingOperation]) -> None:
        for member in members:
            member.is_queued = True
        self._queue.put_back(members)

    def _break_off(self, group: list[PendingOperation]) -> None:
        # The loop is being shut down: nobody may wait for what will never come.
        error = StoreClosedError("the event loop was shut down")
        parts = [member for part in self._parts for member in part]
        for member in (*group, *parts, *self._queue.take_all()):
            member.break_off(error)
        self._parts.clear()


def _goes_on(task: asyncio.Task[None] | None) -> TypeGuard[asyncio.Task[None]]:
    """
    Tell whether there is such a task, and it has not ended.

    One that a loop cancels before it has begun never gets to say so itself.
    """
    return task is not None and not task.done()
