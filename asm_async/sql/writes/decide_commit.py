"""
How a commit is decided: gate, expectations, status, next revisions.
"""

from __future__ import annotations

from collections.abc import Sequence

from asm_async.errors import SequenceConflictError
from asm_async.fronts import saving, saving_items
from asm_async.fronts.expectations import Expectations
from asm_async.fronts.snapshots import ChangesSnapshot
from asm_async.sql.writes import decide_append
from asm_async.sql.writes.operations import Commit
from asm_async.sql.writes.unit_of_work import UnitOfWork
from asm_async.values.artifact import Artifact
from asm_async.values.changes import Committed
from asm_async.values.session import Session


def commit(unit: UnitOfWork, operation: Commit) -> Committed:
    """
    Store the operation's session, runs, events and state items, or refuse them all.

    Raises:
        SessionNotFoundError: If it brings no session along, and there is none, or it is
            not the expected tenant's.

        SessionDeletedError: If the session is soft-deleted.

        EventConflictError: If an event's id is taken by one with other content.

        RevisionConflictError: If such an expectation is not met.

        SequenceConflictError: If that expectation is not met.

        ArtifactConflictError: If an artifact's id or key belongs to another one.

        ConflictError: If a run's id is that of another session's run, or the operation
            has saved other content.

        InvalidTransitionError: If a status may not follow the stored one.
    """
    changes, expected = operation.changes, operation.expected
    _check_session(unit, changes, expected)
    save, events = changes.save, operation.events
    if save is not None:
        for id_ in sorted(save.session_ids - {changes.session_id}):
            unit.check_tenant(id_, expected.expected_tenant)
        saving_items.check_sessions(unit.items, save, changes.session_id)
    decide_append.check_duplicates(unit, events)
    are_items_saved = save is not None and (
        saving_items.saved_before(unit.items, save) is not None
    )
    was_committed = saving.was_committed(
        unit,
        changes,
        expected,
        has_events=all((e.session_id, e.id) in unit.events for e in events),
        are_events_behind=lambda number: decide_append.are_behind(unit, events, number),
        are_items_saved=are_items_saved,
    )
    artifacts, new_artifacts = unit.artifacts.registrations(changes.artifacts)
    if not was_committed:
        _store(unit, operation)
    unit.artifacts.add(new_artifacts)
    return _committed(unit, operation, artifacts)


def _check_session(
    unit: UnitOfWork, changes: ChangesSnapshot, expected: Expectations
) -> None:
    session_id = changes.session_id
    if session_id is None:
        return
    may_be_new = changes.session is not None or changes.create_session is not None
    unit.check_tenant(session_id, expected.expected_tenant, may_be_new=may_be_new)
    unit.check_not_deleted(session_id)
    if not may_be_new:
        unit.check_live(session_id)
    for run in changes.runs:
        saving.check_owner(unit, run.id, session_id, expected)


def _store(unit: UnitOfWork, operation: Commit) -> None:
    changes, expected = operation.changes, operation.expected
    session, session_id = changes.session, changes.session_id
    if session is None and session_id is not None and unit.is_gone(session_id):
        session = changes.create_session
    # The revisions come first: if they are met, this has not been done before, and what
    # else is refused then is known not to have happened.
    if session_id is not None:
        saving.check_revisions(unit, session, session_id, expected)
    if changes.save is not None:
        saving_items.check_expected(unit.items, changes.save.expected)
    if session_id is not None and expected.expected_sequence is not None:
        _check_sequence(unit, session_id, session, expected.expected_sequence)
    for run in changes.runs:
        saving.check_next(unit, run)
    if session is not None:
        saving.check_next(unit, session)
    decide_append.check_numbers(unit, operation.events)
    if session is not None:
        unit.put_session(session, expected.operation_id)
    for run in changes.runs:
        unit.put_run(run, expected.operation_id)
    decide_append.number_events(unit, operation.events, operation.texts)
    if changes.save is not None:
        saving_items.put_items(unit.items, changes.save)


def _committed(
    unit: UnitOfWork, operation: Commit, artifacts: Sequence[Artifact]
) -> Committed:
    changes = operation.changes
    return Committed(
        session=saving.saved_session(unit, changes, operation.expected),
        runs=tuple(unit.runs[run.id] for run in changes.runs),
        events=tuple(unit.events[e.session_id, e.id] for e in operation.events),
        items=saving_items.stored_items(unit.items, changes.save),
        artifacts=tuple(artifacts),
    )


def _check_sequence(
    unit: UnitOfWork, session_id: str, session: Session | None, expected: int
) -> None:
    gate = unit.gate(session_id)
    if session is not None and gate.is_tombstone_of_another(session.tenant_id):
        # For this tenant there never was a session.
        if expected:
            raise SequenceConflictError(session_id, expected, 0)
    else:
        decide_append.check_sequence(unit, session_id, expected)
