"""
Reading the values of a JSON file of any length.
"""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asm_async.importers.json_values import CUT_OFF, JSONPlace, values_of
from tests.effort import examples

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10),
    lambda within: (
        st.lists(within, max_size=3)
        | st.dictionaries(st.text(max_size=5), within, max_size=3)
    ),
    max_leaves=5,
)
OBJECTS = st.lists(
    st.dictionaries(st.text(max_size=5), JSON, max_size=3), min_size=1, max_size=4
)
# The machine may have other things to do while values are made.
LIBERAL = settings(
    max_examples=examples(100),
)


class Dripping(io.StringIO):
    """
    A file that yields a few characters at a time, whatever it is asked for.
    """

    def __init__(self, text: str, step: int) -> None:
        super().__init__(text)
        self._step = step

    def read(self, size: int | None = -1, /) -> str:
        """
        Read less than was asked for.
        """
        return super().read(self._step if size is None else min(self._step, size))


def read(text: str, **options: Any) -> list[JSONPlace]:
    """
    Return what is read of a text.
    """
    return list(values_of(io.StringIO(text), **options))


@LIBERAL
@given(st.lists(JSON, max_size=5), st.integers(1, 40), st.sampled_from([None, 2]))
def test_the_members_of_an_array_are_those_that_json_reads(
    values: list[Any], step: int, indent: int | None
) -> None:
    """
    However the file is cut into pieces, members come whole, in order, with their paths.
    """
    text = json.dumps(values, indent=indent)
    places = list(values_of(Dripping(text, step)))

    assert [place.value for place in places] == values
    assert [place.path for place in places] == [f"$[{i}]" for i in range(len(values))]
    assert [place.number for place in places] == list(range(1, len(values) + 1))


@LIBERAL
@given(OBJECTS, st.data())
def test_a_file_that_is_cut_off_anywhere_has_all_that_came_before(
    values: list[Any], data: st.DataObject
) -> None:
    """
    Whole members are read, and one error says that the file is cut off.
    """
    text = json.dumps(values)
    length = data.draw(st.integers(1, len(text) - 1))
    *whole, last = read(text[:length])

    assert [place.value for place in whole] == values[: len(whole)]
    assert last.error == CUT_OFF
    assert last.path == f"$[{len(whole)}]"


@LIBERAL
@given(OBJECTS, st.integers(1, 40))
def test_lines_are_values_of_their_own(values: list[Any], step: int) -> None:
    """
    JSON Lines are read with and without a name that says so, and know their lines.
    """
    text = "".join(f"{json.dumps(value)}\n" for value in values)
    for is_lines in (True, False):
        places = list(values_of(Dripping(text, step), is_lines=is_lines))
        assert [place.value for place in places] == values
        assert [place.number for place in places] == list(range(1, len(values) + 1))


@pytest.mark.parametrize(
    "damage",
    [
        '{"a":}',
        '{"a" 1}',
        '{"b": "]}\\"" 1}',
        "foo",
        '{"a": nul}',
        "9" * 5_000,
        "[1,,2]",
    ],
)
def test_a_member_that_is_no_json_is_told_by_its_path(damage: str) -> None:
    """
    The members around it are read.
    """
    before, error, after = read(f'[{{"a": 1}}, {damage}, {{"b": 2}}]')

    assert (before.value, after.value) == ({"a": 1}, {"b": 2})
    assert (error.path, error.number) == ("$[1]", 2)
    assert error.error not in {None, CUT_OFF}


def test_a_member_that_is_nested_too_deeply_is_left_out() -> None:
    """
    What no JSON reader of Python's can hold is told, and the next member is read.
    """
    deep = "[" * 100_000 + "]" * 100_000
    error, after = read(f"[{deep}, 1]")

    assert error.error is not None
    assert "recursion" in error.error
    assert after.value == 1


def test_a_member_beyond_the_bound_is_not_kept() -> None:
    """
    It is told, and the next one is read.
    """
    long = json.dumps({"text": "x" * 3_000_000})
    error, after = read(f"[{long}, 1]", max_chars=1_000_000)

    assert error.error == "it is longer than 1,000,000 characters"
    assert after.value == 1


def test_a_damaged_line_ends_with_the_line() -> None:
    """
    The lines around it are read, however it is damaged.
    """
    places = read('{"a": 1}\n{"b": "x\n{"c": 3}\n', is_lines=True)

    assert [place.value for place in places] == [{"a": 1}, None, {"c": 3}]
    assert [place.number for place in places] == [1, 2, 3]
    assert places[1].error is not None


def test_an_object_of_conversations_stands_for_its_array() -> None:
    """
    Its members are read one at a time as well.
    """
    places = read('\ufeff{ "conversations" : [1, 2], "more": 3}')

    assert [place.path for place in places] == [
        "$.conversations[0]",
        "$.conversations[1]",
    ]


def test_arrays_one_below_the_other_need_a_name() -> None:
    """
    What follows an array is told, with how to have it read.
    """
    value, error = read("[1]\n[2]\n")

    assert value.value == 1
    assert error.error is not None
    assert ".jsonl" in error.error
    places = read("[1]\n[2]\n", is_lines=True)
    assert [place.value for place in places] == [[1], [2]]
