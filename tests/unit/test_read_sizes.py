"""
How many events a follower reads at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import pytest

from asm_async.fronts.following import (
    MAX_HELD_BYTES,
    READ_BATCH_SIZE,
    ReadResult,
    ReadSize,
    follow,
    rough_size,
)
from asm_async.testing.factories import make_event
from asm_async.values.checkpoint import Witness
from asm_async.values.event import Event
from asm_async.values.json_values import EncodedJSON

SMALL, LARGE = {"content": "x"}, {"content": "x" * MAX_HELD_BYTES}
NESTED: dict[str, Any] = {"a": [[]] * 100_000}


class Log:
    """
    A log that is all there, and takes down how many events are asked for at once.
    """

    def __init__(self, contents: Sequence[dict[str, Any]]) -> None:
        self.events = [
            make_event(id=f"evt_{n}", data=d) for n, d in enumerate(contents)
        ]
        self.limits: list[int] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def check_usable(self) -> None:
        """
        Be usable.
        """

    def expect(self, witness: Witness | None) -> None:
        """
        Never begin anywhere but at the start.
        """
        raise AssertionError(witness)

    async def read(self, place: int, limit: int) -> ReadResult[int]:
        """
        Read some events, and end after the last.
        """
        self.limits.append(limit)
        found = self.events[place : place + limit]
        end = place + len(found)
        return ReadResult(
            found=[(event, end) for event in found],
            place=end,
            is_caught_up=False,
            is_over=end == len(self.events),
        )

    async def wait(self, seconds: float | None = None) -> None:
        """
        Never be waited for.
        """
        raise AssertionError(seconds)

    async def followed(self) -> list[Event]:
        """
        Follow it to its end.
        """
        return [event async for event in follow(self, 0, lambda event, _: event)]


async def test_a_follower_of_large_events_holds_one() -> None:
    """
    However many are there: as few as it begins with, and then one at a time.
    """
    log = Log([LARGE] * 12)

    assert await log.followed() == log.events
    assert log.limits == [2, *[1] * 10]


async def test_a_follower_of_small_events_reads_many() -> None:
    """
    As many as one may hold, after a few reads.
    """
    log = Log([SMALL] * 1_000)

    assert await log.followed() == log.events
    assert log.limits[:5] == [2, 8, 32, 128, READ_BATCH_SIZE]


@pytest.mark.parametrize("data", [SMALL, LARGE, NESTED])
def test_a_size_is_looked_for_no_further_than_it_matters(data: dict[str, Any]) -> None:
    """
    It is that of what is in memory, roughly.
    """
    size = rough_size(make_event(data=data))

    assert (size < 1_000) == (data is SMALL)
    assert size < 3 * MAX_HELD_BYTES


@pytest.mark.parametrize("text", ['{"asm.moved":{}}', f'{{"a":"{"x" * 9_999}"}}'])
def test_the_size_of_an_event_that_is_not_decoded_is_that_of_its_text(
    text: str,
) -> None:
    """
    Nobody looks into it.
    """
    data: Any = EncodedJSON(text)
    size = rough_size(make_event().with_json(data, {}))

    assert len(text) <= size < len(text) + 1_000


def test_nothing_found_tells_nothing_of_sizes() -> None:
    """
    The next read may be a larger one.
    """
    size = ReadSize()
    size.adapt([])

    assert size.limit > ReadSize().limit
