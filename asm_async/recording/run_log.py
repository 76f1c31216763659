"""
What is written of one run while it is recorded, step by step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import attrs

from asm_async.errors import (
    ASMError,
    ConflictError,
    LeaseLostError,
    NotFoundError,
    RevisionConflictError,
    StorageError,
)
from asm_async.fronts.observing import StepObserver
from asm_async.ports.session_store import SessionStore
from asm_async.recording.endings import Ending, event_id
from asm_async.values.changes import Changes, Committed
from asm_async.values.event import Event
from asm_async.values.ids import new_operation_id
from asm_async.values.run import Run

_MAX_ATTEMPTS = 100

Change = Callable[[Run], Run]
MakeEvents = Callable[[str], Sequence[Event]]


@attrs.define(eq=False)
class _Step:
    """
    What one commit writes of a run: events, and the run as it has become.
    """

    place: int
    events: tuple[Event, ...]
    changes: tuple[Change, ...]
    """
    What the application has changed of the run since the step before.
    """

    own_change: Change | None = None
    """
    What the step itself changes of it.
    """

    removed_items: tuple[tuple[str, str], ...] = ()
    operation_id: str = attrs.field(factory=new_operation_id)
    may_be_written: bool = False
    """
    Whether a commit of it has ended, or was broken off, without saying how.
    """

    stored: list[Event] = attrs.field(factory=list[Event])
    """
    Its events as they are stored, once it is known that they are.
    """

    @property
    def all_changes(self) -> tuple[Change, ...]:
        """
        What it writes of the run.
        """
        own = () if self.own_change is None else (self.own_change,)
        return self.changes + own

    def says(self, events: Sequence[Event]) -> bool:
        """
        Return whether these are its events, made again at another time.
        """
        return len(events) == len(self.events) and all(
            attrs.evolve(again, timestamp=event.timestamp) == event
            for event, again in zip(self.events, events, strict=True)
        )


class RunLog:
    """
    One run that is recorded: as it is stored, and what is to be written of it.

    Steps are written one after the other, in the order in which they were asked for.
    Each expects the revision of the run that the one before it has left: once somebody
    else has ended the run, nothing more is written.

    Args:
        store: Where it is written to.

        run: The run as it is stored.

        expected_tenant: Whose the session must be; None if that is not asked.

        note_step: Is told of each step that is stored, if somebody observes.
    """

    def __init__(
        self,
        store: SessionStore,
        run: Run,
        expected_tenant: str | None,
        note_step: StepObserver | None = None,
    ) -> None:
        self.run: Run = run
        self._note_step = note_step
        self._store = store
        self._tenant = expected_tenant
        self._stored: Run = run
        # What was changed of the run and is not yet written. Functions, not values:
        # they are applied once more where somebody else has saved the run meanwhile.
        self._changes: tuple[Change, ...] = ()
        self._steps = 0
        self._lock = asyncio.Lock()
        # The last step, if it is not known whether it was written, or its caller was
        # cancelled before it could be told.
        self._doubtful: _Step | None = None
        self._lost: str | None = None

    def change(self, change: Change) -> None:
        """
        Change the run; the next step writes it.

        Raises:
            ValidationError: If *change* does; then nothing is changed.
        """
        self.run = change(self.run)
        self._changes += (change,)

    async def append(
        self, make: MakeEvents, own_change: Change | None = None
    ) -> list[Event]:
        """
        Write events, and what was changed of the run, in one commit.

        Args:
            make: Makes the events; is given an id for one that has none of its own.

            own_change: What else changes of the run, if the events are written.

        Returns:
            The stored events.

        Raises:
            LeaseLostError: If the run was ended by somebody else, or is gone.
        """
        cancelled = asyncio.Event()
        # In a task of its own: whatever becomes of its caller, the run's revision has
        # to be known afterwards.
        step = self._append(make, own_change, cancelled)
        task = asyncio.create_task(step, name="asm_async step")
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            cancelled.set()
            task.add_done_callback(_forget)
            # It may have come to its end in the very turn of the loop in which its
            # caller was cancelled.
            if task.done() and not task.cancelled() and not task.exception():
                self._keep_undelivered(task.result())
            raise
        stored = task.result().stored
        if self._note_step is not None:
            self._note_step(stored)
        return stored

    async def end(
        self,
        ending: Ending,
        correlation_id: str | None,
        removed_items: tuple[tuple[str, str], ...],
    ) -> None:
        """
        Write the end of the run with its event, and remove its state items, in one.

        Raises:
            LeaseLostError: If the run was ended by somebody else, or is gone.
        """
        now = datetime.now(UTC)
        async with self._lock:
            self._check_lost()
            await self._settle()
            _, event = ending(self.run, now, correlation_id)
            step = _Step(
                self._steps,
                (event,),
                self._changes,
                lambda run: ending(run, now, correlation_id)[0],
                removed_items,
            )
            await self._write(step)

    async def look(self) -> None:
        """
        Find out whether the run goes on.

        Raises:
            LeaseLostError: If somebody has ended it, or it is gone.
        """
        await self._read()

    async def _append(
        self, make: MakeEvents, own_change: Change | None, cancelled: asyncio.Event
    ) -> _Step:
        async with self._lock:
            self._check_lost()
            if (doubtful := await self._settle()) is not None:
                events = make(event_id(self.run.id, doubtful.place))
                if doubtful.stored and doubtful.says(events):
                    return doubtful
            events = tuple(make(event_id(self.run.id, self._steps)))
            step = _Step(self._steps, events, self._changes, own_change)
            await self._write(step)
            if cancelled.is_set():
                self._keep_undelivered(step)
            return step

    def _keep_undelivered(self, step: _Step) -> None:
        if step.place == self._steps - 1:
            self._doubtful = step

    async def _settle(self) -> _Step | None:
        """
        Write the step that is in doubt, if there is one, and return it.
        """
        if (step := self._doubtful) is None or step.stored:
            self._doubtful = None
            return step
        try:
            await self._write(step)
        except (LeaseLostError, StorageError):
            raise
        except ASMError:
            # Now it is known that it was refused; who asked for it was told of worse.
            self._doubtful = None
        return step

    async def _write(self, step: _Step) -> None:
        for _ in range(_MAX_ATTEMPTS):
            try:
                committed = await self._commit(step)
            except (ConflictError, NotFoundError) as error:
                if not step.may_be_written:
                    self._doubtful = None
                stored = await self._read()
                found = await self._events_of(step) if step.may_be_written else []
                if found and len(found) == len(step.events):
                    self._accept(step, stored, found)
                    return
                if not isinstance(error, RevisionConflictError) or (
                    stored.revision == self._stored.revision
                ):
                    raise
                # Somebody else has saved the run, and it goes on: so does this.
                self._stored = stored
                self.run = _changed(stored, self._changes)
                step.operation_id = new_operation_id()
                continue
            run = committed.runs[0] if committed.runs else self._stored
            self._accept(step, run, list(committed.events))
            return
        raise ConflictError(
            f"run {self.run.id!r}: other writers saved it at each of {_MAX_ATTEMPTS}"
            " attempts; try again"
        )

    async def _commit(self, step: _Step) -> Committed:
        run = _changed(self._stored, step.all_changes)
        changes = Changes(
            events=step.events,
            runs=(run,) if step.all_changes else (),
            removed_items=step.removed_items,
        )
        self._doubtful = step
        while True:
            was_in_doubt, step.may_be_written = step.may_be_written, True
            try:
                return await self._store.commit(
                    changes,
                    expected_revisions={run.id: self._stored.revision},
                    operation_id=step.operation_id,
                    expected_tenant=self._tenant,
                )
            except StorageError as error:
                if error.outcome_unknown and not was_in_doubt:
                    continue
                step.may_be_written = was_in_doubt or error.outcome_unknown
                if not step.may_be_written:
                    self._doubtful = None
                raise
            except ASMError:
                step.may_be_written = was_in_doubt
                if not was_in_doubt:
                    self._doubtful = None
                raise

    def _accept(self, step: _Step, run: Run, events: list[Event]) -> None:
        self._stored = run
        self._changes = self._changes[len(step.changes) :]
        self.run = _changed(run, self._changes)
        self._steps = step.place + 1
        self._doubtful = None
        step.stored = events

    async def _events_of(self, step: _Step) -> list[Event]:
        return await self._store.get_events(
            self.run.session_id,
            ids=[event.id for event in step.events],
            expected_tenant=self._tenant,
        )

    async def _read(self) -> Run:
        try:
            stored = await self._store.get_run(
                self.run.id, expected_tenant=self._tenant
            )
        except NotFoundError as error:
            self._lost = f"run {self.run.id!r} is gone: its session was deleted"
            raise LeaseLostError(self._lost) from error
        if stored.status.is_over:
            self._lost = (
                f"run {self.run.id!r} is {stored.status} already: somebody else has"
                " ended it, since its recorder was not heard of for as long as its"
                " lease lasts, or on purpose; nothing was written, begin another run"
            )
            raise LeaseLostError(self._lost)
        return stored

    def _check_lost(self) -> None:
        if self._lost is not None:
            raise LeaseLostError(self._lost)


def _changed(run: Run, changes: Sequence[Change]) -> Run:
    for change in changes:
        run = change(run)
    return run


def _forget(task: asyncio.Task[_Step]) -> None:
    """
    Look at what became of a step whose caller was cancelled, so that asyncio does not.
    """
    if not task.cancelled():
        task.exception()
