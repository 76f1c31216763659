"""
Operations that wait at the same time share a transaction, as in a database's own log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from functools import partial
from math import inf

from asm_async.errors import StorageError, StoreClosedError
from asm_async.fronts.observing import Observation
from asm_async.sql.writes.apart import Apart
from asm_async.sql.writes.observed_writes import note_transaction
from asm_async.sql.writes.operations import Operation, Outcome, Written
from asm_async.sql.writes.queue import (
    LOOK_INTERVAL,
    FairQueue,
    Flight,
    Interrupt,
    PendingOperation,
    abort_all,
    goes_on,
)
from asm_async.sql.writes.retries import Retries
from asm_async.sql.writes.writer import Watch, Writer

_LOG = logging.getLogger(__name__)

_MAX_OPERATIONS = 512
_MAX_BYTES = 4 * 2**20
_SHARED_LOCK_TIMEOUT_SECONDS = 0.1


class GroupCommit:
    """
    One queue, which is emptied group by group.

    When no group is in flight an operation starts at the loop's next turn; those that
    arrive meanwhile form the next group. A group is started by a callback and ends in
    one, without a task, as long as nothing has to be waited for: that is the fast lane.
    Whenever the write lock is taken, no connection is idle, or a transaction has
    failed, a task drains the queue instead until it is empty.

    One timer looks now and then for what takes long. An operation whose time is over
    is told so wherever it is; a transaction that does not end is interrupted; and where
    others can go on beside one that is slow, they do, on connections that answer.

    Args:
        writer: Performs a group in one transaction, once.

        locks_sessions:
            Whether the database can make an operation wait for one session alone. Then
            that session goes on by itself, and the others do not wait for it.

        observation: Where it stands who observes it; nobody does if None.
    """

    def __init__(
        self,
        writer: Writer,
        *,
        locks_sessions: bool,
        observation: Observation | None = None,
    ) -> None:
        self._writer = writer
        self._observation = observation or Observation()
        self._locks_sessions = locks_sessions
        # One that waits for a session's lock keeps the others waiting: not for long.
        self._shared_lock_timeout = (
            _SHARED_LOCK_TIMEOUT_SECONDS if locks_sessions else inf
        )
        self._queue: FairQueue[PendingOperation] = FairQueue()
        self._is_scheduled = False
        self._lane: Flight | None = None
        self._idle: asyncio.Future[None] | None = None
        self._drainer: asyncio.Task[None] | None = None
        self._apart = Apart(self._queue, self._after_landing, self._abort_all)
        self._retries = Retries(
            self._queue,
            self._apart,
            self._run,
            self._observation,
            locks_sessions=locks_sessions,
        )
        self._watch = Watch(self._queue, self._retries, self._look)

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
        if (observer := self._observation.awake_observer) is not None:
            member.mark = observer.note_submitted()
        self._queue.put(member)
        member.is_queued = True
        self._schedule(loop)
        self._watch.add(member, loop)
        try:
            outcome = await member.wait()
        except asyncio.CancelledError:
            await self._give_up(member)
            raise
        finally:
            self._watch.waiting.discard(member)
        if isinstance(outcome, StorageError):
            self._writer.call_log.note_failure(outcome, member.deadline)
        return outcome

    async def _give_up(self, member: PendingOperation) -> None:
        member.is_cancelled = True
        if member.has_effect:
            await member.wait_uninterruptible()
        elif member.is_queued:
            self._queue.withdraw(member)

    @property
    def waiting_count(self) -> int:
        """
        How many operations wait for their transactions to begin.
        """
        return sum([member.is_queued for member in tuple(self._watch.waiting)])

    async def aclose(self) -> None:
        """
        Wait until everything that was submitted is done.
        """
        while True:
            if tasks := set(filter(goes_on, (self._drainer, *self._apart.tasks))):
                await asyncio.wait(tasks)
            elif self._is_scheduled or self._lane is not None:
                if self._idle is None or self._idle.done():
                    self._idle = asyncio.get_running_loop().create_future()
                await asyncio.wait((self._idle,))
            else:
                return

    # The fast lane.

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        """
        Have the next group started, unless what goes on now will see to it.

        Not in this very turn: others who are about to submit shall be in the group.
        """
        is_busy = self._is_scheduled or self._lane is not None
        if not (is_busy or goes_on(self._drainer)):
            self._is_scheduled = True
            loop.call_soon(self._start)

    def _start(self) -> None:
        self._is_scheduled = False
        if goes_on(self._drainer):
            return
        group = self._next_group()
        begun = [member for member in group if member.begin()]
        if not begun:
            self._after_landing()
            return
        flight = Flight(group, begun, asyncio.get_running_loop().time())
        # It may land before start returns.
        self._lane = flight
        self._watch.flights.add(flight)
        timeout = min(flight.deadline - flight.begun_at, self._shared_lock_timeout)
        ended = partial(self._landed, flight)
        try:
            # Beside a slow one, connections are tested first, which has to wait.
            if not self._apart.slow:
                operations = [member.operation for member in begun]
                flight.interrupt = self._writer.start(operations, timeout, ended)
        except Exception as error:  # noqa: BLE001 - those who wait for the outcome are told
            ended(None, error)
            return
        if flight.interrupt is None:
            self._watch.flights.discard(flight)
            self._lane = None
            for member in begun:
                member.is_in_flight = False
            self._drain_from(group, None)

    def _landed(
        self, flight: Flight, written: Written | None, error: Exception | None
    ) -> None:
        self._watch.flights.discard(flight)
        if flight.land(written, error):
            return
        self._observe(flight, written, error)
        self._lane = None
        if written is not None:
            self._settle(flight.begun, written)
            self._after_landing()
        elif isinstance(error, StorageError):
            self._drain_from(flight.group, error)
        elif error is not None:
            abort_all(flight.group, error)
            self._after_landing()

    def _after_landing(self) -> None:
        """
        Start the next group if anybody waits, and tell who waits for the end of all.
        """
        if self._queue or self._retries.parts:
            # Those who were told just now may come again, and be in the group.
            self._schedule(asyncio.get_running_loop())
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def _settle(self, begun: Sequence[PendingOperation], written: Written) -> None:
        if self._retries.last_error is not None:
            self._retries.reset()
        if self._writer.call_log.is_out_of_reach:
            self._writer.call_log.note_success()
        for member, outcome in zip(begun, written.outcomes, strict=True):
            member.settle(outcome)

    def _observe(
        self, flight: Flight, written: Written | None, error: Exception | None
    ) -> None:
        if (observer := self._observation.awake_observer) is not None:
            note_transaction(observer, flight, written, error)

    # Beside what takes long.

    def _look(self, now: float) -> None:
        for flight in tuple(self._watch.flights):
            is_slow = now - flight.begun_at >= LOOK_INTERVAL
            if is_slow and self._locks_sessions and self._apart.has_room_for_slow:
                self._set_apart(flight)

    def _set_apart(self, flight: Flight) -> None:
        """
        Let the others go on beside a slow transaction, each session in its order.
        """
        task, loop = flight.task, asyncio.get_running_loop()
        if flight is self._lane:
            self._lane, flight.landing = None, loop.create_future()
            task = loop.create_task(self._land(flight, flight.landing))
        elif task is not None and task is self._drainer:
            # Another goes on draining the queue.
            self._drainer = None
        else:
            return
        self._apart.add(flight.group, task, is_slow=True)
        _LOG.debug("others go on beside a slow group of %d", len(flight.group))
        self._after_landing()

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
        this = asyncio.current_task()
        try:
            if error is not None:
                await self._after_failure(group, error)
                group = []
            while self._drainer is this and (group := group or self._next_group()):
                current, group = group, []
                await self._run(current, self._shared_lock_timeout)
        finally:
            # No await stands between the empty queue and this line: an operation that
            # is submitted afterwards finds no drainer and takes the lane.
            if self._drainer is this:
                self._drainer = None

    def _next_group(self) -> list[PendingOperation]:
        """
        Take the next part of a group that failed, else the next group of the queue.
        """
        part = self._retries.next_part() if self._retries.parts else []
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
        clock = asyncio.get_running_loop().time
        flight = Flight(group, [], clock(), asyncio.current_task())

        def begin(interrupt: Interrupt) -> list[Operation]:
            flight.begun += [member for member in group if member.begin()]
            flight.begun_at, flight.interrupt = clock(), interrupt
            self._watch.flights.add(flight)
            return [member.operation for member in flight.begun]

        timeout = min(flight.deadline - flight.begun_at, max_lock_timeout)
        is_tested = bool(self._apart.slow)
        writing = self._writer.write(
            begin, flight.deadline, timeout, is_tested=is_tested
        )
        try:
            await self._land(flight, writing)
        finally:
            self._watch.flights.discard(flight)

    async def _land(self, flight: Flight, writing: Awaitable[Written]) -> None:
        """
        Wait for the end of a transaction, and act on it.
        """
        try:
            written = await writing
        except StorageError as error:
            self._observe(flight, None, error)
            await self._after_failure(flight.group, error)
        except Exception as error:  # noqa: BLE001 - a fault of this code; theirs to see
            self._observe(flight, None, error)
            abort_all(flight.group, error)
        except asyncio.CancelledError:
            self._abort_all(flight.group)
            raise
        else:
            self._observe(flight, written, None)
            self._settle(flight.begun, written)

    async def _after_failure(
        self, group: list[PendingOperation], error: StorageError
    ) -> None:
        self._writer.call_log.note_outage(error)
        is_final = self._writer.is_final(error)
        await self._retries.after_failure(group, error, is_final=is_final)

    def _abort_all(self, group: Sequence[PendingOperation]) -> None:
        # The loop is being shut down: nobody may wait for what will never come.
        error = StoreClosedError("the event loop was shut down")
        waiting = self._queue.take_all()
        for member in waiting:
            member.is_queued = False
        abort_all([*group, *self._retries.take_all(), *waiting], error)
