"""
Maintenance of the database in memory, and how it is looked over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import UTC, datetime

import attrs

from asm_async.fronts.health_findings import (
    MAX_INDEX_AGE,
    MISSING_SEQUENCE,
    Finding,
    bounded,
    orphans,
    sequence_mismatch,
    stale_text_index,
)
from asm_async.fronts.maintenance import Batch, Batches, MaintenanceFront
from asm_async.fronts.observing import Observation, observed_call
from asm_async.fronts.retention import utc_now
from asm_async.fronts.text_indexing import CONSUMER_NAME
from asm_async.memory.database import DatabaseAccess, InMemoryDatabase
from asm_async.memory.erasing import InMemoryErasure
from asm_async.memory.retention import (
    hard_delete_expired_sessions,
    prune_events,
    prune_session,
    soft_delete_expired_sessions,
)
from asm_async.values import fields
from asm_async.values.artifact import Artifact
from asm_async.values.maintenance import HealthIssue, HealthIssueKind, MaintenanceStep
from asm_async.values.retention import RetentionPolicy
from asm_async.values.session import Session


class InMemoryMaintenance(MaintenanceFront):
    """
    A :class:`~asm_async.ports.maintenance.Maintenance` without a database.

    Nothing is awaited within a batch but the archive, so that each is atomic. There are
    no counters without a session here, and no status that is none.

    Args:
        database: The database; stores with the same one write to it.

        clock: Returns the time that ages are measured by and deletions are marked with.
    """

    def __init__(
        self,
        database: InMemoryDatabase,
        *,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._access = DatabaseAccess(database, "maintenance")
        self.observation: Observation | None = Observation()
        self._clock = fields.function(clock, "clock")

    @observed_call
    async def health_check(self) -> list[HealthIssue]:
        """
        Look for damage; nothing is changed.
        """
        return _check_health(self._access.database)

    def _call(self) -> AbstractAsyncContextManager[object]:
        return nullcontext(self._access.database)

    def _batches(self, step: MaintenanceStep, policy: RetentionPolicy) -> Batches:
        database, now = self._access.database, self._clock()
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

    def _erasure(self) -> InMemoryErasure:
        return InMemoryErasure(self._access.database, self._clock())

    async def _prune_session_events(
        self, session_id: str, policy: RetentionPolicy
    ) -> int:
        return prune_session(self._access.database, policy, session_id)

    async def _soft_delete_session(
        self, session_id: str, expected_tenant: str | None
    ) -> Session:
        self._access.database.existing(session_id, expected_tenant)
        self._access.database.soft_delete(session_id, self._clock())
        return attrs.evolve(self._access.database.existing(session_id))

    async def _restore_session(
        self, session_id: str, expected_tenant: str | None
    ) -> Session:
        self._access.database.existing(session_id, expected_tenant)
        self._access.database.restore(session_id)
        return attrs.evolve(self._access.database.existing(session_id))


async def _clean_orphaned_artifacts(database: InMemoryDatabase) -> Batches:
    def is_orphaned(artifact: Artifact) -> bool:
        return artifact.session_id not in {None, *database.sessions}

    yield Batch(database.remove_artifacts(is_orphaned))


async def _nothing() -> Batches:
    return
    yield


def _check_health(database: InMemoryDatabase) -> list[HealthIssue]:
    """
    Look for all that can be wrong; a status that is none there cannot be.
    """
    kind = HealthIssueKind
    gates, sessions = database.gates, database.sessions
    missing = [
        (session_id, MISSING_SEQUENCE)
        for session_id in sessions
        if session_id not in gates
    ]
    runs = (run.session_id for run in database.runs.values())
    artifacts = (
        artifact.session_id
        for artifact in database.artifacts.values()
        if artifact.session_id is not None
    )
    items = (item.session_id or "" for item in database.items.of_sessions())
    events = (id_ for id_, stored in database.events.items() for _ in stored)
    return bounded(
        [
            _finding(kind.SEQUENCE_MISMATCH, _mismatches(database)),
            _finding(kind.MISSING_SEQUENCE, missing),
            _finding(kind.ORPHANED_EVENTS, _orphans(database, events, "events")),
            _finding(kind.ORPHANED_RUNS, _orphans(database, runs, "runs")),
            _finding(
                kind.ORPHANED_ARTIFACTS, _orphans(database, artifacts, "artifacts")
            ),
            _finding(kind.ORPHANED_ITEMS, _orphans(database, items, "state items")),
            _finding(kind.STALE_TEXT_INDEX, _stale_indexes(database)),
        ]
    )


def _finding(kind: HealthIssueKind, cases: Iterable[tuple[str, str]]) -> Finding:
    in_order = tuple(sorted(cases))
    return Finding(kind, in_order, len(in_order))


def _stale_indexes(database: InMemoryDatabase) -> list[tuple[str, str]]:
    row = database.consumers.get(CONSUMER_NAME)
    if row is None or row.updated_at >= datetime.now(UTC) - MAX_INDEX_AGE:
        return []
    is_behind = any(True for _ in database.log.behind(row.place[1]))
    return [(CONSUMER_NAME, stale_text_index(row.updated_at))] if is_behind else []


def _mismatches(database: InMemoryDatabase) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for session_id, gate in database.gates.items():
        stored = database.events.get(session_id, {}).values()
        highest = max((event.sequence_number for event in stored), default=0)
        if gate.latest != len(stored) + gate.pruned or gate.latest < highest:
            message = sequence_mismatch(gate.latest, gate.pruned, len(stored), highest)
            found.append((session_id, message))
    return found


def _orphans(
    database: InMemoryDatabase, owners: Iterable[str], what: str
) -> list[tuple[str, str]]:
    return [
        (session_id, orphans(count, what))
        for session_id, count in Counter(owners).items()
        if session_id not in database.sessions
    ]
