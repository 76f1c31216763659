"""
What a retraction writes, by what is stored: the rules of all backends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeAlias

import attrs

from asm_async.errors import (
    ConflictError,
    EventConflictError,
    SequenceConflictError,
    ValidationError,
)
from asm_async.fronts.expectations import Expectations
from asm_async.fronts.retention import utc_now
from asm_async.values import fields
from asm_async.values.event import EVENTS_RETRACTED, Event
from asm_async.values.json_values import JSONObject, encode_json
from asm_async.values.retraction import RETRACTIONS, Ranges, merged, retraction_data

EventTexts: TypeAlias = tuple[str, str]

FindEvent: TypeAlias = Callable[[str], Event | None]
"""
Returns the session's event of an id, as it is stored; None if there is none.
"""


@attrs.frozen(kw_only=True)
class Retraction:
    """
    What one call of ``retract_events`` asks for; nobody else holds the events.
    """

    session_id: str
    first: int
    last: int
    replacement: Sequence[Event]
    texts: Sequence[EventTexts]
    """
    The *data* and *metadata* of each event of the replacement, as they are stored.
    """

    expected: Expectations
    """
    With the id of the operation, which is that of the event it writes.
    """

    timestamp: datetime
    """
    The time of the event that tells of it.
    """

    @property
    def event_id(self) -> str:
        """
        The id of the event that tells of the retraction.
        """
        return str(self.expected.operation_id)

    def event(self, hidden: Ranges) -> tuple[Event, EventTexts]:
        """
        Return the event that hides these events beside those which are *hidden*.

        Raises:
            UnsupportedOperationError: If they lie in too many ranges.
        """
        ranges = merged([*hidden, (self.first, self.last)])
        data: JSONObject = retraction_data(self.first, self.last, ranges)
        event = Event(
            id=self.event_id,
            type=EVENTS_RETRACTED,
            timestamp=self.timestamp,
            session_id=self.session_id,
            correlation_id=RETRACTIONS,
        )
        # Numbers need no look for what is no JSON, and there may be two thousand.
        return event.with_json(data, {}), (encode_json(data), encode_json({}))


def checked_retraction(
    session_id: object,
    first: object,
    last: object,
    snapshots: Sequence[tuple[Event, str, str]],
    expected: Expectations,
) -> Retraction:
    """
    Check what can be checked of a retraction without looking at what is stored.

    Raises:
        ValidationError: Naming the argument that is wrong.
    """
    session_id = fields.text(session_id, "session_id")
    first = fields.positive_count(first, "first")
    last = fields.positive_count(last, "last")
    if first > last:
        raise ValidationError(
            f"first: expected at most {last}, which is last, got {first}"
        )
    seen: set[str | None] = {expected.operation_id}
    for index, (event, _, _) in enumerate(snapshots):
        place = f"replacement[{index}]"
        if event.session_id != session_id:
            raise ValidationError(
                f"{place}.session_id: expected {session_id!r}, the session whose"
                f" events are retracted, got {event.session_id!r}"
            )
        if event.id in seen:
            raise ValidationError(
                f"{place}.id: {event.id!r} is the operation's id, or is given twice"
            )
        seen.add(event.id)
    return Retraction(
        session_id=session_id,
        first=first,
        last=last,
        replacement=[event for event, _, _ in snapshots],
        texts=[(data, metadata) for _, data, metadata in snapshots],
        expected=expected,
        timestamp=utc_now(),
    )


def was_retracted(retraction: Retraction, find: FindEvent) -> list[Event] | None:
    """
    Return what this very operation has written already; None if it has not.

    Raises:
        ConflictError: If its id is that of something else.
    """
    done = find(retraction.event_id)
    if done is None:
        return None
    asked = retraction.first, retraction.last
    if (
        done.type != EVENTS_RETRACTED
        or (done.data["first"], done.data["last"]) != asked
    ):
        raise _other_content(retraction, "another event")
    number = done.sequence_number
    stored = [done]
    for event in retraction.replacement:
        number += 1
        twin = find(event.id)
        if twin is None or twin.sequence_number != number:
            raise _other_content(retraction, "another replacement")
        if not twin.has_same_content(event):
            raise _other_content(retraction, "another replacement")
        stored.append(twin)
    return stored


def check_retraction(retraction: Retraction, latest: int, find: FindEvent) -> None:
    """
    Refuse a retraction that what is stored does not allow.

    Args:
        retraction: What is asked for.

        latest: The session's latest number.

        find: Finds an event of the session.

    Raises:
        SequenceConflictError: If the expectation is not met.

        EventConflictError: If an id of its replacement is stored with other content.

        ConflictError: If it reaches beyond the latest event, an event of its
            replacement is stored already, or no numbers are left for it.
    """
    session_id, expected = retraction.session_id, retraction.expected.expected_sequence
    if expected is not None and expected != latest:
        raise SequenceConflictError(session_id, expected, latest)
    if retraction.last > latest:
        raise ConflictError(
            f"session {session_id!r} is at sequence number {latest}: it has no event"
            f" {retraction.last} to retract"
        )
    for event in retraction.replacement:
        twin = find(event.id)
        if twin is None:
            continue
        if not twin.has_same_content(event):
            differing = twin.differing_field(event)
            raise EventConflictError(session_id, event.id, differing)
        raise ConflictError(
            f"session {session_id!r} holds event {event.id!r} already: a replacement"
            " needs new events"
        )
    fields.next_number(latest + len(retraction.replacement), session_id)


def _other_content(retraction: Retraction, what: str) -> ConflictError:
    return ConflictError(
        f"operation_id: {retraction.event_id!r} was used for {what}; give each"
        " operation an id of its own"
    )
