"""
What must be true of what was read and followed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from asm_async.testing.history.calls import Call, Outcome
from asm_async.testing.history.evidence import Evidence
from asm_async.testing.history.plain_values import events_of
from asm_async.values.event import Event

__all__ = [
    "followers_were_given_everything",
    "reads_saw_what_was_acknowledged",
    "reads_saw_what_was_appended",
]

_FILTERS = (
    "run_id",
    "type",
    "correlation_id",
    "ids",
    "since",
    "before",
    "limit",
    "last",
)


def reads_saw_what_was_appended(evidence: Evidence) -> Iterator[str]:
    """
    Demand that what was read or followed is what is stored, once and in order.
    """
    for call in evidence.calls:
        for session_id, events in _seen(call).items():
            for event, later in pairwise(events):
                if later.sequence_number <= event.sequence_number:
                    yield (
                        f"{call} saw number {later.sequence_number} of session"
                        f" {session_id!r} behind number {event.sequence_number}"
                    )
            for event in events:
                yield from _differences(evidence, call, event)


def reads_saw_what_was_acknowledged(evidence: Evidence) -> Iterator[str]:
    """
    Demand that a read that began after an event was acknowledged saw it.
    """
    for call in evidence.calls:
        if call.outcome is not Outcome.OK:
            continue
        if call.operation == "get_latest_sequence":
            session_id = call.arguments["session_id"]
            numbers = set(range(1, call.result + 1))
        elif call.operation == "get_events" and not _is_narrowed(call):
            session_id = call.arguments["session_id"]
            numbers = {event["sequence_number"] for event in call.result}
        else:
            continue
        if evidence.has_lost_some(session_id):
            continue
        after = call.arguments.get("after", 0)
        for number, event in _acknowledged_before(evidence, session_id, call):
            if number > after and number not in numbers:
                yield (
                    f"{call} did not see event {event.id!r} of session {session_id!r},"
                    f" number {number}, which had been acknowledged"
                )


def _is_narrowed(call: Call) -> bool:
    is_partial = call.arguments.get("visible_only", False)
    return is_partial or not set(_FILTERS).isdisjoint(call.arguments)


def followers_were_given_everything(evidence: Evidence) -> Iterator[str]:
    """
    Demand that a follower was given all events before the last it was given.
    """
    for call in evidence.calls:
        if call.operation not in {"follow_session", "follow_all"}:
            continue
        from_middle = call.arguments.get("checkpoint") is not None
        for session_id, events in _seen(call).items():
            numbers = {event.sequence_number for event in events}
            after = min(numbers) if from_middle else call.arguments.get("after", 0)
            for held in evidence.held(session_id).events:
                number = held.sequence_number
                if after < number < max(numbers) and number not in numbers:
                    yield (
                        f"{call} was not given event {held.id!r}, number {number} of"
                        f" session {session_id!r}, but later ones"
                    )


def _seen(call: Call) -> dict[str, list[Event]]:
    """
    Return the events that a call has read or was given, by session.
    """
    plain: Sequence[dict[str, object]] = call.given
    if call.operation == "get_events" and call.outcome is Outcome.OK:
        plain = call.result
    seen: dict[str, list[Event]] = {}
    for event in events_of(plain):
        seen.setdefault(event.session_id, []).append(event)
    return seen


def _differences(evidence: Evidence, call: Call, event: Event) -> Iterator[str]:
    session_id, number = event.session_id, event.sequence_number
    name = f"number {number} of session {session_id!r}"
    attempts = evidence.attempts.get(session_id, {}).get(event.id, [])
    held = evidence.event_at(session_id, number)
    if held is not None:
        if held.id != event.id:
            yield f"{call} saw event {event.id!r} as {name}, which is {held.id!r}"
        elif not held.has_same_content(event):
            yield f"{call} saw event {event.id!r} with other content than is stored"
    elif not evidence.may_be_gone(session_id, call):
        yield f"{call} saw event {event.id!r} as {name}, which is not there"
    elif not any(one.event.has_same_content(event) for one in attempts):
        yield f"{call} saw event {event.id!r} as nobody appended it"


def _acknowledged_before(
    evidence: Evidence, session_id: str, call: Call
) -> Iterator[tuple[int, Event]]:
    for attempts in evidence.attempts.get(session_id, {}).values():
        for attempt in attempts:
            end, stored = attempt.call.end, attempt.stored
            if stored is not None and end is not None and end < call.start:
                yield stored.sequence_number, stored
