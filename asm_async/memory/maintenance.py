"""
Maintenance of the database in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import datetime

import attrs

from asm_async.fronts.maintenance import MaintenanceFront
from asm_async.fronts.maintenance_run import Batch, Batches
from asm_async.fronts.retention import utc_now
from asm_async.memory.database import InMemoryDatabase
from asm_async.memory.health_check import check_health
from asm_async.memory.lifecycle import Lifecycle
from asm_async.memory.retention import (
    hard_delete_expired_sessions,
    prune_events,
    prune_session,
    remove_orphaned_artifacts,
    soft_delete_expired_sessions,
)
from asm_async.values.maintenance import HealthIssue, MaintenanceStep
from asm_async.values.retention import RetentionPolicy
from asm_async.values.session import Session


class InMemoryMaintenance(MaintenanceFront):
    """
    A :class:`~asm_async.ports.maintenance.Maintenance` without a database.

    Nothing is awaited within a batch but the archive, so that each is atomic. There are
    no counters without a session here, and no status that is none.

    Args:
        database: What is maintained; stores that are given the same one write to it.

        clock: Returns the time that ages are measured by and deletions are marked with.
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

    async def health_check(self) -> list[HealthIssue]:
        """
        Look for damage; nothing is changed.
        """
        self._lifecycle.check_usable()
        return check_health(self._database)

    def _call(self) -> AbstractAsyncContextManager[object]:
        self._lifecycle.check_usable()
        return nullcontext()

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

    async def _prune_session_events(
        self, session_id: str, policy: RetentionPolicy
    ) -> int:
        self._lifecycle.check_usable()
        return prune_session(self._database, policy, session_id)

    async def _soft_delete_session(self, session_id: str) -> Session:
        self._lifecycle.check_usable()
        self._database.soft_delete(session_id, self._clock())
        return attrs.evolve(self._database.sessions[session_id])

    async def _restore_session(self, session_id: str) -> Session:
        self._lifecycle.check_usable()
        self._database.restore(session_id)
        return attrs.evolve(self._database.sessions[session_id])


async def _clean_orphaned_artifacts(database: InMemoryDatabase) -> Batches:
    yield Batch(remove_orphaned_artifacts(database))


async def _nothing() -> Batches:
    return
    yield
