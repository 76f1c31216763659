"""
What must be true of each event: acknowledged, refused or of unknown fate.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from asm_async.testing.history.calls import Outcome
from asm_async.testing.history.evidence import Attempt, Evidence
from asm_async.values.event import EVENTS_RETRACTED, Event

__all__ = [
    "acknowledged_events_are_there",
    "deleted_events_are_gone",
    "each_event_stands_once",
    "numbers_are_dense",
    "numbers_are_given_once",
    "only_what_was_appended_is_there",
]


def numbers_are_dense(evidence: Evidence) -> Iterator[str]:
    """
    Demand that numbers go from 1 to the latest, with holes only by pruning.
    """
    for id_, held in evidence.contents.items():
        numbers = [event.sequence_number for event in held.events]
        for before, number in pairwise([0, *numbers]):
            if number <= before:
                yield f"session {id_!r}: number {number} stands behind {before}"
        if numbers and numbers[-1] > held.latest:
            yield (
                f"session {id_!r}: there is a number {numbers[-1]},"
                f" and {held.latest} is said to be the latest"
            )
        missing = sorted(set(range(1, held.latest + 1)) - set(numbers))
        if held.pruned is None:
            if missing and not evidence.deletions.get(id_):
                yield f"session {id_!r}: number {missing[0]} is missing"
        elif len(missing) != held.pruned:
            first = f", number {missing[0]} the first" if missing else ""
            yield (
                f"session {id_!r}: of {held.latest} numbers {len(missing)} are missing"
                f"{first}, and {held.pruned} were pruned"
            )


def each_event_stands_once(evidence: Evidence) -> Iterator[str]:
    """
    Demand that no id stands twice in a session.
    """
    for id_, held in evidence.contents.items():
        seen: dict[str, int] = {}
        for event in held.events:
            first = seen.setdefault(event.id, event.sequence_number)
            if first != event.sequence_number:
                yield (
                    f"{_name(event)} is stored twice, as number {first}"
                    f" and as number {event.sequence_number} of session {id_!r}"
                )


def numbers_are_given_once(evidence: Evidence) -> Iterator[str]:
    """
    Demand that no two events were acknowledged with one number of a session.
    """
    owners: dict[tuple[str, int], Attempt] = {}
    for attempt in _all_attempts(evidence):
        stored = attempt.stored
        if stored is None:
            continue
        owner = owners.setdefault((stored.session_id, stored.sequence_number), attempt)
        if owner.event.id != attempt.event.id:
            yield (
                f"number {stored.sequence_number} of session {stored.session_id!r} was"
                f" given to event {owner.event.id!r} by {owner.call} and to event"
                f" {attempt.event.id!r} by {attempt.call}"
            )


def acknowledged_events_are_there(evidence: Evidence) -> Iterator[str]:
    """
    Demand that an acknowledged event is there, as it was acknowledged.
    """
    for attempt in _all_attempts(evidence):
        call, event, stored = attempt.call, attempt.event, attempt.stored
        if call.outcome is not Outcome.OK:
            continue
        if stored is not None and not stored.has_same_content(event):
            yield f"{_name(event)} came back from {call} with other content"
        held = evidence.event(event.session_id, event.id)
        number = evidence.number_of(attempt)
        if held is None or held.sequence_number != number:
            yield from _absence(evidence, attempt)
        elif not held.has_same_content(event) and _is_last(evidence, attempt):
            yield f"{_name(event)} is stored with other content than {call} appended"


def only_what_was_appended_is_there(evidence: Evidence) -> Iterator[str]:
    """
    Demand that each event that is there was appended by a call that did not fail.
    """
    for id_, held in evidence.contents.items():
        for event in held.events:
            attempts = evidence.attempts[id_].get(event.id, [])
            possible = [a for a in attempts if a.call.outcome is not Outcome.FAILED]
            if event.type == EVENTS_RETRACTED and event.id in evidence.retractions:
                continue
            if id_ in evidence.copies and not attempts:
                continue
            if not attempts:
                yield f"{_name(event)} is stored, and nobody appended it"
            elif not possible:
                yield f"{_name(event)} is stored, and {attempts[0].call} failed"
            elif not any(event.has_same_content(one.event) for one in possible):
                yield (
                    f"{_name(event)} is stored with other content than"
                    f" {possible[0].call} appended"
                )


def deleted_events_are_gone(evidence: Evidence) -> Iterator[str]:
    """
    Demand that what was acknowledged before a deletion is not there after it.
    """
    for id_, deletions in evidence.deletions.items():
        done = [call for call in deletions if call.outcome is Outcome.OK]
        last = max((call.start for call in done), default=-1)
        for attempts in evidence.attempts.get(id_, {}).values():
            for attempt in attempts:
                stored, end = attempt.stored, attempt.call.end
                if stored is None or end is None or end >= last:
                    continue
                if evidence.event_at(id_, stored.sequence_number) is not None:
                    yield (
                        f"{_name(attempt.event)} is there, though the session was"
                        f" deleted after {attempt.call}"
                    )


def _absence(evidence: Evidence, attempt: Attempt) -> Iterator[str]:
    event, number = attempt.event, evidence.number_of(attempt)
    told = "" if number is None else f" as number {number}"
    fact = f"{_name(event)} was acknowledged{told} by {attempt.call}"
    other = None if number is None else evidence.event_at(event.session_id, number)
    if other is not None:
        yield f"{fact}, and that number is event {other.id!r}"
    elif not evidence.may_be_gone(event.session_id, attempt.call):
        held = evidence.event(event.session_id, event.id)
        is_what = "is absent" if held is None else f"is number {held.sequence_number}"
        yield f"{fact}, and {is_what}"


def _is_last(evidence: Evidence, attempt: Attempt) -> bool:
    """
    Return whether what is there can only be what *attempt* has stored or found stored.
    """
    session_id = attempt.event.session_id
    return attempt.stored is not None or not evidence.has_lost_some(session_id)


def _all_attempts(evidence: Evidence) -> Iterator[Attempt]:
    for append in evidence.appends:
        yield from append.attempts


def _name(event: Event) -> str:
    return f"event {event.id!r} of session {event.session_id!r}"
