"""
Ranges of hidden numbers, beside sets of numbers.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asm_async.errors import UnsupportedOperationError
from asm_async.fronts.session_filters import EventFilter
from asm_async.sql.reads.visible_events import read_visible
from asm_async.testing.factories import make_event
from asm_async.values.event import Event
from asm_async.values.retraction import (
    MAX_HIDDEN_RANGES,
    Range,
    Ranges,
    is_hidden,
    merged,
    retraction_data,
    visible_ranges,
)

_MOST = 60


def _range(first: int) -> st.SearchStrategy[Range]:
    return st.integers(first, _MOST).map(lambda last: (first, last))


RANGES = st.lists(st.integers(1, _MOST).flatmap(_range), max_size=8)


def numbers_in(ranges: Ranges | list[Range]) -> set[int]:
    """
    Unpack ranges.
    """
    return {number for first, last in ranges for number in range(first, last + 1)}


@given(ranges=RANGES)
def test_merged_ranges_have_the_same_numbers_and_gaps_between_them(
    ranges: list[Range],
) -> None:
    """
    They are as few as they can be, in order, and merging them again changes nothing.
    """
    found = merged(ranges)

    assert numbers_in(found) == numbers_in(ranges)
    assert all(before[1] + 1 < after[0] for before, after in pairwise(found))
    assert merged(found) == found
    hidden = numbers_in(found)
    for number in range(_MOST + 2):
        assert is_hidden(number, found) is (number in hidden)


@given(ranges=RANGES, first=st.integers(1, _MOST + 5), last=st.integers(0, _MOST + 5))
def test_what_is_visible_is_what_is_not_hidden(
    ranges: list[Range], first: int, last: int
) -> None:
    """
    Within two bounds, which need not be in order.
    """
    hidden = merged(ranges)
    visible = visible_ranges(hidden, first, last)

    assert numbers_in(visible) == {*range(first, last + 1)} - numbers_in(hidden)
    assert merged(visible) == visible


def test_there_is_a_bound_on_ranges() -> None:
    """
    So that one event can name them all, and one statement go through them.
    """
    most = tuple((2 * n, 2 * n) for n in range(1, MAX_HIDDEN_RANGES + 1))

    assert len(retraction_data(2, 2, most)["hidden"]) == MAX_HIDDEN_RANGES
    with pytest.raises(UnsupportedOperationError, match="may have 1000"):
        retraction_data(2, 2, (*most, (9_999, 9_999)))


@pytest.mark.parametrize("stored", [range(1, 100_001), range(1, 100_001, 97)])
@pytest.mark.parametrize("way", ["limit", "last"])
async def test_few_statements_find_the_first_or_the_last_of_many(
    stored: range, way: str
) -> None:
    """
    Usually one; of a log that is mostly pruned each looks at eight times as much.

    And none reads more than it has to.
    """
    hidden = merged((n, n + 1) for n in range(7, 100_000, 300))
    asked: list[Ranges] = []
    read: list[int] = []

    async def read_ranges(wanted: EventFilter, ranges: Ranges) -> list[Event]:
        asked.append(ranges)
        within = [
            number
            for first, last in ranges
            for number in stored[
                max(0, -(-(first - 1) // stored.step)) : (last - 1) // stored.step + 1
            ]
        ]
        read.append(len(within))
        chosen = within[: wanted.limit]
        if wanted.last is not None:
            chosen = within[-wanted.last :]
        return [make_event(id=f"evt_{n}", sequence_number=n) for n in chosen]

    visible = [number for number in stored if not is_hidden(number, hidden)]
    options: dict[str, Any] = {way: 300}
    wanted = EventFilter(**options, visible_only=True)
    found = await read_visible(read_ranges, wanted, hidden, 100_000)

    expected = visible[:300] if way == "limit" else visible[-300:]
    assert [event.sequence_number for event in found] == expected
    assert len(asked) == (1 if stored.step == 1 else 3)
    assert sum(read) <= 2 * 300 + 16 or stored.step > 1
