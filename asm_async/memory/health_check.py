"""
How the in-memory database is looked over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from asm_async.fronts.health_findings import (
    MISSING_SEQUENCE,
    Finding,
    bounded,
    orphans,
    sequence_mismatch,
)
from asm_async.memory.database import InMemoryDatabase
from asm_async.values.maintenance import HealthIssue, HealthIssueKind


def check_health(database: InMemoryDatabase) -> list[HealthIssue]:
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
        ]
    )


def _finding(kind: HealthIssueKind, cases: Iterable[tuple[str, str]]) -> Finding:
    in_order = tuple(sorted(cases))
    return Finding(kind, in_order, len(in_order))


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
