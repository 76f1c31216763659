from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from asm_async.errors import ValidationError
from asm_async.testing import strategies
from asm_async.values.json_values import (
    MAX_DEPTH,
    MAX_INTEGER_DIGITS,
    encode_json,
    is_normal_json,
    normalise_json,
)


class Text(str):
    """
    A subclass of a built-in type.
    """

    __slots__ = ()


def nested(levels: int) -> Any:
    """
    Make objects in objects.
    """
    value: Any = {}
    for _ in range(levels - 1):
        value = {"in": value}
    return value


@given(value=strategies.json_values())
def test_what_was_normalised_is_normal(value: Any) -> None:
    """
    Every value in its normal form is seen to be.
    """
    assert is_normal_json(normalise_json(value, "value"))


CHANGING: dict[str, Any] = {
    "a tuple": (1,),
    "a tuple inside": {"a": (1,)},
    "a subclass of str": Text("a"),
    "a key of a subclass": {Text("a"): 1},
    "a key that is no string": {1: "a"},
    "bytes": b"a",
    "NaN": float("nan"),
    "infinity": [float("inf")],
    "too many digits": 10**MAX_INTEGER_DIGITS,
    "a pair of surrogates": "\ud83d\ude00",
    "a pair in a key": {"\ud83d\ude00": 1},
    "too deep": nested(MAX_DEPTH + 1),
    "a set": {"a": {1, 2}},
}


@pytest.mark.parametrize("value", CHANGING.values(), ids=CHANGING.keys())
def test_what_would_change_or_be_refused_is_not_normal(value: Any) -> None:
    """
    A value that normalising would change, or refuse, is seen not to be normal.
    """
    assert not is_normal_json(value)
    try:
        changed = normalise_json(value, "value")
    except ValidationError:
        return
    assert type(changed) is not type(value) or encode_json(changed) == encode_json(
        value
    )


def test_an_endless_value_is_not_normal() -> None:
    """
    A value that contains itself ends the search where the nesting is too deep.
    """
    endless: list[Any] = []
    endless.append(endless)

    assert not is_normal_json(endless)
    assert is_normal_json(nested(MAX_DEPTH))
