"""
The depth of JSON, told from its text.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asm_async.values.json_depth import depth_of

LEAVES: st.SearchStrategy[Any] = st.text('[]{}\\"a\ud83d', max_size=6) | st.just(0)
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner) | st.dictionaries(st.text('[{"\\'), inner),
    max_leaves=30,
)


def measured(value: Any) -> int:
    """
    Return the depth by a walk.
    """
    if not isinstance(value, dict | list):
        return 0
    members: list[Any] = [*(value.values() if isinstance(value, dict) else value)]
    return 1 + max(map(measured, members), default=0)


@given(value=VALUES, levels=st.integers(0, 12))
def test_the_depth_told_from_a_text_is_that_of_its_value(
    value: Any, levels: int
) -> None:
    """
    Brackets, quotation marks and backslashes in strings do not count.
    """
    for _ in range(levels):
        value = [value, value] if levels < 4 else [value]

    assert depth_of(json.dumps(value)) == measured(value)


@pytest.mark.parametrize("depth", [0, 1, 3, 4, 5, 199, 200, 201, 5_000])
def test_deep_texts_are_measured_to_the_end(depth: int) -> None:
    """
    Also those that no parser would read.
    """
    assert depth_of("[" * depth + "]" * depth) == depth
    assert depth_of('{"a":[1,' * depth + "0" + "]}" * depth) == 2 * depth
