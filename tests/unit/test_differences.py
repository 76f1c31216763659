from __future__ import annotations

from typing import Any

import pytest

from asm_async.testing.factories import make_event
from asm_async.testing.state_machine.differences import difference


@pytest.mark.parametrize(
    ("tested", "known", "words"),
    [
        (1, 2, "result is 1, not 2"),
        ([1], [1, 2], "result is [1], not [1, 2]"),
        ([0, 1], [0, 2], "result[1] is 1, not 2"),
        (
            [make_event(), make_event(sequence_number=1)],
            [make_event(), make_event(sequence_number=2)],
            "result[1].sequence_number is 1, not 2",
        ),
        (
            make_event(data={"x": 1}),
            make_event(data={"x": 2}),
            "result.data is {'x': 1}, not {'x': 2}",
        ),
    ],
)
def test_the_first_difference_is_named(tested: Any, known: Any, words: str) -> None:
    """
    Of two results only the first place is told at which they differ.
    """
    assert difference(tested, known) == words
