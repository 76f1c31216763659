"""
How a save and a flush are decided: gate, expectation, status, next revision.
"""

from __future__ import annotations

from asm_async.errors import SequenceConflictError
from asm_async.fronts import saving
from asm_async.sql.writes import decide_append
from asm_async.sql.writes.operations import Flush, SaveRun, SaveSession
from asm_async.sql.writes.unit_of_work import UnitOfWork
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.run import Run
from asm_async.values.session import Session


def save_session(unit: UnitOfWork, operation: SaveSession) -> Session:
    """
    Store the operation's session, or refuse it.

    Raises:
        SessionNotFoundError: If the session is not the expected tenant's.

        SessionDeletedError: If the session is soft-deleted.

        RevisionConflictError: If the expectation is not met.

        InvalidTransitionError: If the status may not follow the stored one.
    """
    session, expected = operation.session, operation.expected
    unit.check_tenant(session.id, expected.expected_tenant, may_be_new=True)
    unit.check_not_deleted(session.id)
    if saving.was_saved(unit, session, expected):
        return unit.sessions[session.id]
    saving.check_revision(unit, session, expected.expected_revision)
    saving.check_next(unit, session)
    return unit.put_session(session, expected.operation_id)


def save_run(unit: UnitOfWork, operation: SaveRun) -> Run:
    """
    Store the operation's run, or refuse it.

    Raises:
        SessionNotFoundError: If its session does not exist.

        SessionDeletedError: If its session is soft-deleted.

        ConflictError: If the run's id is that of another session's run.

        RevisionConflictError: If the expectation is not met.

        InvalidTransitionError: If the status may not follow the stored one.
    """
    run, expected = operation.run, operation.expected
    unit.check_tenant(run.session_id, expected.expected_tenant)
    unit.check_live(run.session_id)
    saving.check_owner(unit, run, expected)
    if saving.was_saved(unit, run, expected):
        return unit.runs[run.id]
    saving.check_revision(unit, run, expected.expected_revision)
    saving.check_next(unit, run)
    return unit.put_run(run, expected.operation_id)


def flush(unit: UnitOfWork, operation: Flush) -> ExecutionResult:
    """
    Store the operation's session, run and events, or refuse them all.

    Raises:
        SessionNotFoundError: If it brings no session along, and there is none.

        SessionDeletedError: If the session is soft-deleted.

        EventConflictError: If an event's id is taken by one with other content.

        RevisionConflictError: If that expectation is not met.

        SequenceConflictError: If that expectation is not met.

        ConflictError: If the run's id is that of another session's run, or the
            operation has saved other content.

        InvalidTransitionError: If a status may not follow the stored one.
    """
    session, run, expected = operation.session, operation.run, operation.expected
    session_id, is_new = operation.session_id, session is not None
    unit.check_tenant(session_id, expected.expected_tenant, may_be_new=is_new)
    if session is None:
        unit.check_live(session_id)
    unit.check_not_deleted(session_id)
    decide_append.check_duplicates(unit, operation.events)
    events, number = operation.events, expected.expected_sequence
    was_flushed = saving.was_flushed(
        unit,
        session_id,
        [value for value in (session, run) if value is not None],
        expected,
        has_events=all((e.session_id, e.id) in unit.events for e in events),
        are_events_behind=lambda: (
            number is not None
            and bool(events)
            and decide_append.are_behind(unit, events, number)
        ),
    )
    if was_flushed:
        return _stored_result(unit, operation)
    # The revision comes first: if it is met, this has not been done before, and what
    # else is refused then is known not to have happened.
    if session is not None:
        saving.check_revision(unit, session, expected.expected_revision)
    if number is not None:
        _check_sequence(unit, session_id, session, number)
    if run is not None:
        saving.check_owner(unit, run, expected)
        saving.check_next(unit, run)
    if session is not None:
        saving.check_next(unit, session)
        unit.put_session(session, expected.operation_id)
    if run is not None:
        unit.put_run(run, expected.operation_id)
    decide_append.number_events(unit, operation.events, operation.texts)
    return _stored_result(unit, operation)


def _stored_result(unit: UnitOfWork, operation: Flush) -> ExecutionResult:
    session, run = operation.session, operation.run
    return ExecutionResult(
        session=None if session is None else unit.sessions[session.id],
        run=None if run is None else unit.runs[run.id],
        events=tuple(unit.events[e.session_id, e.id] for e in operation.events),
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
