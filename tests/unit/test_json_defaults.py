"""
What is no JSON value: how errors call it, and what makes one of it.
"""

from __future__ import annotations

import dataclasses
import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel

from asm_async import Event, EventType
from asm_async.errors import ValidationError
from asm_async.values.json_values import Default

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


@dataclasses.dataclass
class Point:
    """
    Something of an application's.
    """

    x: Any


class Model(BaseModel):
    """
    Something of pydantic's.
    """

    x: int


def numpy_bool() -> object:
    """
    Make what is called as numpy's bool is.
    """
    return type("bool", (), {"__module__": "numpy", "tolist": bool})()


def event_of(value: object, default: Default | None = None) -> Event:
    """
    Make an event with *value* somewhere in its data.
    """
    return Event.new(
        type=EventType.TOOL_CALL_COMPLETED,
        session_id="ses_1",
        data={"result": [value]},
        metadata={"m": value},
        default=default,
    )


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (NOON, "a datetime is not JSON; convert it by isoformat()"),
        (date(2026, 1, 2), "a date is not JSON; convert it by isoformat()"),
        (timedelta(1), "a timedelta is not JSON; convert it, or"),
        (
            Decimal("1.10"),
            "a Decimal is not JSON; convert it by str() or float",
        ),
        (b"a", "a bytes is not JSON; convert it to text, such as base64"),
        (UUID(int=1), "a UUID is not JSON; convert it by str()"),
        (PurePosixPath("a"), "is not JSON; convert it by str()"),
        ({1}, "a set is not JSON; convert it by list()"),
        (math.nan, "nan is not JSON; convert it: None or text can stand in its place"),
        (Model(x=1), "Model is not JSON; convert it by model_dump(mode='json')"),
        (Point(1), "Point is not JSON; convert it by dataclasses.asdict()"),
        (numpy_bool(), "a numpy.bool is not JSON; convert it by tolist()"),
        ({1: 2}, "a key of type int is not a string; convert it, or"),
    ],
    ids=range(13),
)
def test_the_message_says_how_to_convert_it(value: object, complaint: str) -> None:
    """
    It names the path, the type (a namesake's with its module), and a way to JSON.
    """
    with pytest.raises(ValidationError) as caught:
        event_of(value)

    assert str(caught.value).startswith("data['result'][0]: ")
    assert complaint in str(caught.value)
    assert str(caught.value).endswith("give Event.new a default, as json.dumps has it")


def nothing(_: object) -> object:
    """
    Make nothing of anything.
    """
    return None


def parts(value: complex) -> object:
    """
    Make a tuple in a list, which is normalised in turn.
    """
    return [value.real, (value.imag,)]


@pytest.mark.parametrize(
    ("value", "default", "expected"),
    [
        (NOON, datetime.isoformat, "2026-01-02T12:00:00+00:00"),
        (math.nan, nothing, None),
        (-math.inf, str, "-inf"),
        (Point(1), dataclasses.asdict, {"x": 1}),
        ({1: {None: NOON}}, str, {"1": {"None": "2026-01-02 12:00:00+00:00"}}),
        (1j, parts, [0.0, [1.0]]),
        ([Point(Point(2))], dataclasses.asdict, [{"x": {"x": 2}}]),
        (
            [1, 1.5, "a", None, True],
            nothing,
            [1, 1.5, "a", None, True],
        ),
    ],
    ids=range(8),
)
def test_a_default_makes_json_of_what_is_none(
    value: object, default: Default, expected: object
) -> None:
    """
    Also of NaN and of keys, and what it returns is looked at in turn.
    """
    event = event_of(value, default)

    assert event.data == {"result": [expected]}
    assert event.metadata == {"m": expected}
    assert Event.from_dict(event.to_dict()) == event


def same(value: object) -> object:
    """
    Make no JSON of it.
    """
    return value


def nested(value: object) -> object:
    """
    Make JSON around it alone.
    """
    return {"a": value}


def no_text(_: object) -> object:
    """
    Make an object whose keys are no text.
    """
    return {"a": {1: 2}}


def too_long(_: object) -> object:
    """
    Make an integer of too many digits.
    """
    return 10**5000


def refuse(value: object) -> object:
    """
    Do as the documentation of ``json`` says.
    """
    raise TypeError(type(value).__name__)


@pytest.mark.parametrize(
    ("value", "default", "complaint"),
    [
        (
            1j,
            refuse,
            "data['result'][0]: a complex is not JSON, and default refused it",
        ),
        (
            {1: 1},
            refuse,
            "data['result'][0]: a key of type int is not a string, and de",
        ),
        (1j, same, "nested more than 200 levels deep"),
        (1j, nested, "nested more than 200 levels deep"),
        (1j, no_text, "a key of type int is not a string; convert it"),
        ({1: 1}, same, "a key of type int is not a string; convert it"),
        (1j, too_long, "the integer has more than 4300 digits"),
        ({1: 1, "1": 2}, str, "the key '1' appears twice"),
    ],
    ids=range(8),
)
def test_what_a_default_returns_is_checked(
    value: object, default: Default, complaint: str
) -> None:
    """
    What is still no JSON is refused by its path, and never tried without an end.
    """
    with pytest.raises(ValidationError) as caught:
        event_of(value, default)

    assert complaint in str(caught.value)
    assert str(caught.value).startswith("data['result'][0]")
    if default is refuse:
        assert isinstance(caught.value.__cause__, TypeError)


def test_what_a_default_raises_else_is_its_own() -> None:
    """
    As with ``json.dumps``, a fault in it comes through.
    """
    with pytest.raises(ZeroDivisionError):
        event_of(1j, lambda _: 1 / 0)
