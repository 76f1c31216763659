"""
What a write would store, decided before anything is changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import attrs

from asm_async.errors import (
    ConflictError,
    EventConflictError,
    RevisionConflictError,
    SequenceConflictError,
)
from asm_async.memory.database import InMemoryDatabase
from asm_async.values.event import Event
from asm_async.values.run import Run
from asm_async.values.session import Session

V = TypeVar("V", Session, Run)


def next_session(
    database: InMemoryDatabase, session: Session, expected: int | None = None
) -> Session:
    """
    Return the session as a save stores it, or as stored if that succeeded before.
    """
    database.check_not_deleted(session.id)
    stored = database.sessions.get(session.id)
    return _next(f"session {session.id!r}", session, stored, expected)


def next_run(database: InMemoryDatabase, run: Run, expected: int | None = None) -> Run:
    """
    Return the run as a save stores it, or as stored if that succeeded before.
    """
    return _next(f"run {run.id!r}", run, database.runs.get(run.id), expected)


def _next(subject: str, value: V, stored: V | None, expected: int | None) -> V:
    revision = 0 if stored is None else stored.revision
    if stored and revision - 1 == expected and stored.has_same_content(value):
        return stored
    if expected is not None and revision != expected:
        raise RevisionConflictError(subject, expected, revision)
    if stored:
        # Of the same class as the stored one, which type checkers do not see here.
        status: Any = value.status
        stored.check_can_become(status)
    return attrs.evolve(value, revision=revision + 1)


def check_owner(database: InMemoryDatabase, run: Run) -> None:
    """
    Refuse a run whose id is that of another session's run.
    """
    stored = database.runs.get(run.id)
    if stored and stored.session_id != run.session_id:
        raise ConflictError(
            f"run {run.id!r} belongs to session {stored.session_id!r},"
            f" not to {run.session_id!r}"
        )


def number_events(database: InMemoryDatabase, events: Iterable[Event]) -> list[Event]:
    """
    Return each event as stored or, if it is new, with its session's next number.

    Raises:
        EventConflictError: If an id is stored, or comes twice, with other content.
    """
    latest: dict[str, int] = {}
    known: dict[tuple[str, str], Event] = {}
    numbered: list[Event] = []
    for event in events:
        session_id, key = event.session_id, (event.session_id, event.id)
        stored = known.get(key) or database.stored_event(*key)
        if stored is None:
            number = latest.get(session_id, database.latest(session_id)) + 1
            latest[session_id] = number
            stored = attrs.evolve(event, sequence_number=number)
        elif not stored.has_same_content(event):
            raise EventConflictError(*key)
        known[key] = stored
        numbered.append(stored)
    return numbered


def check_latest(
    database: InMemoryDatabase, session_id: str, expected: int | None
) -> None:
    """
    Refuse an *expected* number that is not the session's latest.
    """
    actual = database.latest(session_id)
    if expected is not None and actual != expected:
        raise SequenceConflictError(session_id, expected, actual)


def are_stored_behind(
    database: InMemoryDatabase, expected: int | None, numbered: Sequence[Event]
) -> bool:
    """
    Return whether a session's *numbered* events are stored right behind *expected*.
    """
    if expected is None or not numbered:
        return False
    numbers = list(dict.fromkeys(event.sequence_number for event in numbered))
    next_ones = range(expected + 1, expected + 1 + len(numbers))
    is_stored = numbers[-1] <= database.latest(numbered[0].session_id)
    return is_stored and numbers == list(next_ones)


def was_flushed(
    database: InMemoryDatabase,
    expected: int | None,
    run: Run,
    numbered: Sequence[Event],
) -> bool:
    """
    Return whether a flush with this expectation has succeeded before.
    """
    stored = database.runs.get(run.id)
    is_stored = stored is not None and stored.session_id == run.session_id
    return is_stored and are_stored_behind(database, expected, numbered)
