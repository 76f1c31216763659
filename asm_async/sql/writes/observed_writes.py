"""
What an observer is told of a transaction.
"""

from __future__ import annotations

import asyncio

from asm_async.fronts.observing import Observer
from asm_async.sql.writes.operations import Outcome, Written
from asm_async.sql.writes.queue import Flight, PendingOperation
from asm_async.values.changes import Committed
from asm_async.values.event import Event


def note_transaction(
    observer: Observer,
    flight: Flight,
    written: Written | None,
    error: Exception | None,
) -> None:
    """
    Report the end of a transaction to its observer, before its callers have it.

    Args:
        observer: Whom to tell.

        flight: The transaction.

        written: What it wrote; None if it was not committed.

        error: What it failed with; None if it was committed.
    """
    marks = [member.mark for member in flight.begun if member.mark is not None]
    seconds = asyncio.get_running_loop().time() - flight.begun_at
    observer.note_transaction(marks, seconds, error)
    if written is not None:
        counts = map(_counts, flight.begun, written.outcomes)
        appended, duplicates = map(sum, zip(*counts, strict=True))
        if appended or duplicates:
            observer.note_events(appended, duplicates)


def _counts(member: PendingOperation, outcome: Outcome) -> tuple[int, int]:
    """
    Return how many events of an operation were stored, and were stored already.
    """
    events: list[Event] = []
    if isinstance(outcome, Committed):
        events = list(outcome.events)
    elif isinstance(outcome, list):
        events = [each for each in outcome if isinstance(each, Event)]
    new: int | None = getattr(member.operation, "new_event_count", None)
    appended = len(events) if new is None else new
    return appended, len(events) - appended
