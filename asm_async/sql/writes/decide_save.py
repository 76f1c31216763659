"""
How a save and a flush are decided: gate, expectation, status, next revision.
"""

from __future__ import annotations

from typing import TypeVar

from asm_async.errors import (
    ConflictError,
    RevisionConflictError,
    RunNotFoundError,
    SequenceConflictError,
)
from asm_async.fronts.expectations import Expectations
from asm_async.sql.writes import decide_append
from asm_async.sql.writes.operations import Flush, SaveRun, SaveSession
from asm_async.sql.writes.unit_of_work import UnitOfWork
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.run import Run
from asm_async.values.session import Session

V = TypeVar("V", Session, Run)


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
    if done := _saved_before(unit, session, unit.sessions.get(session.id), expected):
        return done
    _check_session_revision(unit, session, expected)
    _check_session_status(unit, session)
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
    _check_owner(unit, run, expected)
    stored = unit.runs.get(run.id)
    if done := _saved_before(unit, run, stored, expected):
        return done
    _check_revision(f"run {run.id!r}", stored, expected.expected_revision)
    _check_run_status(unit, run)
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
    if _was_flushed_before(unit, operation):
        return _stored_result(unit, operation)
    # The revision comes first: if it is met, this has not been done before, and what
    # else is refused then is known not to have happened.
    if session is not None:
        _check_session_revision(unit, session, expected)
    if (number := expected.expected_sequence) is not None:
        _check_sequence(unit, session_id, session, number)
    if run is not None:
        _check_owner(unit, run, expected)
        _check_run_status(unit, run)
    if session is not None:
        _check_session_status(unit, session)
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


def _was_flushed_before(unit: UnitOfWork, operation: Flush) -> bool:
    """
    Return whether this very flush has happened already.

    Either the session or the run was saved last by this operation, or its events stand
    behind the number that it expects. By those alone a caller that expects a revision
    could not be told from another one.

    Raises:
        ConflictError: If the operation has stored something else.
    """
    session, run, expected = operation.session, operation.run, operation.expected
    saved: list[bool] = []
    is_there = all((e.session_id, e.id) in unit.events for e in operation.events)
    if session is not None:
        stored_session = unit.sessions.get(session.id)
        is_there &= stored_session is not None
        saved.append(_saved_before(unit, session, stored_session, expected) is not None)
    if run is not None:
        stored_run = unit.runs.get(run.id)
        is_there &= stored_run is not None and stored_run.session_id == run.session_id
        saved.append(_saved_before(unit, run, stored_run, expected) is not None)
    if any(saved):
        if not is_there:
            raise _other_content(expected, "of other values or events")
        return True
    number = expected.expected_sequence
    return (
        is_there
        and number is not None
        and expected.expected_revision is None
        and bool(operation.events)
        and decide_append.are_behind(unit, operation.events, number)
    )


def _saved_before(
    unit: UnitOfWork, value: V, stored: V | None, expected: Expectations
) -> V | None:
    """
    Return what is stored if this very operation has saved it, and nobody else since.

    Raises:
        ConflictError: If the operation has saved other content.
    """
    if stored is None:
        return None
    if unit.operation_ids[type(value), value.id] != expected.operation_id:
        return None
    if not stored.has_same_content(value):
        kind = type(value).__name__.lower()
        raise _other_content(expected, f"of {kind} {value.id!r} with other content")
    return stored


def _other_content(expected: Expectations, what: str) -> ConflictError:
    return ConflictError(
        f"operation_id: {expected.operation_id!r} was that of a save {what}; each"
        " operation needs an id of its own"
    )


def _check_session_revision(
    unit: UnitOfWork, session: Session, expected: Expectations
) -> None:
    stored = unit.sessions.get(session.id)
    _check_revision(f"session {session.id!r}", stored, expected.expected_revision)


def _check_session_status(unit: UnitOfWork, session: Session) -> None:
    if stored := unit.sessions.get(session.id):
        stored.check_can_become(session.status)


def _check_revision(
    subject: str, stored: Session | Run | None, expected: int | None
) -> None:
    actual = 0 if stored is None else stored.revision
    if expected is not None and expected != actual:
        raise RevisionConflictError(subject, expected, actual)


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


def _check_owner(unit: UnitOfWork, run: Run, expected: Expectations) -> None:
    stored = unit.runs.get(run.id)
    if stored and stored.session_id != run.session_id:
        if expected.expected_tenant is not None:
            # A tenant must not learn whose run has the id that it wanted to use.
            raise RunNotFoundError(run.id)
        raise ConflictError(
            f"run {run.id!r} belongs to session {stored.session_id!r},"
            f" not to {run.session_id!r}"
        )


def _check_run_status(unit: UnitOfWork, run: Run) -> None:
    if stored := unit.runs.get(run.id):
        stored.check_can_become(run.status)
