"""
JSON that is encoded piece by piece, as a parser and an encoder would have it.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asm_async.errors import ValidationError
from asm_async.values.json_outline import PIECE_LENGTH, Outline, outline_of
from asm_async.values.json_pieces import (
    at_once,
    change_in_pieces,
    encode_in_pieces,
    members_in_pieces,
)
from asm_async.values.json_values import EncodedJSON, decoded, encode_json
from asm_async.values.redaction import RedactionPolicy

LEAVES: st.SearchStrategy[Any] = st.one_of(
    st.text('[]{},:\\"aé\ud83d\n', max_size=9),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([True, None, "hunter2"]),
)
KEYS = st.text('[{,:"\\p', max_size=3)
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
    max_leaves=15,
)
CONTAINERS = st.lists(VALUES) | st.dictionaries(KEYS, VALUES)
LENGTHS = st.integers(1, 30)
POLICY = RedactionPolicy(keys=("p",), patterns=("hunter[0-9]",))

# What an edit puts anywhere into a text: most make it something else than JSON.
EDITS = ["", ",", ":", "[", "]", "{", "}", '"', "\\", "0", " ", "NaN", "1e999", "/"]


def outlined(text: str, piece_length: int) -> Outline:
    """
    Find the outline of a text.
    """
    return at_once(outline_of(text, "data", piece_length=piece_length))


def encoded(text: str, piece_length: int) -> str:
    """
    Encode a text in pieces of some characters.
    """
    outline = outlined(text, piece_length)
    return at_once(encode_in_pieces(outline, outline.whole(), "data"))


def refuse(name: str) -> None:
    """
    Accept no NaN, as bodies do not.
    """
    raise ValueError(name)


@given(
    value=CONTAINERS,
    length=LENGTHS,
    ascii_only=st.booleans(),
    indent=st.sampled_from([None, 0, 3, "\t"]),
)
def test_pieces_are_encoded_as_the_whole_is(
    value: Any, length: int, *, ascii_only: bool, indent: int | str | None
) -> None:
    """
    Wherever they are cut, and however the text is written.
    """
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)

    assert encoded(text, length) == encode_json(json.loads(text))


@given(value=CONTAINERS, length=LENGTHS, data=st.data())
def test_what_is_no_json_is_refused_as_a_parser_refuses_it(
    value: Any, length: int, data: st.DataObject
) -> None:
    """
    After any edit both accept the text, with the same result, or both refuse it.
    """
    text = json.dumps(value)
    for _ in range(data.draw(st.integers(1, 2))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 2)))
        text = text[:start] + data.draw(st.sampled_from(EDITS)) + text[end:]
    try:
        expected = json.loads(text, parse_constant=refuse)
        is_json = isinstance(expected, dict | list)
        whole = encode_json(expected)
    except ValueError:
        is_json, whole = False, ""

    if is_json:
        assert encoded(text, length) == whole
    else:
        with pytest.raises(ValueError):  # noqa: PT011 - a parser's own, or ours
            encoded(text, length)


@given(
    members=st.lists(st.tuples(st.sampled_from("ab"), VALUES), max_size=9),
    length=LENGTHS,
)
def test_of_members_with_one_key_the_last_counts(
    members: list[tuple[str, Any]], length: int
) -> None:
    """
    At the place of the first, also where they are in different pieces.
    """
    text = ",".join(f"{json.dumps(key)}:{json.dumps(value)}" for key, value in members)

    assert encoded(f"{{{text}}}", length) == encode_json(json.loads(f"{{{text}}}"))


@given(value=CONTAINERS, length=LENGTHS)
def test_pieces_are_redacted_as_the_whole_is(value: Any, length: int) -> None:
    """
    By their texts, and by keys whose values are not looked into.
    """
    text = encode_json(value)
    outline = outlined(text, length)
    steps = encode_in_pieces(outline, outline.whole(), "data", POLICY.redact_in_steps)

    assert at_once(steps) == encode_json(POLICY.redact(value))


@given(
    value=st.lists(VALUES | st.text(min_size=40, max_size=60), max_size=6),
    length=LENGTHS,
    filling=st.integers(0, 3),
)
def test_an_array_is_taken_apart_as_a_parser_does(
    value: list[Any], length: int, filling: int
) -> None:
    """
    Into texts of its objects and arrays, and values of all else; blanks do not count.
    """
    text = EncodedJSON(encode_json(value) + " " * filling)
    members = at_once(members_in_pieces(text, piece_length=length))

    assert [decoded(member) for member in members] == json.loads(text)
    assert [encode_json(member) for member in members] == [*map(encode_json, value)]
    assert not any(isinstance(member, dict | list) for member in members)


def test_each_step_is_of_one_piece() -> None:
    """
    The number of steps grows with the text, and no piece is longer than it may be.
    """
    asked: list[int] = []

    def note(value: Any) -> Generator[None, None, Any]:
        asked.append(len(encode_json(value)))
        yield
        return value

    text = EncodedJSON(encode_json([[{"a": [1] * 500}] * 50] * 10))
    count = 0

    def counted() -> Generator[None, None, str]:
        nonlocal count
        steps = change_in_pieces(text, note)
        while True:
            try:
                yield next(steps)
            except StopIteration as end:
                return str(end.value)
            count += 1

    assert at_once(counted()) == text
    assert count >= 2 * len(text) // PIECE_LENGTH
    assert max(asked) <= PIECE_LENGTH + 2


@pytest.mark.parametrize(
    "text",
    [
        "[" * 201 + "]" * 201,
        '{"a":' * 250 + "0" + "}" * 250,
        "[" * 300 + "]" * 300,
        "[0," * 100_000 + "0" + "]" * 100_000,
    ],
)
def test_what_is_nested_too_deeply_is_refused(text: str) -> None:
    """
    However deep it is, with an error that names the place.
    """
    with pytest.raises(ValidationError, match=r"^data: nested more than 200"):
        encoded(text, 100)


@pytest.mark.parametrize("depth", [199, 200])
def test_what_is_nested_as_deeply_as_may_be_is_taken(depth: int) -> None:
    """
    Up to the last level.
    """
    text = "[" * depth + "]" * depth

    assert encoded(text, 7) == text


def test_a_number_that_no_float_holds_is_refused() -> None:
    """
    With an error that names the place.
    """
    with pytest.raises(ValidationError, match=r"^data: a number in it is too large"):
        encoded('{"a":[1,2,3,1e999]}', 4)
