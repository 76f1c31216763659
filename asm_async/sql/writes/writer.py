"""
How a group is written: in one statement or hop where nothing about it is unusual.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property, partial
from typing import TypeAlias

from asm_async.errors import StorageBusyError, StorageError, StorageUnavailableError
from asm_async.fronts.log_records import exc_info_of
from asm_async.sql.core.deadlines import GRACE_SECONDS
from asm_async.sql.core.engine_state import engine_state, log_throttle_of
from asm_async.sql.core.error_translation import translated_errors, with_outcome
from asm_async.sql.core.prepared import Script
from asm_async.sql.dialects.direct import Committed, GroupWork
from asm_async.sql.notifications.hub import NotificationHub
from asm_async.sql.runtime.shared_state import shared_state
from asm_async.sql.transactions.call_log import CallLog
from asm_async.sql.transactions.connections import Pooled, acquire_now
from asm_async.sql.transactions.transaction import Transactions
from asm_async.sql.writes.append_plan import AppendEvents, AppendPlan, numbered
from asm_async.sql.writes.commit_plan import CommitPlan, order_keys
from asm_async.sql.writes.operations import (
    Commit,
    Operation,
    Outcome,
    SaveItems,
    Written,
)
from asm_async.sql.writes.publish import publish_commit
from asm_async.sql.writes.queue import (
    LOOK_INTERVAL,
    Begin,
    Ended,
    FairQueue,
    Flight,
    Interrupt,
    PendingOperation,
)
from asm_async.sql.writes.retries import Retries
from asm_async.sql.writes.slow_path import perform

_LOG = logging.getLogger(__name__)

_MakeScript: TypeAlias = Callable[[Sequence[Operation]], Script[list[Outcome]]]


class Writer:
    """
    Writes groups of operations, each in one transaction, once.

    Args:
        transactions: Whose engine to write on.
    """

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._connections = transactions.connections
        self._dialect = transactions.dialect
        self._direct = transactions.dialect.direct
        self.call_log: CallLog = transactions.call_log
        self._giving: set[asyncio.Task[None]] = set()

    def start(
        self, operations: Sequence[Operation], timeout: float, ended: Ended
    ) -> Interrupt | None:
        """
        Start a group's transaction, unless something has to be waited for before.

        Args:
            operations: What to perform.

            timeout: How long, in seconds, to wait for locks.

            ended: Called in the event loop, perhaps before this returns.

        Returns:
            How to interrupt it. None if the write lock was not free, somebody waited
            for it, or no connection was idle; *ended* is never called then.
        """
        lock = self._write_lock
        if lock is not None and not acquire_now(lock):
            return None
        pooled = self._connections.take_now()
        if pooled is not None:
            return self._start(pooled, operations, timeout, ended, lock)
        if lock is not None:
            lock.release()
        return None

    def is_final(self, error: StorageError) -> bool:
        """
        Return whether another try within the timeout would fail as well.
        """
        return self._transactions.is_final(error)

    async def write(
        self, begin: Begin, deadline: float, timeout: float, *, is_tested: bool = False
    ) -> Written:
        """
        Perform a group, when the write lock and a connection are to be had.

        Args:
            begin: Called when there is a connection; none are returned if all callers
                have given up meanwhile.

            deadline: Until when to wait for that, on the loop's clock.

            timeout: How long, in seconds, to wait for locks.

            is_tested: Whether to use a connection only if its server answers.

        Raises:
            StorageError: If the transaction failed.
        """
        landed: asyncio.Future[Written] = asyncio.get_running_loop().create_future()

        def ended(written: Written | None, error: Exception | None) -> None:
            if landed.done():
                return
            if written is not None:
                landed.set_result(written)
            elif error is not None:
                landed.set_exception(error)

        async with self._transactions.write_lock(deadline):
            with translated_errors():
                pooled = await self._connections.take(deadline, is_tested=is_tested)
            give_up = self._connections.give_up
            operations = begin(partial(give_up, pooled.driver_connection))
            if not operations:
                await self._connections.give_back(pooled)
                return Written(outcomes=[])
            self._start(pooled, operations, timeout, ended, None)
            return await landed

    @cached_property
    def _write_lock(self) -> asyncio.Lock | None:
        if not self._dialect.serialises_writers:
            return None
        return engine_state(self._transactions.engine).write_lock

    @cached_property
    def _hub(self) -> NotificationHub:
        return shared_state(self._transactions.engine).hub

    def _start(
        self,
        pooled: Pooled,
        operations: Sequence[Operation],
        timeout: float,
        ended: Ended,
        lock: asyncio.Lock | None,
    ) -> Interrupt:
        driver = pooled.driver_connection
        plan: _Plan

        def done(
            committed: Committed[list[Outcome]] | None, failure: BaseException | None
        ) -> None:
            self._connections.give_up_if_read_only(driver, failure)
            # Callers are told when the connection is back: they may dispose of the
            # engine next.
            if self._connections.give_back_now(pooled):
                tell(committed, failure)
            else:
                giving = asyncio.ensure_future(self._connections.give_back(pooled))
                self._giving.add(giving)
                giving.add_done_callback(partial(given, committed, failure))

        def given(
            committed: Committed[list[Outcome]] | None,
            failure: BaseException | None,
            giving: asyncio.Task[None],
        ) -> None:
            self._giving.discard(giving)
            if not giving.cancelled() and (error := giving.exception()):
                self._connections.log(
                    logging.WARNING, "a connection could not be given back: %r", error
                )
            tell(committed, failure)

        def tell(
            committed: Committed[list[Outcome]] | None, failure: BaseException | None
        ) -> None:
            written: Written | None = None
            error: Exception | None = None
            try:
                # Where it has failed there may be no plan.
                known = _committed(committed, failure)
                written = plan.written(known)
                if known.latest is None and any(plan.is_usual):
                    _LOG.debug("a group of %d took the slow path", len(operations))
                self._publish(operations, written)
            except Exception as fault:  # noqa: BLE001 - those who wait for the outcome are told
                written, error = None, fault
            finally:
                if lock is not None:
                    lock.release()
            ended(written, error)

        try:
            plan = _Plan(operations)
            work = plan.work(partial(perform, self._dialect))
            self._direct.start_group(driver, work, timeout, done)
        except Exception as error:  # noqa: BLE001 - as if it had come later
            done(None, error)
        return partial(self._connections.give_up, driver)

    def _publish(self, operations: Sequence[Operation], written: Written) -> None:
        """
        Wake followers; what is committed stays so, whatever becomes of this.
        """
        try:
            if self._hub.is_needed:
                publish_commit(self._hub, operations, written)
        except Exception as error:  # noqa: BLE001 - callers are told of their success
            log_throttle_of(self._transactions.engine).log(
                _LOG,
                logging.ERROR,
                "followers have to read what was committed",
                exc_info=exc_info_of(error),
            )
            with suppress(Exception):
                self._hub.notify_all()


class Watch:
    """
    One timer for all operations of a store, which runs while anything goes on.

    One for each would cost every append what a few need. *on_look* is called at each
    look, with the time on the loop's clock.
    """

    def __init__(
        self,
        queue: FairQueue[PendingOperation],
        retries: Retries,
        on_look: Callable[[float], None],
    ) -> None:
        self._queue = queue
        self._retries = retries
        self._on_look = on_look
        self._timer: asyncio.TimerHandle | None = None
        self.flights: set[Flight] = set()
        """
        The transactions that are under way.
        """
        self.waiting: set[PendingOperation] = set()
        """
        The operations whose callers wait.
        """

    def add(self, member: PendingOperation, loop: asyncio.AbstractEventLoop) -> None:
        """
        See to it that the caller is told in time.
        """
        self.waiting.add(member)
        if self._timer is None:
            self._timer = loop.call_later(LOOK_INTERVAL, self._look)

    def _look(self) -> None:
        self._timer, loop = None, asyncio.get_running_loop()
        now = loop.time()
        ending = [f for f in tuple(self.flights) if f.interrupt_if_late(now)]
        self._tell_late(now, {member for each in ending for member in each.begun})
        self._on_look(now)
        if self.waiting or self.flights:
            self._timer = loop.call_later(LOOK_INTERVAL, self._look)

    def _tell_late(self, now: float, ending: set[PendingOperation]) -> None:
        """
        Fail those whose time is over; of those in flight, the outcome is unknown.
        """
        # What waits for a lock, a connection or an answer is about to end by itself.
        due = now - GRACE_SECONDS - LOOK_INTERVAL
        others = self.waiting - ending
        late = [m for m in others if m.deadline <= (now if m.is_queued else due)]
        for member in late:
            error = self._retries.last_error
            if member.is_in_flight:
                error = StorageUnavailableError("the database did not answer in time")
            elif error is None:
                error = StorageBusyError(
                    "other writers kept the call waiting past its timeout"
                )
            member.fail(with_outcome(error, outcome_unknown=member.is_in_flight))
        self._queue.withdraw_all([member for member in late if member.is_queued])


def _committed(
    committed: Committed[list[Outcome]] | None, failure: BaseException | None
) -> Committed[list[Outcome]]:
    if committed is None:
        with translated_errors():
            raise failure or AssertionError("neither committed nor failed")
    return committed


class _Plan:
    """
    Which operations of a group are usual, and which need to be looked at.

    Usual are events, sessions and runs that nobody else in the group touches the
    session of, but for others that are usual, and items, also all in one commit. An
    operation behind one that is not usual, in the same session or scope or with the
    same run, is not usual either: none overtakes another.
    """

    def __init__(self, operations: Sequence[Operation]) -> None:
        self.operations = operations
        self.appends = AppendPlan()
        self.commits: CommitPlan | None = None
        others: set[str] = set()
        self.is_usual = [self._add(operation, others) for operation in operations]
        if self.appends.has_twins:
            self.appends, self.commits = AppendPlan(), None
            self.is_usual = [False] * len(operations)

    def _add(self, operation: Operation, others: set[str]) -> bool:
        is_usual = False
        if isinstance(operation, AppendEvents):
            is_usual = self.appends.add(operation, others)
        elif isinstance(operation, SaveItems | Commit):
            self.commits = self.commits or CommitPlan(self.appends)
            is_usual = self.commits.add(operation, others)
        if not is_usual:
            others |= order_keys(operation)
        return is_usual

    def work(self, script: _MakeScript) -> GroupWork[list[Outcome]]:
        """
        Return what the transaction does.
        """
        operations, block = self.operations, self.appends.block
        items = None if self.commits is None else self.commits.block
        locks: set[str] = set() if block is None else set(block.counts)
        if items is not None:
            locks |= items.locks
        rest: list[Operation] = []
        if not all(self.is_usual):
            pairs = zip(operations, self.is_usual, strict=True)
            rest = [operation for operation, is_usual in pairs if not is_usual]
            locks = locks.union(*(operation.locks for operation in rest))
        return GroupWork(
            locks=locks,
            block=block,
            items=items,
            rest=partial(script, rest) if rest else None,
            whole=partial(script, operations),
        )

    def written(self, committed: Committed[list[Outcome]]) -> Written:
        """
        Return the outcomes, in the order of the operations.
        """
        latest, outcomes = committed.latest, committed.result or []
        if latest is None:
            return Written(outcomes=outcomes)
        numbers, others = iter(self.appends.numbers(latest)), iter(outcomes)
        told: list[Outcome] = []
        for operation, is_usual in zip(self.operations, self.is_usual, strict=True):
            if not is_usual:
                told.append(next(others))
            elif isinstance(operation, AppendEvents):
                told.append(numbered(operation.events, numbers))
            elif self.commits is not None and isinstance(operation, SaveItems | Commit):
                told.append(self.commits.outcome(operation, numbers, committed))
        return Written(outcomes=told, first_position=committed.first_position)
