"""
What must be true of each call that appends: whole, in one block, as it was expected.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from asm_async.testing.history.calls import Outcome
from asm_async.testing.history.evidence import Append, Attempt, Evidence

__all__ = [
    "batches_are_contiguous",
    "batches_are_whole",
    "expected_sequences_have_one_winner",
    "refused_sequences_were_taken",
]


def batches_are_whole(evidence: Evidence) -> Iterator[str]:
    """
    Demand that of the events only one call appended all are there, or none.
    """
    for append in evidence.appends:
        sessions = append.by_session()
        if any(evidence.has_lost_some(session_id) for session_id in sessions):
            continue
        present, absent = list[str](), list[str]()
        for attempt in append.attempts:
            if evidence.is_own(attempt):
                is_there = evidence.number_of(attempt) is not None
                (present if is_there else absent).append(attempt.event.id)
        if present and absent:
            yield (
                f"{append.call} was stored in part: event {present[0]!r} is there,"
                f" event {absent[0]!r} is not"
            )


def batches_are_contiguous(evidence: Evidence) -> Iterator[str]:
    """
    Demand that a call's new events of a session stand in one block, as given.
    """
    for append in evidence.appends:
        if append.call.outcome is Outcome.FAILED:
            continue
        for attempts in append.by_session().values():
            if all(evidence.knows_number_of(attempt) for attempt in attempts):
                yield from _breaks(evidence, append, attempts)


def expected_sequences_have_one_winner(evidence: Evidence) -> Iterator[str]:
    """
    Demand that what was appended behind an expected number stands right behind it.
    """
    given = list(_given_behind(evidence))
    winners: dict[tuple[str, int], Attempt] = {}
    for attempt, place, number in given:
        if number == place:
            winners.setdefault((attempt.event.session_id, place), attempt)
    for attempt, place, number in given:
        session_id, id_ = attempt.event.session_id, attempt.event.id
        winner = winners.get((session_id, place))
        if winner is not None and winner.event.id == id_:
            continue
        fact = (
            f"{attempt.call} expected number"
            f" {attempt.call.arguments['expected_sequence']} of session"
            f" {session_id!r}, and its event {id_!r} was given {number}"
        )
        if winner is None:
            yield f"{fact}, not {place}"
        else:
            yield f"{fact}; {winner.call}, which expected the same, won it"


def refused_sequences_were_taken(evidence: Evidence) -> Iterator[str]:
    """
    Demand that anyone who was told where a session is was told the truth.
    """
    for append in evidence.appends:
        error = append.call.error
        if error is None or error["type"] != "SequenceConflictError":
            continue
        session_id, expected, actual = error["args"]
        held = evidence.held(session_id)
        if actual == expected:
            yield f"{append.call} was refused number {expected}, which it expected"
        elif actual > held.latest and (held.session or held.pruned is not None):
            yield (
                f"{append.call} was told that session {session_id!r} is at {actual},"
                f" and it never came further than {held.latest}"
            )


def _breaks(
    evidence: Evidence, append: Append, attempts: Sequence[Attempt]
) -> Iterator[str]:
    numbers = {
        attempt.event.id: number
        for attempt in attempts
        if (number := evidence.number_of(attempt)) is not None
    }
    own = [
        numbers[attempt.event.id]
        for attempt in attempts
        if attempt.event.id in numbers and evidence.is_own(attempt)
    ]
    if not own:
        return
    first, last = min(own), max(own)
    block = [number for number in numbers.values() if first <= number <= last]
    if block == list(range(first, last + 1)):
        return
    if block != sorted(block):
        yield f"{append.call} gave its events the numbers {block}: not in their order"
    else:
        strange = min(set(range(first, last + 1)) - set(block))
        yield (
            f"{append.call} gave its events the numbers {block}: they are torn apart by"
            f" number {strange}"
        )


def _given_behind(evidence: Evidence) -> Iterator[tuple[Attempt, int, int]]:
    """
    Yield what stands behind an expected number: with its due place, and its number.
    """
    for append in evidence.appends:
        expected = append.expected_sequence
        if append.call.outcome is not Outcome.OK or expected is None:
            continue
        later = {
            number: attempt
            for attempt in append.attempts
            if evidence.knows_number_of(attempt)
            if (number := evidence.number_of(attempt) or 0) > expected
        }
        for place, number in enumerate(sorted(later), expected + 1):
            yield later[number], place, number
