from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Annotated, Any

import attrs
import pytest

from asm_async.errors import ValidationError
from asm_async.values.fields import Count, Text, UTCTime
from asm_async.values.plain_value import PlainValue
from asm_async.values.value import Value, schema_of

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
PARIS = timezone(timedelta(hours=1))


class Colour(StrEnum):
    """
    One of two.
    """

    RED = "red"
    BLUE = "blue"


def even(value: object, name: str) -> int:
    """
    Accept an even number.
    """
    if not isinstance(value, int) or value % 2:
        raise ValidationError(f"{name}: this is odd")
    return value


@attrs.frozen(kw_only=True)
class Sample(Value):
    """
    A field of each kind.
    """

    text: Text
    number: Annotated[Count, even] = 0
    colour: Colour = Colour.RED
    is_on: bool = False
    at: UTCTime | None = None
    colours: tuple[Colour, ...] = ()
    counts: Mapping[Text, Count] = attrs.field(factory=dict[str, int], hash=False)
    error: Exception | None = None
    anything: Any = None


@attrs.frozen(kw_only=True)
class Plain(PlainValue):
    """
    Fields that have a form in JSON.
    """

    at: UTCTime
    until: UTCTime | None = None
    colours: tuple[Colour, ...] = ()


@pytest.mark.parametrize(
    ("name", "given", "normal"),
    [
        ("text", Colour.RED, "red"),
        ("number", 2, 2),
        ("colour", "blue", Colour.BLUE),
        ("at", NOON.astimezone(PARIS), NOON),
        ("at", None, None),
        ("colours", ["red", "blue"], (Colour.RED, Colour.BLUE)),
        ("counts", {"a": 1}, {"a": 1}),
        ("error", None, None),
        ("anything", [1], [1]),
    ],
    ids=range(9),
)
def test_a_field_takes_the_form_that_its_type_says(
    name: str, given: object, normal: object
) -> None:
    """
    Its own rule, an enumeration's member, or that of each member.
    """
    fields: dict[str, Any] = {"text": "t", name: given}
    made = getattr(Sample(**fields), name)

    assert made == normal
    assert type(made) is type(normal)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("text", None, "text: expected text, got a NoneType"),
        ("number", 1, "number: this is odd"),
        ("colour", "green", "colour: 'green' is not one of red, blue"),
        ("is_on", 1, "is_on: expected True or False, got an int"),
        ("at", "noon", "at: expected a datetime, got a str"),
        ("colours", ["red", 1], "colours[1]: an int is not one of red, blue"),
        ("counts", {"a": -1}, "counts['a']: the number is not within 0 to 2**53 - 1"),
        ("error", "late", "error: expected an Exception, got a str"),
    ],
    ids=range(8),
)
def test_what_a_type_forbids_is_refused_by_name(
    name: str, given: object, message: str
) -> None:
    """
    The message starts with the field, and goes on to the member in it.
    """
    fields: dict[str, Any] = {"text": "t", name: given}
    with pytest.raises(ValidationError) as caught:
        Sample(**fields)

    assert str(caught.value) == message


def test_a_schema_says_what_is_required_and_what_is_a_time() -> None:
    """
    A default makes a field optional, and None beside a time leaves it one.
    """
    schema = schema_of(Plain)

    assert list(schema.rules) == ["at", "until", "colours"]
    assert schema.required == {"at"}
    assert schema.times == {"at", "until"}


def test_plain_json_goes_both_ways() -> None:
    """
    Times as ISO 8601 text, enumerations as their values, tuples as lists.
    """
    value = Plain(at=NOON, colours=(Colour.BLUE,))
    plain = {
        "at": "2026-01-02T12:00:00.000000+00:00",
        "until": None,
        "colours": ["blue"],
    }

    assert value.to_dict() == plain
    assert Plain.from_dict(plain) == value
    with pytest.raises(
        ValidationError, match=r"^until: 'noon' is not an ISO 8601 time"
    ):
        Plain.from_dict({**plain, "until": "noon"})
    with pytest.raises(ValidationError, match=r"^at: this required field is missing"):
        Plain.from_dict({})
    with pytest.raises(ValidationError, match=r"^'since': there is no field"):
        Plain.from_dict({**plain, "since": None})
