"""
How a save and a flush are decided: gate, expectation, status, next revision.
"""

from __future__ import annotations

from typing import TypeVar

from asm_async.errors import ConflictError, RevisionConflictError
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
        SessionDeletedError: If the session is soft-deleted.

        RevisionConflictError: If the expectation is not met.

        InvalidTransitionError: If the status may not follow the stored one.
    """
    session, expected = operation.session, operation.expected_revision
    unit.check_not_deleted(session.id)
    stored = unit.sessions.get(session.id)
    if done := _saved_before(stored, session, expected):
        return done
    _check_revision(f"session {session.id!r}", stored, expected)
    _check_session_status(unit, session)
    return unit.put_session(session)


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
    run, expected = operation.run, operation.expected_revision
    unit.check_live(run.session_id)
    _check_owner(unit, run)
    stored = unit.runs.get(run.id)
    if done := _saved_before(stored, run, expected):
        return done
    _check_revision(f"run {run.id!r}", stored, expected)
    _check_run_status(unit, run)
    return unit.put_run(run)


def flush(unit: UnitOfWork, operation: Flush) -> ExecutionResult:
    """
    Store the operation's session, run and events, or refuse them all.

    Raises:
        SessionDeletedError: If the session is soft-deleted.

        EventConflictError: If an event's id is taken by one with other content.

        SequenceConflictError: If the expectation is not met.

        ConflictError: If the run's id is that of another session's run.

        InvalidTransitionError: If a status may not follow the stored one.
    """
    session, run, events = operation.session, operation.run, operation.events
    unit.check_not_deleted(session.id)
    decide_append.check_duplicates(unit, events)
    if (expected := operation.expected_sequence) is not None:
        if done := _flushed_before(unit, operation, expected):
            return done
        decide_append.check_sequence(unit, session.id, expected)
    _check_owner(unit, run)
    _check_session_status(unit, session)
    _check_run_status(unit, run)
    return ExecutionResult(
        session=unit.put_session(session),
        run=unit.put_run(run),
        events=tuple(decide_append.number_events(unit, events, operation.texts)),
    )


def _flushed_before(
    unit: UnitOfWork, operation: Flush, expected: int
) -> ExecutionResult | None:
    """
    Return what is stored if this very flush has happened already.
    """
    session = unit.sessions.get(operation.session.id)
    run = unit.runs.get(operation.run.id)
    if not operation.events or session is None or run is None:
        return None
    if run.session_id != session.id:
        return None
    if not decide_append.are_behind(unit, operation.events, expected):
        return None
    events = [unit.events[event.session_id, event.id] for event in operation.events]
    return ExecutionResult(session=session, run=run, events=tuple(events))


def _saved_before(stored: V | None, value: V, expected: int | None) -> V | None:
    """
    Return what is stored if this very save has happened already.
    """
    if stored is None or expected is None or stored.revision != expected + 1:
        return None
    return stored if stored.has_same_content(value) else None


def _check_revision(
    subject: str, stored: Session | Run | None, expected: int | None
) -> None:
    actual = 0 if stored is None else stored.revision
    if expected is not None and expected != actual:
        raise RevisionConflictError(subject, expected, actual)


def _check_owner(unit: UnitOfWork, run: Run) -> None:
    stored = unit.runs.get(run.id)
    if stored and stored.session_id != run.session_id:
        raise ConflictError(
            f"run {run.id!r} belongs to session {stored.session_id!r},"
            f" not to {run.session_id!r}"
        )


def _check_session_status(unit: UnitOfWork, session: Session) -> None:
    if stored := unit.sessions.get(session.id):
        stored.check_can_become(session.status)


def _check_run_status(unit: UnitOfWork, run: Run) -> None:
    if stored := unit.runs.get(run.id):
        stored.check_can_become(run.status)
