from __future__ import annotations

import math
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from asm_async.errors import ValidationError
from asm_async.values.json_values import (
    MAX_DEPTH,
    MAX_INTEGER_DIGITS,
    decode_json,
    encode_json,
    normalise_json,
    normalise_json_object,
)

LARGEST = 10**MAX_INTEGER_DIGITS - 1
SMILE = "\U0001f600"
SMILE_AS_PAIR = "\ud83d\ude00"


# Each stays as it is.
PLAIN: list[Any] = [
    *(None, True, False, 0, -1, 2**53 + 1, 2**63, -(2**64), 0.1, 5e-324, 1.7e308),
    *("", "plain", "a\0b", "\\u0000", "é\u2028", SMILE, "\ud800", "\ude00\ud83d"),
    *([], {}, {"": {"\0": [None, {}]}}),
]


class Colour(StrEnum):
    """
    A text that is more than a text.
    """

    RED = "red"


class Level(IntEnum):
    """
    An integer that is more than an integer.
    """

    LOW = 1


class Loud(str):
    """
    A text that shows itself otherwise.
    """

    __slots__ = ()

    def __str__(self) -> str:
        return self.upper()


class Odd(int):
    """
    An integer that shows itself otherwise.
    """

    def __int__(self) -> int:
        return -1


class Metres(float):
    """
    A float that shows itself otherwise.
    """

    def __float__(self) -> float:
        return -1.0


class Point(NamedTuple):
    """
    A tuple that is more than a tuple.
    """

    x: int
    y: int


# Each becomes what stands beside it.
MORE_THAN_PLAIN: list[Any] = [
    ((1, (2, ())), [1, [2, []]]),
    (Point(1, 2), [1, 2]),
    (Colour.RED, "red"),
    (Loud("quiet"), "quiet"),
    (Level.LOW, 1),
    (Odd(7), 7),
    (Metres(2.5), 2.5),
    (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    (defaultdict(int, a=1), {"a": 1}),
    (MappingProxyType({"a": (1,)}), {"a": [1]}),
    ({Colour.RED: Colour.RED}, {"red": "red"}),
    ({Loud("quiet"): 1}, {"quiet": 1}),
]


def in_list(value: Any) -> Any:
    """
    Nest a value in an array.
    """
    return [value]


def in_object(value: Any) -> Any:
    """
    Nest a value in an object.
    """
    return {"k": value}


def nested(depth: int, wrap: Callable[[Any], Any], core: Any = "core") -> Any:
    """
    Put so many objects or arrays around the core.
    """
    for _ in range(depth):
        core = wrap(core)
    return core


def refusal(value: object, path: str = "data") -> str:
    """
    Return the message with which a value is refused.
    """
    with pytest.raises(ValidationError) as caught:
        normalise_json(value, path)
    assert caught.value.__cause__ is None
    return str(caught.value)


@pytest.mark.parametrize("value", PLAIN, ids=ascii)
def test_plain_json_stays_as_it_is(value: Any) -> None:
    """
    Normalising changes nothing where nothing need be changed, and storing neither.
    """
    normal = normalise_json(value, "data")
    restored = decode_json(encode_json(normal))

    assert normal == restored == value
    assert type(normal) is type(restored) is type(value)


@pytest.mark.parametrize("value", [LARGEST, -LARGEST], ids=["highest", "lowest"])
def test_integers_of_4300_digits_are_json(value: int) -> None:
    """
    The longest integers that Python reads and writes as text come back equal.
    """
    assert decode_json(encode_json(normalise_json([value], "data"))) == [value]


@pytest.mark.parametrize("value", [LARGEST + 1, -LARGEST - 1], ids=["above", "below"])
def test_integers_of_4301_digits_are_refused(value: int) -> None:
    """
    An integer that could not be written as text is refused, and its path named.
    """
    message = "data['n']: the integer has more than 4300 digits"

    assert refusal({"n": value}) == message


def test_negative_zero_keeps_its_sign() -> None:
    """
    -0.0 equals 0.0 and yet comes back as it was.
    """
    restored = decode_json(encode_json(normalise_json(-0.0, "data")))

    assert math.copysign(1, restored) == -1


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf], ids=str)
def test_no_number_is_refused(value: float) -> None:
    """
    NaN and the infinities are not JSON, wherever they come from.
    """
    assert refusal({"x": [value]}).startswith(f"data['x'][0]: {value} is not JSON; ")
    assert f"{value} is not JSON" in refusal(type("Sub", (float,), {})(value))
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode_json(value)


@pytest.mark.parametrize(("value", "plain"), MORE_THAN_PLAIN, ids=ascii)
def test_what_is_more_than_json_becomes_plain(value: object, plain: Any) -> None:
    """
    Tuples become lists; enums and other subclasses become plain built-in types.
    """
    normal = normalise_json([value], "data")

    assert normal == [plain]
    assert encode_json(normal) == encode_json([plain])
    assert type(normal[0]) is type(plain)


def test_the_types_within_become_plain_too() -> None:
    """
    Keys and members of containers are of exactly the built-in types.
    """
    normal = normalise_json({Colour.RED: Point(Odd(1), Level.LOW)}, "data")
    ((key, (first, second)),) = normal.items()

    assert [type(part) for part in (key, first, second)] == [str, int, int]


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (SMILE_AS_PAIR, SMILE),
        (f"a{SMILE_AS_PAIR}b{SMILE_AS_PAIR}", f"a{SMILE}b{SMILE}"),
        (f"\ud83d{SMILE_AS_PAIR}", f"\ud83d{SMILE}"),
        (f"{SMILE_AS_PAIR}\ude00", f"{SMILE}\ude00"),
    ],
    ids=ascii,
)
def test_surrogates_that_form_a_pair_are_joined(text: str, plain: str) -> None:
    """
    A pair becomes its character, as JSON parsers read it; lone ones beside it stay.
    """
    normal = normalise_json({text: text}, "data")

    assert normal == {plain: plain}
    assert decode_json(encode_json(normal)) == normal


def test_keys_that_become_equal_are_refused() -> None:
    """
    Two keys that are one once their surrogates are joined would lose a member.
    """
    message = refusal([{SMILE: 1, SMILE_AS_PAIR: 2}])

    assert message == r"data[0]: the key '\U0001f600' appears twice"


def test_the_order_of_keys_is_kept() -> None:
    """
    Keys come back in the order in which they were given.
    """
    value = {"b": 1, "a": 2, "": 3, "B": 4}
    restored = decode_json(encode_json(normalise_json(value, "data")))

    assert list(restored) == ["b", "a", "", "B"]


@pytest.mark.parametrize(("wrap", "step"), [(in_list, "[0]"), (in_object, "['k']")])
def test_nesting_goes_200_levels_deep(wrap: Callable[[Any], Any], step: str) -> None:
    """
    200 levels are kept; with one more the value is refused at the place of that one.
    """
    deepest = normalise_json(nested(MAX_DEPTH, wrap), "data")
    message = refusal(nested(MAX_DEPTH + 1, wrap))

    assert decode_json(encode_json(deepest)) == deepest
    assert message == f"data{step * 200}: nested more than 200 levels deep"


@pytest.mark.parametrize("empty", [[], {}, ()], ids=str)
def test_an_empty_container_counts_as_a_level(empty: object) -> None:
    """
    An empty object or array at level 201 is refused like a full one.
    """
    message = refusal(nested(MAX_DEPTH, in_list, empty))

    assert message.endswith(": nested more than 200 levels deep")


def test_what_holds_itself_is_refused() -> None:
    """
    Cyclic lists and objects are nested without end.
    """
    array: list[Any] = []
    array.append(array)
    mapping: dict[str, Any] = {}
    mapping["me"] = [mapping]

    assert refusal(array).endswith(": nested more than 200 levels deep")
    assert refusal(mapping).startswith("data['me'][0]['me'][0]")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"raw", "data: a bytes is not JSON"),
        ({"a": [0, 1, 2, b"raw"]}, "data['a'][3]: a bytes is not JSON"),
        ([{"b": ({1},)}], "data[0]['b'][0]: a set is not JSON"),
        ({"at": date(2026, 1, 2)}, "data['at']: a date is not JSON"),
        ({"cost": Decimal(1)}, "data['cost']: a Decimal is not JSON"),
        ([object()], "data[0]: an object is not JSON"),
        ([1j], "data[0]: a complex is not JSON"),
        ([iter(())], "data[0]: a tuple_iterator is not JSON"),
        ([bytearray()], "data[0]: a bytearray is not JSON"),
        ({"it's": None, "é\0": ...}, r"data['\xe9\x00']: an ellipsis is not JSON"),
        ({"it's": ...}, 'data["it\'s"]: an ellipsis is not JSON'),
        ({1: "one"}, "data: a key of type int is not a string"),
        ({"a": {None: 1}}, "data['a']: a key of type NoneType is not a string"),
        ([{("a",): 1}], "data[0]: a key of type tuple is not a string"),
        ({b"a": 1}, "data: a key of type bytes is not a string"),
        ({LARGEST * 10: 1}, "data: a key of type int is not a string"),
    ],
    ids=range(16),
)
def test_the_message_names_the_path_of_the_culprit(value: Any, message: str) -> None:
    """
    What is not JSON is refused with the way that leads to it, in plain ASCII.
    """
    assert refusal(value).startswith(f"{message}; convert it")


def test_the_path_begins_where_the_caller_says() -> None:
    """
    The path starts with the field's own name.
    """
    assert refusal([b""], "run.output").startswith("run.output[0]: a bytes is not JSON")


def test_what_is_normalised_is_a_copy() -> None:
    """
    Neither side sees what is done to the other afterwards.
    """
    source: dict[str, Any] = {"list": [1, {"deep": []}]}
    normal = normalise_json(source, "data")
    source["list"][1]["deep"].append("later")
    normal["list"].append("mine")

    assert normal == {"list": [1, {"deep": []}, "mine"]}
    assert source == {"list": [1, {"deep": ["later"]}]}


def test_an_object_is_a_mapping() -> None:
    """
    Where an object is asked for, any mapping will do, and becomes a dict.
    """
    normal = normalise_json_object(MappingProxyType({"a": (1,)}), "data")

    assert normal == {"a": [1]}
    assert type(normal) is dict


@pytest.mark.parametrize("value", [None, [], "text", 1, True, {1}], ids=ascii)
def test_nothing_else_is_an_object(value: object) -> None:
    """
    Where an object is asked for, other JSON is refused.
    """
    with pytest.raises(ValidationError, match=r"^metadata: expected a JSON object"):
        normalise_json_object(value, "metadata")


def test_json_text_is_compact_ascii() -> None:
    """
    What is stored holds no space, and nothing beyond ASCII but as an escape.
    """
    value = {"é": ["\0\ud800", SMILE, None, True, -0.0, 1e16]}

    assert encode_json(value) == (
        r'{"\u00e9":["\u0000\ud800","\ud83d\ude00",null,true,-0.0,1e+16]}'
    )


def test_texts_differ_where_contents_do() -> None:
    """
    1, 1.0, true and "1" are equal to Python or look alike; their texts differ.
    """
    contents: list[Any] = [1, 1.0, True, "1", [1], {"1": 1}, 0.0, -0.0, False, None]
    orders: list[Any] = [{"a": 1, "b": 2}, {"b": 2, "a": 1}]
    texts = {encode_json(value) for value in contents + orders}

    assert len(texts) == len(contents) + len(orders)
