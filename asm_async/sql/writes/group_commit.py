"""
Operations that wait at the same time share a transaction, as in a database's own log.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from math import inf
from typing import TypeGuard

from asm_async.errors import StorageBusyError, StorageError, StoreClosedError
from asm_async.sql.core.deadlines import pause_after
from asm_async.sql.core.error_translation import is_collision
from asm_async.sql.writes.operations import Operation, Outcome, Written
from asm_async.sql.writes.queue import FairQueue, PendingOperation
from asm_async.sql.writes.writer import Writer

_LOG = logging.getLogger(__name__)

_MAX_OPERATIONS = 512
_MAX_BYTES = 4 * 2**20
_MAX_COLLISIONS = 3
_SHARED_LOCK_TIMEOUT_SECONDS = 0.1
_MAX_APART = 2


class GroupCommit:
    """
    One queue, which is emptied group by group.

    When no group is in flight an operation starts at the loop's next turn; those that
    arrive meanwhile form the next group. A group is started by a callback and ends in
    one, without a task, as long as nothing has to be waited for: that is the fast lane.
    Whenever the write lock is taken, no connection is idle, or a transaction has
    failed, a task drains the queue instead until it is empty.

    Args:
        writer: Performs a group in one transaction, once.

        locks_sessions:
            Whether the database can make an operation wait for one session alone. Then
            that session goes on by itself, and the others do not wait for it.
    """

    def __init__(self, writer: Writer, *, locks_sessions: bool) -> None:
        self._writer = writer
        self._locks_sessions = locks_sessions
        # One that waits for a session's lock keeps the others waiting: not for long.
        self._shared_lock_timeout = (
            _SHARED_LOCK_TIMEOUT_SECONDS if locks_sessions else inf
        )
        self._queue: FairQueue[PendingOperation] = FairQueue()
        self._parts: deque[list[PendingOperation]] = deque()
        self._is_scheduled = False
        self._in_flight: list[PendingOperation] = []
        self._idle: asyncio.Future[None] | None = None
        self._drainer: asyncio.Task[None] | None = None
        self._apart: set[asyncio.Task[None]] = set()
        self._failures = 0
        self._collisions = 0

    async def submit(self, operation: Operation, timeout: float) -> Outcome:
        """
        Have *operation* performed and return its outcome.

        Cancelled while it waits, it is withdrawn. Once its group has begun, the caller
        waits until the outcome is known or the timeout has run out; then the
        cancellation goes on.

        Args:
            operation: What to perform.

            timeout: How long, in seconds, to go on trying.
        """
        loop = asyncio.get_running_loop()
        member = PendingOperation(
            operation,
            operation.partition_key,
            operation.size,
            loop.time() + timeout,
            loop.create_future(),
        )
        self._queue.put(member)
        member.is_queued = True
        self._schedule(loop)
        try:
            return await member.wait()
        except asyncio.CancelledError:
            await self._give_up(member)
            raise

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
        while True:
            if tasks := set(filter(_goes_on, (self._drainer, *self._apart))):
                await asyncio.wait(tasks)
            elif self._is_scheduled or self._in_flight:
                self._idle = asyncio.get_running_loop().create_future()
                await self._idle
            else:
                return

    # The fast lane.

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        """
        Have the next group started, unless what goes on now will see to it.

        Not in this very turn: others who are about to submit shall be in the group.
        """
        if not (self._is_scheduled or self._in_flight or _goes_on(self._drainer)):
            self._is_scheduled = True
            loop.call_soon(self._start)

    def _start(self) -> None:
        self._is_scheduled = False
        if _goes_on(self._drainer):
            return
        group = self._next_group()
        begun = [member for member in group if member.begin()]
        if not begun:
            self._after_landing()
            return
        now = asyncio.get_running_loop().time()
        left = min([member.deadline for member in group]) - now
        # It may land before start returns.
        self._in_flight = group

        def ended(written: Written | None, error: Exception | None) -> None:
            self._in_flight = []
            if written is not None:
                self._settle(begun, written)
                self._after_landing()
            elif isinstance(error, StorageError):
                self._drain_from(group, error)
            elif error is not None:
                _abort(group, error)
                self._after_landing()

        operations = [member.operation for member in begun]
        timeout = min(left, self._shared_lock_timeout)
        try:
            is_started = self._writer.start(operations, timeout, ended)
        except Exception as error:  # noqa: BLE001 - those who wait for the outcome are told
            ended(None, error)
            return
        if not is_started:
            self._in_flight = []
            for member in begun:
                member.is_in_flight = False
            self._drain_from(group, None)

    def _after_landing(self) -> None:
        """
        Start the next group if anybody waits, and tell who waits for the end of all.
        """
        if self._queue:
            # Those who were told just now may come again, and be in the group.
            self._schedule(asyncio.get_running_loop())
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def _settle(self, begun: Sequence[PendingOperation], written: Written) -> None:
        self._failures = self._collisions = 0
        for member, outcome in zip(begun, written.outcomes, strict=True):
            member.settle(outcome)

    # The task, for everything that has to wait.

    def _drain_from(
        self, group: list[PendingOperation], error: StorageError | None
    ) -> None:
        """
        Go on in a task, with a group that could not be started, or has failed.
        """

        def when_done(task: asyncio.Task[None]) -> None:
            # A task that is cancelled before it has begun never gets to do so itself.
            if task.cancelled():
                self._abort_all(group)

        loop = asyncio.get_running_loop()
        self._drainer = loop.create_task(self._drain(group, error))
        self._drainer.add_done_callback(when_done)
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    async def _drain(
        self, group: list[PendingOperation], error: StorageError | None
    ) -> None:
        try:
            if error is not None:
                await self._after_failure(group, error)
                group = []
            while group := group or self._next_group():
                current, group = group, []
                await self._run(current, self._shared_lock_timeout)
        finally:
            # No await stands between the empty queue and this line: an operation that
            # is submitted afterwards finds no drainer and takes the lane.
            self._drainer = None

    def _next_group(self) -> list[PendingOperation]:
        """
        Take the next part of a group that failed, else the next group of the queue.
        """
        held: list[PendingOperation] = []
        part: list[PendingOperation] = []
        while self._parts and not part:
            members = self._parts.popleft()
            held += [m for m in members if self._queue.is_held(m.partition_key)]
            part = [m for m in members if not self._queue.is_held(m.partition_key)]
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

        deadline = min([member.deadline for member in group])
        left = deadline - asyncio.get_running_loop().time()
        timeout = min(left, max_lock_timeout)
        try:
            written = await self._writer.write(begin, deadline, timeout)
        except StorageError as error:
            await self._after_failure(group, error)
        except Exception as error:  # noqa: BLE001 - a fault of this code; theirs to see
            _abort(group, error)
        except asyncio.CancelledError:
            self._abort_all(group)
            raise
        else:
            self._settle(begun, written)

    async def _after_failure(
        self, group: list[PendingOperation], error: StorageError
    ) -> None:
        """
        Try again what may succeed later, by itself what may be the culprit.
        """
        self._failures += 1
        self._collisions += is_collision(error)
        group = [member for member in group if member.should_retry(error)]
        is_race = is_collision(error) and self._collisions <= _MAX_COLLISIONS
        if self._locks_sessions and isinstance(error, StorageBusyError):
            await self._after_waiting(group, error)
        elif error.retryable or is_race:
            await self._try_later(group, error)
        elif len(group) == 1:
            group[0].fail(error)
        elif group:
            _LOG.debug("a group of %d failed and is halved", len(group))
            middle = len(group) // 2
            self._parts.extendleft((group[middle:], group[:middle]))

    async def _after_waiting(
        self, group: list[PendingOperation], error: StorageError
    ) -> None:
        """
        Find the session whose lock another holds, and let it wait for that alone.
        """
        partitions: dict[str, list[PendingOperation]] = {}
        for member in group:
            partitions.setdefault(member.partition_key, []).append(member)
        is_apart = any(self._queue.is_held(key) for key in partitions)
        if len(partitions) > 1:
            self._parts.extend(partitions.values())
        elif is_apart or len(self._apart) == _MAX_APART:
            await self._try_later(group, error)
        else:
            for key, members in partitions.items():
                self._run_apart(key, members)

    def _run_apart(self, partition_key: str, members: list[PendingOperation]) -> None:
        def when_done(task: asyncio.Task[None]) -> None:
            self._apart.discard(task)
            self._queue.release(partition_key)
            if task.cancelled():
                self._abort_all(members)
            else:
                self._after_landing()

        self._queue.hold(partition_key)
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
        _LOG.debug("a group is tried again in %.3f s: %s", pause, type(error).__name__)
        await asyncio.sleep(pause)

    def _put_back(self, members: list[PendingOperation]) -> None:
        for member in members:
            member.is_queued = True
        self._queue.put_back(members)

    def _abort_all(self, group: list[PendingOperation]) -> None:
        # The loop is being shut down: nobody may wait for what will never come.
        error = StoreClosedError("the event loop was shut down")
        waiting = self._queue.take_all()
        for member in waiting:
            member.is_queued = False
        _abort([*group, *(m for part in self._parts for m in part), *waiting], error)
        self._parts.clear()


def _abort(group: Sequence[PendingOperation], error: Exception) -> None:
    for member in group:
        member.abort(error)


def _goes_on(task: asyncio.Task[None] | None) -> TypeGuard[asyncio.Task[None]]:
    """
    Return whether there is such a task, and it has not ended.

    One that a loop cancels before it has begun never gets to say so itself.
    """
    return task is not None and not task.done()
