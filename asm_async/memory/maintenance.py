"""
Maintenance of the database in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import attrs

from asm_async.memory.database import InMemoryDatabase
from asm_async.memory.health_check import check_health
from asm_async.memory.lifecycle import Lifecycle
from asm_async.memory.orphaned_artifacts import remove_orphaned_artifacts
from asm_async.memory.pruning import prune_events, prune_session
from asm_async.memory.retention import (
    hard_delete_expired_sessions,
    soft_delete_expired_sessions,
)
from asm_async.ports.maintenance_arguments import (
    check_callback,
    check_policy,
    utc_now,
)
from asm_async.ports.maintenance_run import Batch, Batches, MaintenanceRun, do_all
from asm_async.values import fields
from asm_async.values.maintenance import (
    HealthIssue,
    MaintenanceReport,
    MaintenanceStep,
)
from asm_async.values.retention import RetentionPolicy
from asm_async.values.session import Session

__all__ = ["InMemoryMaintenance"]


class InMemoryMaintenance:
    """
    A :class:`~asm_async.ports.maintenance.Maintenance` without a database.

    Nothing is awaited within a batch but the archive, so that each is atomic. There are
    no counters without a session here, and no status that is none.

    Args:
        database: What is maintained; stores that are given the same one write to it.

        clock: Tells the time by which ages are measured and deletions are marked.
    """

    def __init__(
        self,
        database: InMemoryDatabase,
        *,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._database = database
        self._clock = clock
        self._lifecycle = Lifecycle("maintenance")

    async def execute(
        self,
        policy: RetentionPolicy,
        *,
        progress: Callable[[MaintenanceReport], object] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> MaintenanceReport:
        """
        Do all that *policy* asks for.
        """
        policy = check_policy(policy)
        check_callback(progress, "progress")
        check_callback(should_stop, "should_stop")
        run = MaintenanceRun(progress, should_stop)
        self._lifecycle.check_usable()
        for step in MaintenanceStep:
            await run.take(step, self._batches(step, policy))
        return run.report

    async def prune_session_events(
        self, session_id: str, policy: RetentionPolicy
    ) -> int:
        """
        Prune a session to *policy.max_events_per_session* events.
        """
        session_id, policy = fields.text(session_id, "session_id"), check_policy(policy)
        self._lifecycle.check_usable()
        return prune_session(self._database, policy, session_id)

    async def soft_delete_session(self, session_id: str) -> Session:
        """
        Mark a session deleted: readable by id, left out of lists, closed to writes.
        """
        session_id = fields.text(session_id, "session_id")
        self._lifecycle.check_usable()
        self._database.soft_delete(session_id, self._clock())
        return attrs.evolve(self._database.sessions[session_id])

    async def restore_session(self, session_id: str) -> Session:
        """
        Undo a soft deletion; one that is not soft-deleted stays as it is.
        """
        session_id = fields.text(session_id, "session_id")
        self._lifecycle.check_usable()
        self._database.restore(session_id)
        return attrs.evolve(self._database.sessions[session_id])

    async def soft_delete_expired_sessions(self, policy: RetentionPolicy) -> int:
        """
        Soft-delete the sessions that have grown too old.
        """
        return await self._do(
            MaintenanceStep.SOFT_DELETE_EXPIRED_SESSIONS, check_policy(policy)
        )

    async def hard_delete_expired_sessions(self, policy: RetentionPolicy) -> int:
        """
        Remove for ever the sessions that have been soft-deleted for too long.
        """
        return await self._do(
            MaintenanceStep.HARD_DELETE_EXPIRED_SESSIONS, check_policy(policy)
        )

    async def clean_orphaned_artifacts(self) -> int:
        """
        Remove the artifacts whose session does not exist; those of no session stay.
        """
        return await self._do(
            MaintenanceStep.CLEAN_ORPHANED_ARTIFACTS, RetentionPolicy()
        )

    async def health_check(self) -> list[HealthIssue]:
        """
        Look for damage; nothing is changed.
        """
        self._lifecycle.check_usable()
        return check_health(self._database)

    async def _do(self, step: MaintenanceStep, policy: RetentionPolicy) -> int:
        self._lifecycle.check_usable()
        return await do_all(self._batches(step, policy))

    def _batches(self, step: MaintenanceStep, policy: RetentionPolicy) -> Batches:
        database, now = self._database, self._clock()
        match step:
            case MaintenanceStep.SOFT_DELETE_EXPIRED_SESSIONS:
                return soft_delete_expired_sessions(database, policy, now)
            case MaintenanceStep.HARD_DELETE_EXPIRED_SESSIONS:
                return hard_delete_expired_sessions(database, policy, now)
            case MaintenanceStep.PRUNE_EVENTS:
                return prune_events(database, policy)
            case MaintenanceStep.CLEAN_ORPHANED_ARTIFACTS:
                return _clean_orphaned_artifacts(database)
            case MaintenanceStep.CLEAN_ORPHANED_SEQUENCES:
                return _nothing()


async def _clean_orphaned_artifacts(database: InMemoryDatabase) -> Batches:
    yield Batch(remove_orphaned_artifacts(database))


async def _nothing() -> Batches:
    return
    yield
