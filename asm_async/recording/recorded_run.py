"""
The beginning and the end of a run that is recorded.
"""

from __future__ import annotations

import asyncio
import logging

from asm_async.conventions import run_started
from asm_async.errors import (
    ASMError,
    ConflictError,
    LeaseLostError,
    RevisionConflictError,
    RunInProgressError,
    SequenceConflictError,
    StorageBusyError,
)
from asm_async.fronts.observing import StepObserver
from asm_async.ports.session_store import SessionStore
from asm_async.recording.endings import Ending, completed, ended_by, event_id
from asm_async.recording.lease_keeper import LeaseKeeper
from asm_async.recording.leases import RunItems
from asm_async.recording.repeated_commit import commit_repeatedly
from asm_async.recording.run_log import RunLog
from asm_async.recording.uninterrupted import (
    finish,
    is_loop_running,
    wait_in_any_case,
)
from asm_async.values.changes import Changes, Committed
from asm_async.values.ids import new_operation_id
from asm_async.values.run import Run

_LOG = logging.getLogger(__name__)

_MAX_ATTEMPTS = 100


class RecordedRun:
    """
    A run from its first commit to its last.

    Args:
        store: Where it is written to.

        run: The run that begins.

        lease: For how many seconds the recorder may be silent before it is given up.

        is_exclusive: Whether no other run of the session may be running.

        correlation_id: What its events have in common with others.

        expected_tenant: Whose the session must be; None if that is not asked.
    """

    def __init__(
        self,
        store: SessionStore,
        run: Run,
        *,
        lease: float,
        is_exclusive: bool,
        correlation_id: str | None,
        expected_tenant: str | None,
    ) -> None:
        self._store = store
        self._run = run
        self._is_exclusive = is_exclusive
        self._correlation_id = correlation_id
        self._tenant = expected_tenant
        self._seconds = lease
        self._recorder_id = new_operation_id()
        self._items = RunItems(run.session_id, run.id)
        self._exclusive_revision = 0
        self._keeper: LeaseKeeper | None = None
        self._log: RunLog | None = None

    @property
    def log(self) -> RunLog:
        """
        What writes the run's steps, once it has begun.
        """
        if self._log is None:
            raise AssertionError("the run has not begun")
        return self._log

    @property
    def run(self) -> Run:
        """
        The run as it is now, also before it has begun.
        """
        return self._run if self._log is None else self._log.run

    async def begin(self, note_step: StepObserver | None = None) -> None:
        """
        Store the run and its first event, and hold its lease from then on.

        A caller that is cancelled leaves no run behind that has not ended.

        Args:
            note_step: Is told of each step that is stored, if somebody observes.
        """
        task = asyncio.create_task(self._begin(note_step), name="asm_async run begins")
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            await wait_in_any_case(task)
            if self._log is not None:
                await self.end_after(error)
            elif task.done() and not task.cancelled():
                # Nobody is left to be told.
                task.exception()
            raise
        task.result()

    async def complete(self) -> None:
        """
        End the run well.
        """
        failure = await finish(self._end(completed), self._subject)
        if failure is not None:
            raise failure

    async def end_after(self, error: BaseException) -> None:
        """
        End the run because of an exception, which goes on to the caller in any case.

        If the run could not be ended, a note of that is added to the exception.
        """
        if isinstance(error, GeneratorExit) and not is_loop_running():
            # The coroutine is torn down without a loop: nothing can be waited for.
            return
        failure = await finish(self._end(ended_by(error)), self._subject)
        if failure is not None and not isinstance(error, LeaseLostError):
            error.add_note(f"{self._subject} was not ended: {failure}")

    async def _begin(self, note_step: StepObserver | None) -> None:
        committed = await self._commit_beginning()
        self._log = RunLog(self._store, committed.runs[0], self._tenant, note_step)
        revisions = {(item.scope, item.key): item.revision for item in committed.items}
        self._exclusive_revision = revisions.get(self._items.exclusive, 0)
        self._keeper = LeaseKeeper(
            self._store,
            self._log,
            self._items,
            recorder_id=self._recorder_id,
            seconds=self._seconds,
        )
        self._keeper.start(revisions[self._items.lease])

    async def _commit_beginning(self) -> Committed:
        run, items = self._run, self._items
        started = run_started(
            session_id=run.session_id,
            model=run.model,
            id=event_id(run.id, "start"),
            run_id=run.id,
            provider=run.provider,
            correlation_id=self._correlation_id,
            timestamp=run.started_at,
        )
        saved = [items.new_lease(self._recorder_id, self._seconds)]
        if self._is_exclusive:
            saved.append(items.new_exclusive())
        changes = Changes(runs=(run,), events=(started,), items=tuple(saved))
        expected: dict[str | tuple[str, str], int] = {run.id: 0, items.exclusive: 0}
        for _ in range(_MAX_ATTEMPTS):
            sequence = await self._look_for_others() if self._is_exclusive else None
            try:
                return await commit_repeatedly(
                    self._store,
                    changes,
                    expected_sequence=sequence,
                    expected_revisions=expected,
                    expected_tenant=self._tenant,
                )
            except SequenceConflictError:
                continue
            except RevisionConflictError as error:
                if error.subject == self._subject:
                    raise ConflictError(
                        f"run_id: run {run.id!r} is stored already; leave run_id out,"
                        " or choose another one"
                    ) from error
                # An exclusive run is running; or it was ended by hand, and its item is
                # still there.
                await self._check_alone()
                expected[items.exclusive] = error.actual
        raise StorageBusyError(
            f"session {run.session_id!r}: other writers wrote to it at each attempt to"
            " begin a run; try again"
        )

    async def _look_for_others(self) -> int:
        """
        Refuse to begin beside a run, and return the number to expect.

        The number is read first: a run that begins after the look appends an event.
        """
        sequence = await self._store.get_latest_sequence(
            self._run.session_id, expected_tenant=self._tenant
        )
        await self._check_alone()
        return sequence

    async def _check_alone(self) -> None:
        active = await self._store.get_active_run(
            self._run.session_id, expected_tenant=self._tenant
        )
        if active is not None:
            raise RunInProgressError(self._run.session_id, active.id)

    @property
    def _subject(self) -> str:
        return f"run {self._run.id!r}"

    async def _end(self, ending: Ending) -> None:
        if self._keeper is not None:
            await self._keeper.stop()
        removed: tuple[tuple[str, str], ...] = (self._items.lease,)
        expected: dict[tuple[str, str], int] = {}
        if self._is_exclusive:
            removed += (self._items.exclusive,)
            expected = {self._items.exclusive: self._exclusive_revision}
        try:
            await self.log.end(ending, self._correlation_id, removed)
        except LeaseLostError:
            # Who has ended the run by hand has left its items. By now the session's may
            # be another run's.
            try:
                await self._store.commit(
                    Changes(removed_items=removed), expected_revisions=expected
                )
            except ASMError as error:
                _LOG.debug("the lease of an ended run is left behind: %s", error.code)
            raise
