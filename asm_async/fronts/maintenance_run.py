"""
How batches become a report: counted, reported, stopped, and their errors collected.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import TypeAlias

import attrs

from asm_async.values.maintenance import MaintenanceReport, MaintenanceStep


@attrs.frozen
class Batch:
    """
    What one batch has done.
    """

    count: int
    """
    How many of what its step counts.
    """

    failures: Sequence[Exception] = ()
    """
    What kept it from doing more, though not the step from going on.
    """


Batches: TypeAlias = AsyncGenerator[Batch]
"""
A step's batches: to ask for the next one is to have it done.
"""

_COUNTS: Mapping[MaintenanceStep, str] = {
    MaintenanceStep.SOFT_DELETE_EXPIRED_SESSIONS: "sessions_soft_deleted",
    MaintenanceStep.HARD_DELETE_EXPIRED_SESSIONS: "sessions_hard_deleted",
    MaintenanceStep.PRUNE_EVENTS: "events_pruned",
    MaintenanceStep.CLEAN_ORPHANED_ARTIFACTS: "artifacts_cleaned",
    MaintenanceStep.CLEAN_ORPHANED_SEQUENCES: "orphaned_sequences_cleaned",
}


async def do_all(batches: Batches) -> int:
    """
    Have all batches done.

    Returns:
        How many of what is counted they did together.

    Raises:
        ExceptionGroup: Their failures, in the end.
    """
    count = 0
    failures: list[Exception] = []
    try:
        async with aclosing(batches):
            async for batch in batches:
                count += batch.count
                failures += batch.failures
    except Exception as error:
        for failure in failures:
            error.add_note(f"and before that: {failure!r}")
        raise
    if failures:
        raise ExceptionGroup(f"{len(failures)} sessions were not removed", failures)
    return count


class MaintenanceRun:
    """
    A maintenance run under way, and its report as it stands.

    Args:
        progress: Called with the report after each batch; what it raises ends the run.

        should_stop: Asked before each batch; likewise.
    """

    def __init__(
        self,
        progress: Callable[[MaintenanceReport], object] | None,
        should_stop: Callable[[], bool] | None,
    ) -> None:
        self._progress = progress
        self._should_stop = should_stop
        self._is_stopped = False
        self._began = time.monotonic()
        self._report = MaintenanceReport()

    @property
    def report(self) -> MaintenanceReport:
        """
        What was done so far.
        """
        passed = time.monotonic() - self._began
        return attrs.evolve(self._report, duration_ms=round(passed * 1000))

    async def take(self, step: MaintenanceStep, batches: Batches) -> None:
        """
        Have a step's batches done until there are no more, one fails, or it is to stop.
        """
        async with aclosing(batches):
            while self._goes_on():
                try:
                    batch = await anext(batches, None)
                except Exception as error:  # noqa: BLE001 - it is reported
                    self._add(step, Batch(0, [error]))
                    return
                if batch is None:
                    return
                self._add(step, batch)
                if self._progress is not None:
                    self._progress(self.report)

    def _goes_on(self) -> bool:
        if not self._is_stopped and self._should_stop is not None:
            self._is_stopped = self._should_stop()
        return not self._is_stopped

    def _add(self, step: MaintenanceStep, batch: Batch) -> None:
        name, errors = _COUNTS[step], dict(self._report.errors)
        if batch.failures:
            errors[step] = (*errors.get(step, ()), *batch.failures)
        count = getattr(self._report, name) + batch.count
        self._report = attrs.evolve(self._report, **{name: count, "errors": errors})
