"""
What must be true of time: what came later stands later.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Self

import attrs

from asm_async.testing.history.calls import Call, Outcome
from asm_async.testing.history.evidence import Attempt, Evidence

__all__ = ["numbers_follow_time", "revisions_follow_time"]


@attrs.define
class Span:
    """
    When something was given its number: not before *start*, not after *end*.
    """

    name: str
    number: int
    start: int
    end: float
    began: Call
    ended: Call

    @classmethod
    def of(cls, name: str, number: int, call: Call) -> Self:
        """
        Return the span of what one call did.
        """
        is_known = call.outcome is Outcome.OK and call.end is not None
        end = call.end if is_known else math.inf
        return cls(name, number, call.start, end or math.inf, call, call)

    def widen(self, other: Span) -> None:
        """
        Take in another call that may have done the same.
        """
        if other.start < self.start:
            self.start, self.began = other.start, other.began
        if other.end < self.end:
            self.end, self.ended = other.end, other.ended


def numbers_follow_time(evidence: Evidence) -> Iterator[str]:
    """
    Demand that what was appended after another append had ended stands later.
    """
    for session_id, events in evidence.attempts.items():
        spans: list[Span] = []
        for attempts in events.values():
            spans += _incarnations(evidence, attempts)
        for earlier, later in _inversions(spans):
            yield (
                f"session {session_id!r}: {later.began} began to append {later.name}"
                f" after {earlier.ended} had appended {earlier.name}, and they are"
                f" numbers {later.number} and {earlier.number}"
            )


def revisions_follow_time(evidence: Evidence) -> Iterator[str]:
    """
    Demand that a save that began after another had ended has no smaller revision.
    """
    for subject, saves in evidence.saves.items():
        if evidence.deletions.get(saves[0].session_id):
            continue
        spans = [
            Span.of(subject, save.stored.revision, save.call)
            for save in saves
            if save.stored is not None
        ]
        for earlier, later in _inversions(spans):
            yield (
                f"{subject}: {later.began} began after {earlier.ended} had ended, and"
                f" gave revisions {later.number} and {earlier.number}"
            )


def _incarnations(evidence: Evidence, attempts: Iterable[Attempt]) -> list[Span]:
    """
    Return one span for each number that an event was given.

    Those can be several, since an event that was pruned may be appended again.
    """
    told: dict[int, Span] = {}
    untold: list[Span] = []
    for attempt in attempts:
        if attempt.call.outcome is Outcome.FAILED:
            continue
        name, number = f"event {attempt.event.id!r}", evidence.number_of(attempt)
        span = Span.of(name, number or 0, attempt.call)
        if not evidence.knows_number_of(attempt):
            span.end = math.inf
        if math.isinf(span.end):
            untold.append(span)
        elif number in told:
            told[number].widen(span)
        else:
            told[span.number] = span
    for span in untold:
        for known in told.values():
            known.widen(span)
    for span in untold:
        if span.number:
            told.setdefault(span.number, span).widen(span)
    return list(told.values())


def _inversions(spans: list[Span]) -> Iterator[tuple[Span, Span]]:
    """
    Yield two spans of which the one that ended first has the greater number.
    """
    ended = iter(sorted(spans, key=lambda span: span.end))
    upcoming = next(ended, None)
    greatest: Span | None = None
    for span in sorted(spans, key=lambda span: span.start):
        while upcoming is not None and upcoming.end < span.start:
            if greatest is None or upcoming.number > greatest.number:
                greatest = upcoming
            upcoming = next(ended, None)
        if greatest is not None and greatest.number > span.number:
            yield greatest, span
