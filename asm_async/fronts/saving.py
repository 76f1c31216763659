"""
Whether a commit may be stored, by what is stored: the rules of all backends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from asm_async.errors import (
    ConflictError,
    RevisionConflictError,
    RunNotFoundError,
)
from asm_async.fronts.expectations import Expectations
from asm_async.fronts.snapshots import ChangesSnapshot
from asm_async.values.fields import MAX_COUNT
from asm_async.values.run import Run
from asm_async.values.session import Session


class StoredValues(Protocol):
    """
    What is stored of the sessions and runs that a call concerns, by id.
    """

    @property
    def sessions(self) -> Mapping[str, Session]: ...

    @property
    def runs(self) -> Mapping[str, Run]: ...

    @property
    def operation_ids(self) -> Mapping[tuple[type[Session | Run], str], str | None]:
        """
        Which operation saved a session or a run last, by class and id.
        """
        ...


def was_saved(
    stored: StoredValues, value: Session | Run, expected: Expectations
) -> bool:
    """
    Return whether this very operation has saved *value*, and nobody else since.

    Raises:
        ConflictError: If the operation has saved other content.
    """
    before = _stored(stored, value)
    if before is None:
        return False
    if stored.operation_ids[type(value), value.id] != expected.operation_id:
        return False
    if not before.has_same_content(value):
        raise _other_content(expected, f"of {_named(value)} with other content")
    return True


def was_committed(
    stored: StoredValues,
    changes: ChangesSnapshot,
    expected: Expectations,
    *,
    has_events: bool,
    are_events_behind: Callable[[int], bool],
    are_items_saved: bool,
) -> bool:
    """
    Return whether this very commit has happened already.

    One of its values was saved last by this operation, or its events stand behind the
    number that it expects. By those alone a caller that expects a revision of what it
    saves could not be told from another one.

    Args:
        stored: What is stored.

        changes: What is to be committed.

        expected: What is expected.

        has_events: Whether all its events are stored.

        are_events_behind: Whether they stand right behind a number.

        are_items_saved: Whether its operation has saved some of its items.

    Raises:
        ConflictError: If the operation has stored something else.
    """
    session = changes.session or changes.create_session
    values = [*([session] if session else ()), *changes.runs]
    is_there = has_events
    saved = [are_items_saved]
    for value in values:
        is_there &= _stored(stored, value) is not None
        saved.append(was_saved(stored, value, expected))
    if any(saved):
        if not is_there:
            raise _other_content(expected, "of other values or events")
        return True
    if not is_there or not changes.batch:
        return False
    number = expected.expected_sequence
    if not changes.may_replace:
        # Events alone are known by their ids.
        return number is None or are_events_behind(number)
    is_any = expected.expected_revision is None and not expected.expected_revisions
    return is_any and number is not None and are_events_behind(number)


def saved_session(
    stored: StoredValues, changes: ChangesSnapshot, expected: Expectations
) -> Session | None:
    """
    Return the session that a commit which is stored by now has saved, if it has.

    One that was to be created may have been there.
    """
    given = changes.session or changes.create_session
    session = None if given is None else stored.sessions.get(given.id)
    if session is None or changes.session is not None:
        return session
    saved_by = stored.operation_ids.get((Session, session.id))
    return session if saved_by == expected.operation_id else None


def check_revisions(
    stored: StoredValues,
    session: Session | None,
    session_id: str,
    expected: Expectations,
) -> None:
    """
    Refuse a session or runs whose stored revisions are not the expected ones.

    Raises:
        RevisionConflictError: With the actual revision, 0 if nothing is stored.
    """
    if session is not None and expected.expected_revision is not None:
        before = stored.sessions.get(session.id)
        _check_revision("session", session.id, before, expected.expected_revision)
    for run_id, revision in expected.of_runs.items():
        check_owner(stored, run_id, session_id, expected)
        _check_revision("run", run_id, stored.runs.get(run_id), revision)


def _check_revision(
    kind: str, value_id: str, before: Session | Run | None, expected: int
) -> None:
    actual = 0 if before is None else before.revision
    if actual != expected:
        raise RevisionConflictError(f"{kind} {value_id!r}", expected, actual)


def check_next(stored: StoredValues, value: Session | Run) -> None:
    """
    Refuse what may not come after the stored one.

    Raises:
        InvalidTransitionError: Naming both statuses.

        ConflictError: If there is no revision after its.
    """
    # The stored one is of the same class, which type checkers do not see here.
    before: Any = _stored(stored, value)
    if before is not None:
        if before.revision >= MAX_COUNT:
            raise ConflictError(
                f"{_named(value)} has the last revision, 2**53 - 1: save it under"
                " another id"
            )
        before.check_can_become(value.status)


def check_owner(
    stored: StoredValues, run_id: str, session_id: str, expected: Expectations
) -> None:
    """
    Refuse a run whose id is that of another session's run.

    Raises:
        RunNotFoundError: Where a tenant is expected, which must not learn whose it is.

        ConflictError: Where none is.
    """
    before = stored.runs.get(run_id)
    if before is None or before.session_id == session_id:
        return
    if expected.expected_tenant is not None:
        raise RunNotFoundError(run_id)
    raise ConflictError(
        f"run {run_id!r} belongs to session {before.session_id!r}, not to"
        f" {session_id!r}"
    )


def _stored(stored: StoredValues, value: Session | Run) -> Session | Run | None:
    kept = stored.sessions if isinstance(value, Session) else stored.runs
    return kept.get(value.id)


def _named(value: Session | Run) -> str:
    return f"{type(value).__name__.lower()} {value.id!r}"


def _other_content(expected: Expectations, what: str) -> ConflictError:
    return ConflictError(
        f"operation_id: {expected.operation_id!r} was used for a save {what}; give each"
        " operation an id of its own"
    )
