"""
How an append is decided: gate, duplicates, expectation, numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from asm_async.errors import EventConflictError, SequenceConflictError
from asm_async.sql.writes.append_plan import AppendEvents, EventTexts
from asm_async.sql.writes.unit_of_work import UnitOfWork
from asm_async.values.event import Event
from asm_async.values.fields import next_number


def append(unit: UnitOfWork, operation: AppendEvents) -> list[Event]:
    """
    Append the operation's events, or refuse them all.

    Raises:
        SessionNotFoundError: If a session does not exist.

        SessionDeletedError: If a session is soft-deleted.

        EventConflictError: If an id is taken by an event with other content.

        SequenceConflictError: If the expectation is not met.

        ConflictError: If a session has not so many numbers left.
    """
    events, expected = operation.events, operation.expected_sequence
    for session_id in dict.fromkeys(event.session_id for event in events):
        unit.check_tenant(session_id, operation.expected_tenant)
        unit.check_live(session_id)
    check_duplicates(unit, events)
    if expected is not None and events and not are_behind(unit, events, expected):
        check_sequence(unit, events[0].session_id, expected)
    check_numbers(unit, events)
    return number_events(unit, events, operation.texts)


def check_duplicates(unit: UnitOfWork, events: Sequence[Event]) -> None:
    """
    Refuse an id that is stored, or stands earlier in *events*, with other content.

    Raises:
        EventConflictError: For the first such id.
    """
    seen: dict[tuple[str, str], Event] = {}
    for event in events:
        key = event.session_id, event.id
        twin = unit.events.get(key) or seen.setdefault(key, event)
        if twin is not event and not twin.has_same_content(event):
            differing = twin.differing_field(event)
            raise EventConflictError(event.session_id, event.id, differing)


def are_behind(unit: UnitOfWork, events: Sequence[Event], number: int) -> bool:
    """
    Return whether *events* are stored already, in order, directly behind *number*.
    """
    keys = dict.fromkeys((event.session_id, event.id) for event in events)
    stored = [unit.events[key].sequence_number for key in keys if key in unit.events]
    return stored == list(range(number + 1, number + 1 + len(keys)))


def check_sequence(unit: UnitOfWork, session_id: str, expected: int) -> None:
    """
    Refuse a session whose latest number is not the *expected* one.

    Raises:
        SequenceConflictError: With the actual number.
    """
    actual = unit.gate(session_id).last_sequence
    if actual != expected:
        raise SequenceConflictError(session_id, expected, actual)


def check_numbers(unit: UnitOfWork, events: Sequence[Event]) -> None:
    """
    Refuse more events that are not stored than their sessions have numbers left.

    Raises:
        ConflictError: Naming the session.
    """
    new = {(event.session_id, event.id) for event in events} - unit.events.keys()
    for session_id, count in Counter(session_id for session_id, _ in new).items():
        next_number(unit.gate(session_id).last_sequence + count - 1, session_id)


def number_events(
    unit: UnitOfWork, events: Sequence[Event], texts: Sequence[EventTexts]
) -> list[Event]:
    """
    Append those of *events* that are not stored, and return all as stored.

    Nothing may refuse them any more: a group writes what was appended, whatever becomes
    of the operation.
    """
    return [
        unit.events.get((event.session_id, event.id)) or unit.append(event, its_texts)
        for event, its_texts in zip(events, texts, strict=True)
    ]
