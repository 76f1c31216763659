from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import IntEnum, StrEnum
from functools import partial
from typing import Any

import pytest

from asm_async.errors import ValidationError
from asm_async.values import fields

NOON = datetime(2026, 1, 2, 12, 0, 0, 1, tzinfo=UTC)
EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)
HUGE = 10**5_000
SMILE = "\U0001f600"


class Status(StrEnum):
    """
    An enumeration to choose from.
    """

    ON = "on"
    OFF = "off"


class Level(IntEnum):
    """
    An integer that is more than an integer.
    """

    HIGH = 9


class Instant(datetime):
    """
    A time that is more than a time.
    """


class Nowhere(tzinfo):
    """
    A time zone that does not know where it is.
    """

    def utcoffset(self, _: datetime | None, /) -> None:
        """
        Know no distance from UTC.
        """

    def dst(self, _: datetime | None, /) -> None:
        """
        Know no summer.
        """

    def tzname(self, _: datetime | None, /) -> None:
        """
        Know no name.
        """


def zone(**offset: int) -> timezone:
    """
    Make the zone that is so far ahead of UTC.
    """
    return timezone(timedelta(**offset))


def refusal(rule: Callable[[Any, str], object], value: object) -> str:
    """
    Return the message with which a rule refuses a value.
    """
    with pytest.raises(ValidationError) as caught:
        rule(value, "field")
    assert caught.value.__cause__ is None
    return str(caught.value)


@pytest.mark.parametrize("text", ["a", " ", "é" * 255, SMILE * 255, "\U0010ffff\x7f\n"])
def test_a_text_has_1_to_255_characters(text: str) -> None:
    """
    Any characters but NUL and surrogates make a text, counted as code points.
    """
    assert fields.text(text, "field") == text
    assert fields.optional(text, "field", fields.text) == text


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "field: expected 1 to 255 characters, got 0"),
        ("a" * 256, "field: expected 1 to 255 characters, got 256"),
        ("a\0", r"field: 'a\x00' holds a NUL character"),
        ("\ud800", r"field: '\ud800' holds a lone surrogate"),
        ("é\udfff", r"field: '\xe9\udfff' holds a lone surrogate"),
        ("\ud83d\ude00", r"field: '\ud83d\ude00' holds a lone surrogate"),
        (b"raw", "field: expected text, got a bytes"),
        (7, "field: expected text, got an int"),
        (["a"], "field: expected text, got a list"),
    ],
    ids=ascii,
)
def test_other_texts_are_refused(value: object, message: str) -> None:
    """
    What is too short, too long, not storable everywhere, or no text is refused.
    """
    assert refusal(fields.text, value) == message
    assert refusal(partial(fields.optional, rule=fields.text), value) == message


def test_none_is_an_optional_text_only() -> None:
    """
    None passes where a text is optional.
    """
    assert fields.optional(None, "field", fields.text) is None
    assert refusal(fields.text, None) == "field: expected text, got a NoneType"


def test_a_text_becomes_a_plain_str() -> None:
    """
    Enums and other subclasses of str become plain ones.
    """
    assert type(fields.text(Status.ON, "field")) is str


@pytest.mark.parametrize(
    "value", [["b", "a", "b"], ("b", "a"), iter("ba"), {"b": 0, "a": 0}.keys()]
)
def test_each_tag_stands_once(value: object) -> None:
    """
    Any iterable of texts makes tags; a repeated one stays where it first stood.
    """
    assert fields.unique_texts(value, "field") == ("b", "a")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("pinned", "field: expected a list, got a str"),
        (b"pinned", "field: expected a list, got a bytes"),
        ({"pinned": 1}, "field: expected a list, got a dict"),
        (None, "field: expected a list, got a NoneType"),
        (7, "field: expected a list, got an int"),
        (["a", ""], "field[1]: expected 1 to 255 characters, got 0"),
        (["a", "b", 7], "field[2]: expected text, got an int"),
    ],
    ids=str,
)
def test_other_tags_are_refused(value: object, message: str) -> None:
    """
    A single text is no list of tags, and the place of a bad tag is named.
    """
    assert refusal(fields.unique_texts, value) == message


@pytest.mark.parametrize("number", [0, 1, 2**53 - 1])
def test_a_count_goes_from_0_to_2_to_the_53_minus_1(number: int) -> None:
    """
    A count is whatever every JSON reader holds exactly.
    """
    assert fields.count(number, "field") == number
    assert fields.optional(number, "field", fields.count) == number


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-1, "field: the number is not within 0 to 2**53 - 1"),
        (2**53, "field: the number is not within 0 to 2**53 - 1"),
        (True, "field: expected a whole number, got a bool"),
        (1.0, "field: expected a whole number, got a float"),
        ("1", "field: expected a whole number, got a str"),
        (Decimal(1), "field: expected a whole number, got a Decimal"),
    ],
    ids=str,
)
def test_other_counts_are_refused(value: object, message: str) -> None:
    """
    What is out of bounds, or no integer, is no count.
    """
    assert refusal(fields.count, value) == message
    assert refusal(partial(fields.optional, rule=fields.count), value) == message


def test_none_is_an_optional_count_only() -> None:
    """
    None passes where a count is optional.
    """
    assert fields.optional(None, "field", fields.count) is None
    assert refusal(fields.count, None).endswith("got a NoneType")


def test_a_count_becomes_a_plain_int() -> None:
    """
    Enums and other subclasses of int become plain ones.
    """
    assert type(fields.count(Level.HIGH, "field")) is int


@pytest.mark.parametrize("value", [0, 0.1, 5e-324, 1e15, 10**15, 7])
def test_an_amount_is_a_number_from_0_to_a_million_billions(value: float) -> None:
    """
    Integers and floats are amounts, given as floats to the last bit.
    """
    amount = fields.amount(value, "field")

    assert amount == value
    assert type(amount) is float


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-5e-324, "field: expected a finite number >= 0"),
        (math.nan, "field: expected a finite number >= 0"),
        (math.inf, "field: expected a finite number >= 0"),
        (-math.inf, "field: expected a finite number >= 0"),
        (10**400, "field: expected a finite number >= 0"),
        (True, "field: expected a number, got a bool"),
        ("1", "field: expected a number, got a str"),
        (Decimal(1), "field: expected a number, got a Decimal"),
    ],
    ids=range(8),
)
def test_other_amounts_are_refused(value: object, message: str) -> None:
    """
    What is negative, not finite, or no number is no amount.
    """
    assert refusal(fields.amount, value) == message
    assert refusal(fields.total_amount, value) == message


@pytest.mark.parametrize("value", [1e15 + 0.125, 10**15 + 1, 1.7976931348623157e308])
def test_an_amount_has_a_bound_and_a_sum_of_amounts_has_none(value: float) -> None:
    """
    What is larger than any amount may still be a sum, as long as it is finite.
    """
    message = "field: the amount is not within 0 to 10**15"

    assert refusal(fields.amount, value) == message
    assert fields.total_amount(value, "field") == value


def test_an_amount_of_minus_zero_becomes_zero() -> None:
    """
    -0.0, which an SQLite column does not keep, becomes 0.0.
    """
    assert math.copysign(1, fields.amount(-0.0, "field")) == 1


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (NOON, NOON),
        (NOON.astimezone(zone(hours=5, minutes=30)), NOON),
        (NOON.astimezone(zone(hours=-23, microseconds=-1)), NOON),
        (NOON.replace(fold=1), NOON),
        (Instant(2026, 1, 2, 12, 0, 0, 1, tzinfo=UTC), NOON),
        (datetime(1, 1, 1, 1, tzinfo=zone(hours=1)), EARLIEST),
        (LATEST.replace(tzinfo=zone(hours=1)), LATEST - timedelta(hours=1)),
        (EARLIEST, EARLIEST),
        (LATEST, LATEST),
    ],
    ids=range(9),
)
def test_a_time_is_given_in_utc(given: datetime, expected: datetime) -> None:
    """
    An aware time of any zone becomes the same instant in UTC, to the microsecond.
    """
    time = fields.utc_time(given, "field")

    assert time == fields.optional(given, "field", fields.utc_time) == expected
    assert (type(time), time.tzinfo, time.fold) == (datetime, UTC, 0)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (datetime(2026, 1, 2), "is naive; give it a time zone"),  # noqa: DTZ001 - the point
        (NOON.replace(tzinfo=Nowhere()), "is naive; give it a time zone"),
        (
            EARLIEST.replace(tzinfo=zone(microseconds=1)),
            "is not within the years 1 to 9999 in UTC",
        ),
        (
            LATEST.replace(tzinfo=zone(microseconds=-1)),
            "is not within the years 1 to 9999 in UTC",
        ),
        (date(2026, 1, 2), "field: expected a datetime, got a date"),
        ("2026-01-02T12:00:00Z", "field: expected a datetime, got a str"),
        (1.5, "field: expected a datetime, got a float"),
    ],
    ids=range(7),
)
def test_other_times_are_refused(value: object, message: str) -> None:
    """
    A naive time, one that UTC cannot tell, or none at all is refused.
    """
    assert refusal(fields.utc_time, value).startswith("field: ")
    assert refusal(partial(fields.optional, rule=fields.utc_time), value).endswith(
        message
    )


def test_none_is_an_optional_time_only() -> None:
    """
    None passes where a time is optional.
    """
    assert fields.optional(None, "field", fields.utc_time) is None
    assert refusal(fields.utc_time, None).endswith("got a NoneType")


def test_a_choice_is_a_member_or_its_value() -> None:
    """
    The stored text of a member stands for it.
    """
    assert fields.choice(Status.ON, "field", Status) is Status.ON
    assert fields.choice("off", "field", Status) is Status.OFF


@pytest.mark.parametrize(
    ("value", "given"),
    [
        ("ON", "'ON'"),
        ("é", r"'\xe9'"),
        (None, "a NoneType"),
        ([], "a list"),
        (HUGE, "an int"),
    ],
    ids=range(5),
)
def test_other_choices_are_refused(value: object, given: str) -> None:
    """
    What is no member is refused, and the members are named.
    """
    rule = partial(fields.choice, kind=Status)

    assert refusal(rule, value) == f"field: {given} is not one of on, off"


def test_a_mapping_is_copied_by_its_rules() -> None:
    """
    Keys and members of a mapping are brought into normal form; the given one is left.
    """
    given: dict[Any, Any] = {"on": 1}
    rule = partial(fields.mapping_of, key_rule=fields.text, rule=fields.count)
    copied = rule(given, "field")
    given["off"] = 2

    assert copied == {"on": 1}
    assert refusal(rule, []) == "field: expected a mapping, got a list"
    assert refusal(rule, {7: 1}) == "field: key: expected text, got an int"
    assert refusal(rule, {"on": None}).startswith("field['on']: expected a whole")


def test_an_instance_is_of_its_class() -> None:
    """
    What is of another class is refused, each class with its article.
    """
    assert fields.instance(Status.ON, "field", Status) is Status.ON
    assert refusal(partial(fields.instance, kind=Status), "on") == (
        "field: expected a Status, got a str"
    )
    assert refusal(partial(fields.instance, kind=Instant), 7) == (
        "field: expected an Instant, got an int"
    )


@pytest.mark.parametrize("rule", [fields.count, fields.amount, fields.utc_time])
def test_a_number_too_long_to_print_is_refused_like_others(
    rule: Callable[[Any, str], object],
) -> None:
    """
    An integer whose text Python refuses to make raises no other error.
    """
    assert refusal(rule, HUGE).startswith("field: ")
