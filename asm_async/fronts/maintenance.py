"""
The front of maintenance: what every call checks, and how batches become a report.
"""

from __future__ import annotations

import inspect
import time
from abc import abstractmethod
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from datetime import timedelta
from typing import Any, TypeAlias

import attrs

from asm_async.errors import StorageUnavailableError, ValidationError
from asm_async.fronts.erasing import (
    ContentRemover,
    Erasure,
    ErasureBackend,
    ErasureFilter,
)
from asm_async.fronts.expectations import checked_tenant
from asm_async.fronts.observing import Observation, observed
from asm_async.ports.artifact_store import GRACE_PERIOD, ArtifactStore
from asm_async.ports.maintenance import BeforeRemoval, Maintenance
from asm_async.values import fields
from asm_async.values.maintenance import (
    ErasureReport,
    MaintenanceReport,
    MaintenanceStep,
)
from asm_async.values.retention import RetentionPolicy
from asm_async.values.session import Session


@attrs.frozen
class Batch:
    """
    What one batch has done, and how much of what its step counts.
    """

    count: int
    # What kept it from doing more, though not the step from going on.
    failures: Sequence[Exception] = ()


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


@observed
class MaintenanceFront(Maintenance):
    """
    Maintenance in front of a backend, which implements the methods marked abstract.

    A backend makes the batches of each step; they are counted, reported and stopped
    here.
    """

    observation: Observation | None = None
    """
    Where it stands who observes it; None where nobody can.
    """

    async def execute(
        self,
        policy: RetentionPolicy,
        *,
        progress: Callable[[MaintenanceReport], object] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> MaintenanceReport:
        policy = _checked_policy(policy)
        _check_callback(progress, "progress")
        _check_callback(should_stop, "should_stop")
        run = MaintenanceRun(progress, should_stop)
        async with self._call():
            for step in MaintenanceStep:
                await run.take(step, self._batches(step, policy))
        return run.report

    async def prune_session_events(
        self, session_id: str, policy: RetentionPolicy
    ) -> int:
        session_id = fields.text(session_id, "session_id")
        return await self._prune_session_events(session_id, _checked_policy(policy))

    async def soft_delete_session(
        self, session_id: str, *, expected_tenant: str | None = None
    ) -> Session:
        session_id = fields.text(session_id, "session_id")
        tenant = checked_tenant(expected_tenant)
        return await self._soft_delete_session(session_id, tenant)

    async def restore_session(
        self, session_id: str, *, expected_tenant: str | None = None
    ) -> Session:
        session_id = fields.text(session_id, "session_id")
        tenant = checked_tenant(expected_tenant)
        return await self._restore_session(session_id, tenant)

    async def soft_delete_expired_sessions(self, policy: RetentionPolicy) -> int:
        return await self._take(
            MaintenanceStep.SOFT_DELETE_EXPIRED_SESSIONS, _checked_policy(policy)
        )

    async def hard_delete_expired_sessions(self, policy: RetentionPolicy) -> int:
        return await self._take(
            MaintenanceStep.HARD_DELETE_EXPIRED_SESSIONS, _checked_policy(policy)
        )

    async def clean_orphaned_artifacts(self) -> int:
        return await self._take(
            MaintenanceStep.CLEAN_ORPHANED_ARTIFACTS, RetentionPolicy()
        )

    async def erase(
        self,
        *,
        tenant_id: str | None = None,
        user_id: str | None = None,
        session_ids: Iterable[str] | None = None,
        with_children: bool = False,
        artifact_store: ArtifactStore | None = None,
        grace_period: timedelta = GRACE_PERIOD,
        progress: Callable[[ErasureReport], object] | None = None,
        should_stop: Callable[[], bool] | None = None,
        before_removal: BeforeRemoval | None = None,
    ) -> ErasureReport:
        chosen: dict[str, Any] = {
            "tenant_id": tenant_id,
            "user_id": user_id,
            "session_ids": session_ids,
        }
        wanted = ErasureFilter(**chosen, with_children=with_children)
        contents = ContentRemover.of(artifact_store, grace_period)
        _check_callback(progress, "progress")
        _check_callback(should_stop, "should_stop")
        if before_removal is not None and not callable(before_removal):
            raise fields.unexpected("before_removal", "a callable", before_removal)
        async with self._call():
            erasure = Erasure(
                self._erasure(), wanted, contents, progress, should_stop, before_removal
            )
            return await erasure.run()

    async def _take(self, step: MaintenanceStep, policy: RetentionPolicy) -> int:
        async with self._call():
            return await do_all(self._batches(step, policy))

    @abstractmethod
    def _call(self) -> AbstractAsyncContextManager[object]:
        """
        Return what encloses a call, and refuses it where the adapter is not usable.
        """

    @abstractmethod
    def _batches(self, step: MaintenanceStep, policy: RetentionPolicy) -> Batches: ...

    @abstractmethod
    def _erasure(self) -> ErasureBackend: ...

    @abstractmethod
    async def _prune_session_events(
        self, session_id: str, policy: RetentionPolicy
    ) -> int: ...

    @abstractmethod
    async def _soft_delete_session(
        self, session_id: str, expected_tenant: str | None
    ) -> Session: ...

    @abstractmethod
    async def _restore_session(
        self, session_id: str, expected_tenant: str | None
    ) -> Session: ...


def _checked_policy(policy: object) -> RetentionPolicy:
    return fields.instance(policy, "policy", RetentionPolicy)


def _check_callback(callback: object, name: str) -> None:
    """
    Refuse what is neither None nor a callable that need not be awaited.
    """
    if callback is None:
        return
    if not callable(callback):
        raise fields.unexpected(name, "a callable", callback)
    call = type(callback).__call__
    if inspect.iscoroutinefunction(callback) or inspect.iscoroutinefunction(call):
        raise ValidationError(
            f"{name}: expected a synchronous function, got an async one"
        )


async def do_all(batches: Batches) -> int:
    """
    Have all batches done, count what they did, and raise their failures in the end.
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


@attrs.define
class MaintenanceRun:
    """
    A maintenance run under way, and its report as it stands.
    """

    _progress: Callable[[MaintenanceReport], object] | None
    _should_stop: Callable[[], bool] | None
    _is_stopped: bool = attrs.field(default=False, init=False)
    _began: float = attrs.field(factory=time.monotonic, init=False)
    _report: MaintenanceReport = attrs.field(factory=MaintenanceReport, init=False)

    @property
    def report(self) -> MaintenanceReport:
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
                    # Each of the other steps would wait as long for the database.
                    self._is_stopped |= isinstance(error, StorageUnavailableError)
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
