"""
Copies of JSON, however they are made, against the walk that is plain to read.
"""

from __future__ import annotations

import math
import sys
from collections import OrderedDict
from collections.abc import Generator
from contextlib import contextmanager
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asm_async.errors import ValidationError
from asm_async.testing import strategies as asm
from asm_async.values import json_values
from asm_async.values.json_values import (
    MAX_DEPTH,
    MAX_INTEGER_DIGITS,
    copy_and_encode,
    encode_json,
    normalise_json,
)
from tests.property.test_values import signature

PAIR = "\ud83d\ude00"


class Text(str):
    """
    A text that is more than a text.
    """

    __slots__ = ()


class Colour(StrEnum):
    """
    A text that is one of few.
    """

    RED = "red"


class Level(IntEnum):
    """
    A number that is one of few.
    """

    LOW = 1


class Ratio(float):
    """
    A float that is more than a float.
    """

    __slots__ = ()


class Point(NamedTuple):
    """
    A tuple with names.
    """

    x: Any


NOT_PLAIN = st.sampled_from(
    [Colour.RED, Level.LOW, Ratio(0.5), Text("t"), PAIR, Text(PAIR), "\ude00\ud83d", ()]
)
NOT_JSON = st.sampled_from([math.nan, -math.inf, b"raw", {1}, object(), 1j]) | (
    st.builds(pow, st.just(10), st.just(MAX_INTEGER_DIGITS))
)
KEYS: st.SearchStrategy[Any] = st.text(max_size=2) | st.sampled_from(
    [PAIR, "\U0001f600", Text("a"), "a", Colour.RED, 1, 1.5, None, True, "1", "null"]
)


def nested(members: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """
    Make what holds *members*, plain or not.
    """
    objects = st.dictionaries(KEYS, members, max_size=3)
    arrays = st.lists(members, max_size=3)
    return (
        objects
        | arrays
        | arrays.map(tuple)
        | objects.map(OrderedDict)
        | objects.map(MappingProxyType)
        | members.map(Point)
    )


ANYTHING = st.recursive(asm.json_scalars() | NOT_PLAIN | NOT_JSON, nested, max_leaves=8)


def outcome(copy: Any) -> tuple[Any, ...]:
    """
    Call *copy* and return what came of it, in full.
    """
    try:
        return "copied", signature(copy())
    except ValidationError as error:
        return "refused", str(error)


def no_copy(_: object) -> None:
    """
    Leave the copy to the walk.
    """


@contextmanager
def walking_alone() -> Generator[None]:
    """
    Have every copy made by the walk.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_values, "_copy_flat", no_copy)
        patch.setattr(json_values, "_copy_by_encoding", no_copy)
        yield


def nest(depth: int) -> Any:
    """
    Nest objects in arrays, so many in all.
    """
    value: Any = {}
    for level in range(depth - 1):
        value = [value] if level % 2 else {"a": value}
    return value


@given(value=ANYTHING)
@example(value=nest(MAX_DEPTH))
@example(value=nest(MAX_DEPTH + 1))
@example(value=nest(5_000))
@example(value=[{}] * (MAX_DEPTH + 1))
@example(value=[nest(MAX_DEPTH)] * 2)
@example(value={PAIR: 1, "\U0001f600": 2})
@example(value={"a": 1, Text("a"): 2})
@example(value={1: 1, "1": 1})
def test_a_copy_is_what_the_walk_makes(value: Any) -> None:
    """
    Values, types, order, and the words of a refusal.
    """
    quick = outcome(lambda: normalise_json(value, "data"))
    with walking_alone():
        slow = outcome(lambda: normalise_json(value, "data"))

    assert quick == slow


@given(value=st.dictionaries(KEYS, ANYTHING, max_size=3))
def test_an_objects_text_is_that_of_its_copy(value: dict[Any, Any]) -> None:
    """
    One pass gives what copying and then encoding give, or refuses in the same words.
    """

    def in_one_pass() -> Any:
        copy, text = copy_and_encode(value, "data")
        assert text == encode_json(copy)
        return copy

    quick = outcome(in_one_pass)
    with walking_alone():
        slow = outcome(lambda: json_values.normalise_json_object(value, "data"))

    assert quick == slow


@given(event=asm.events())
def test_a_snapshot_is_an_equal_event_and_its_texts(event: Any) -> None:
    """
    Its JSON is the same to the last bit, and none of it is shared.
    """
    copy, data, metadata = event.snapshot()

    assert copy == event
    assert (data, metadata) == (encode_json(event.data), encode_json(event.metadata))
    assert (signature(copy.data), signature(copy.metadata)) == (
        signature(event.data),
        signature(event.metadata),
    )
    assert copy.data is not event.data
    assert not containers_in(copy.data) & containers_in(event.data)


def containers_in(value: Any) -> set[int]:
    """
    Return the identities of all objects and arrays in *value*.
    """
    if isinstance(value, dict):
        members = list(cast("dict[str, Any]", value).values())
    elif isinstance(value, list):
        members = cast("list[object]", value)
    else:
        return set()
    return {id(cast("object", value))}.union(*map(containers_in, members))


@pytest.mark.parametrize("limit", [0, 640, 10 * MAX_INTEGER_DIGITS])
def test_the_longest_integer_does_not_depend_on_the_interpreter(limit: int) -> None:
    """
    However many digits Python may write, 4,300 are JSON here and more are not.
    """
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(limit)
    try:
        longest = {"a": [10**MAX_INTEGER_DIGITS - 1]}
        assert normalise_json(longest, "data") == longest
        with pytest.raises(
            ValidationError, match=r"^data\['a'\]\[0\]: the integer has"
        ):
            normalise_json({"a": [10**MAX_INTEGER_DIGITS]}, "data")
    finally:
        sys.set_int_max_str_digits(before)
