"""
The front of maintenance: what every call checks before anything is deleted.
"""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from asm_async.errors import ValidationError
from asm_async.fronts.maintenance_run import Batches, MaintenanceRun, do_all
from asm_async.ports.maintenance import Maintenance
from asm_async.values import fields
from asm_async.values.maintenance import MaintenanceReport, MaintenanceStep
from asm_async.values.retention import RetentionPolicy
from asm_async.values.session import Session


class MaintenanceFront(Maintenance):
    """
    Maintenance in front of a backend, which implements the methods marked abstract.

    A backend makes the batches of each step; they are counted, reported and stopped
    here.
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

    async def soft_delete_session(self, session_id: str) -> Session:
        return await self._soft_delete_session(fields.text(session_id, "session_id"))

    async def restore_session(self, session_id: str) -> Session:
        return await self._restore_session(fields.text(session_id, "session_id"))

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
    async def _prune_session_events(
        self, session_id: str, policy: RetentionPolicy
    ) -> int: ...

    @abstractmethod
    async def _soft_delete_session(self, session_id: str) -> Session: ...

    @abstractmethod
    async def _restore_session(self, session_id: str) -> Session: ...


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
        raise ValidationError(f"{name}: expected a plain callable, got an async one")
