"""
How a retraction is decided: gate, repetition, expectation, hidden ranges, numbers.
"""

from __future__ import annotations

from asm_async.fronts import retracting
from asm_async.sql.writes.operations import RetractEvents
from asm_async.sql.writes.unit_of_work import UnitOfWork
from asm_async.values.event import Event
from asm_async.values.retraction import hidden_ranges


def retract(unit: UnitOfWork, operation: RetractEvents) -> list[Event]:
    """
    Append the event that hides others, and their replacement, or refuse it all.

    Raises:
        SessionNotFoundError: If the session does not exist.

        SessionDeletedError: If the session is soft-deleted.

        SequenceConflictError: If the expectation is not met.

        ConflictError: If the operation's id is another's, the events to hide are not
            there, or the replacement is there already.

        UnsupportedOperationError: If the hidden events would lie in too many ranges.
    """
    retraction = operation.retraction
    session_id = retraction.session_id
    unit.check_tenant(session_id, retraction.expected.expected_tenant)
    unit.check_live(session_id)

    def find(event_id: str) -> Event | None:
        return unit.events.get((session_id, event_id))

    if done := retracting.was_retracted(retraction, find):
        return done
    latest = unit.gate(session_id).last_sequence
    retracting.check_retraction(retraction, latest, find)
    event, texts = retraction.event(unit.hidden.get(session_id, ()))
    written = [unit.append(event, texts)]
    # The next retraction of the group hides what this one does as well.
    unit.hidden[session_id] = hidden_ranges(event.data)
    for other, its_texts in zip(retraction.replacement, retraction.texts, strict=True):
        written.append(unit.append(other, its_texts))
    return written
