"""
Which events of a session are hidden from its readers, as its retractions say.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from asm_async.errors import UnsupportedOperationError, ValidationError
from asm_async.values import fields
from asm_async.values.event import EVENTS_RETRACTED, Event
from asm_async.values.json_values import decoded

RETRACTIONS = "asm.retractions"
"""
The correlation id of every retraction, by which the latest one is found.
"""

MAX_HIDDEN_RANGES = 1_000
"""
In how many ranges the hidden events of one session may lie.
"""

Range: TypeAlias = tuple[int, int]
"""
The first and the last of some successive sequence numbers.
"""

Ranges: TypeAlias = tuple[Range, ...]
"""
Ranges in ascending order, between any two of which there are other numbers.
"""


def merged(ranges: Iterable[Range]) -> Ranges:
    """
    Return the same numbers in as few ranges as possible.
    """
    found: list[Range] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(found[-1][1], last)
        else:
            found.append((first, last))
    return tuple(found)


def is_hidden(number: int, hidden: Ranges) -> bool:
    """
    Return whether a sequence number lies in one of the *hidden* ranges.
    """
    place = bisect_right(hidden, number, key=lambda each: each[0])
    return place > 0 and number <= hidden[place - 1][1]


def visible_ranges(hidden: Ranges, first: int, last: int) -> Ranges:
    """
    Return what of the numbers from *first* to *last* is not *hidden*.
    """
    found: list[Range] = []
    for start, end in (*hidden, (last + 1, last + 1)):
        if first < start:
            found.append((first, min(start - 1, last)))
        first = max(first, end + 1)
        if first > last:
            break
    return tuple(found)


def without_ranges(ranges: Ranges, others: Ranges) -> Ranges:
    """
    Return the numbers of *ranges* that are in none of the *others*.
    """
    return tuple(
        left for first, last in ranges for left in visible_ranges(others, first, last)
    )


def retraction_data(first: int, last: int, hidden: Ranges) -> dict[str, Any]:
    """
    Return the *data* of a retraction of some events, after which all *hidden* are so.

    Raises:
        UnsupportedOperationError: If they lie in too many ranges.
    """
    if len(hidden) > MAX_HIDDEN_RANGES:
        raise UnsupportedOperationError(
            f"the hidden events would form {len(hidden)} ranges, and a session may have"
            f" {MAX_HIDDEN_RANGES}: retract the events between them too, or continue in"
            " a new session that holds only the visible events"
        )
    return {"first": first, "last": last, "hidden": [list(each) for each in hidden]}


def hidden_ranges(data: Mapping[str, Any]) -> Ranges:
    """
    Return the ranges that the *data* of a session's latest retraction names.
    """
    return tuple((first, last) for first, last in data["hidden"])


def check_retraction(event: Event) -> None:
    """
    Refuse a retraction that no store can have written; other events pass.

    Raises:
        ValidationError: Naming what is wrong with it.
    """
    if event.type != EVENTS_RETRACTED:
        return
    if event.correlation_id != RETRACTIONS:
        raise ValidationError(
            f"correlation_id: expected {RETRACTIONS!r} of a retraction, got"
            f" {fields.shown(event.correlation_id)}"
        )
    # Of a long line it may be the text.
    data = decoded(event.data)
    if data.keys() != {"first", "last", "hidden"}:
        raise ValidationError("data: expected first, last and hidden")
    first = fields.positive_count(data["first"], "data['first']")
    last = fields.positive_count(data["last"], "data['last']")
    hidden = fields.tuple_of(data["hidden"], "data['hidden']", _range)
    if len(hidden) > MAX_HIDDEN_RANGES:
        raise ValidationError(
            f"data['hidden']: expected at most {MAX_HIDDEN_RANGES} ranges, got"
            f" {len(hidden)}"
        )
    if first > last or merged([*hidden, (first, last)]) != hidden:
        raise ValidationError(
            "data['hidden']: expected merged ranges in ascending order, first to last"
            " among them"
        )
    if hidden[-1][1] >= event.sequence_number:
        raise ValidationError(
            "data['hidden']: a retraction hides only events before it"
        )


def _range(value: object, name: str) -> Range:
    ends = fields.tuple_of(value, name, fields.positive_count)
    if len(ends) != 2:  # noqa: PLR2004 - the first and the last
        raise ValidationError(f"{name}: expected two numbers, got {len(ends)}")
    first, last = ends
    if first > last:
        raise ValidationError(f"{name}: {first} comes after {last}")
    return first, last
