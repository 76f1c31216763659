"""
The rules that a value's fields obey, each as a function ``(value, name) -> value``.

A rule returns the field in its one normal form or raises ``ValidationError`` with the
field's name at the start of the message.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Protocol, TypeAlias, TypeGuard, TypeVar, cast

from asm_async.errors import ConflictError, ValidationError
from asm_async.values.not_json import with_article

MAX_TEXT_LENGTH = 255
"""
The longest id or other text field, in characters (Unicode code points).
"""

MAX_COUNT = 2**53 - 1
"""
The largest number or count: what every JSON reader holds exactly (RFC 8259, section 6).
"""

MAX_AMOUNT = 1e15
"""
The largest amount: a million billions of US dollars, so that sums stay finite.
"""

E = TypeVar("E", bound=StrEnum)
F = TypeVar("F", bound=Callable[..., object])
T = TypeVar("T")


class FieldRule(Protocol):
    """
    Brings one field into its normal form.
    """

    def __call__(self, value: Any, name: str, /) -> Any:
        """
        Return the normal form of *value*, or raise an error that starts with *name*.
        """


FieldRules: TypeAlias = Mapping[str, FieldRule]


def shown(value: object) -> str:
    """
    Write a wrong *value* so that a message with it can be read: long ones are cut.
    """
    try:
        written = ascii(value)
    except (ValueError, RecursionError):
        # An integer of too many digits, or what is nested without an end.
        return with_article(type(value).__name__)
    if len(written) <= MAX_TEXT_LENGTH:
        return written
    return f"{written[:MAX_TEXT_LENGTH]}..."


def unexpected(name: str, expected: str, value: object) -> ValidationError:
    """
    Make the error that says what was *expected*, and what kind of *value* was given.
    """
    kind = with_article(type(value).__name__)
    return ValidationError(f"{name}: expected {expected}, got {kind}")


def text(value: object, name: str) -> str:
    """
    Accept 1 to 255 characters without NUL or lone surrogate.
    """
    if not isinstance(value, str):
        raise unexpected(name, "text", value)
    plain = value if type(value) is str else str.__str__(value)
    if not 1 <= len(plain) <= MAX_TEXT_LENGTH:
        raise ValidationError(
            f"{name}: expected 1 to {MAX_TEXT_LENGTH} characters, got {len(plain)}"
        )
    if "\0" in plain:
        raise ValidationError(f"{name}: {plain!a} holds a NUL character")
    if not plain.isascii() and any("\ud800" <= char <= "\udfff" for char in plain):
        raise ValidationError(f"{name}: {plain!a} holds a lone surrogate")
    return plain


def unique_texts(value: object, name: str) -> tuple[str, ...]:
    """
    Accept an iterable of texts; each is kept once, where it first stood.
    """
    return tuple(dict.fromkeys(tuple_of(value, name, text)))


def tuple_of(value: object, name: str, rule: FieldRule) -> tuple[Any, ...]:
    """
    Accept an iterable, but neither text nor mapping, whose members all obey *rule*.
    """
    if not is_list(value):
        raise unexpected(name, "a list", value)
    return tuple(rule(member, f"{name}[{i}]") for i, member in enumerate(value))


def several(value: object, name: str, rule: FieldRule) -> tuple[Any, ...]:
    """
    Accept a text that obeys *rule*, alone, or an iterable of such.
    """
    if isinstance(value, str):
        return (rule(value, name),)
    return tuple_of(value, name, rule)


def mapping_of(
    value: object, name: str, key_rule: FieldRule, rule: FieldRule
) -> dict[Any, Any]:
    """
    Accept a mapping and copy it; its keys obey *key_rule* and its members *rule*.
    """
    if not isinstance(value, Mapping):
        raise unexpected(name, "a mapping", value)
    return {
        key_rule(key, f"{name}: key"): rule(member, f"{name}[{str(key)!r}]")
        for key, member in cast("Mapping[object, object]", value).items()
    }


def optional(value: object, name: str, rule: Callable[[Any, str], T]) -> T | None:
    """
    Accept None, or what obeys *rule*.
    """
    return None if value is None else rule(value, name)


def instance(value: object, name: str, kind: type[T]) -> T:
    """
    Accept an instance of the class *kind*.
    """
    if not isinstance(value, kind):
        raise unexpected(name, with_article(kind.__name__), value)
    return value


def function(value: F, name: str) -> F:
    """
    Accept what can be called.
    """
    if not callable(value):
        raise unexpected(name, "a function", value)
    return value


def boolean(value: object, name: str) -> bool:
    """
    Accept True or False.
    """
    if not isinstance(value, bool):
        raise unexpected(name, "True or False", value)
    return value


def count(value: object, name: str) -> int:
    """
    Accept an integer from 0 to 2**53 - 1.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise unexpected(name, "a whole number", value)
    if not 0 <= value <= MAX_COUNT:
        raise ValidationError(f"{name}: the number is not within 0 to 2**53 - 1")
    return value if type(value) is int else int.__int__(value)


def positive_count(value: object, name: str) -> int:
    """
    Accept an integer from 1 to 2**53 - 1.
    """
    number = count(value, name)
    if not number:
        raise ValidationError(f"{name}: expected at least 1, got 0")
    return number


def next_number(latest: int, session_id: str) -> int:
    """
    Return the sequence number after *latest*, which readers of JSON can hold as well.

    Raises:
        ConflictError: If there is none.
    """
    if latest >= MAX_COUNT:
        raise ConflictError(
            f"session {session_id!r} has used its last sequence number, 2**53 - 1:"
            " continue in another session"
        )
    return latest + 1


def total_count(value: object, name: str) -> int:
    """
    Accept a sum of counts, which may exceed 2**53 - 1.
    """
    whole = instance(value, name, int)
    if isinstance(value, bool) or whole < 0:
        raise ValidationError(f"{name}: expected a whole number >= 0")
    return whole


def amount(value: object, name: str) -> float:
    """
    Accept a number from 0 to 10**15, and return it as a float.
    """
    number = total_amount(value, name)
    if number > MAX_AMOUNT:
        raise ValidationError(f"{name}: the amount is not within 0 to 10**15")
    return number


def total_amount(value: object, name: str) -> float:
    """
    Accept a sum of amounts: a finite number of at least 0.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise unexpected(name, "a number", value)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not 0 <= number < math.inf:
        raise ValidationError(f"{name}: expected a finite number >= 0")
    # The sum turns -0.0, which an SQLite column does not keep, into 0.0.
    return number + 0.0


def utc_time(value: object, name: str) -> datetime:
    """
    Accept an aware time, in any zone, and return it in UTC with microseconds.
    """
    if not isinstance(value, datetime):
        raise unexpected(name, "a datetime", value)
    if value.tzinfo is UTC and type(value) is datetime and not value.fold:
        return value
    if value.tzinfo is None or value.utcoffset() is None:
        raise ValidationError(f"{name}: {value!r} is naive; give it a time zone")
    try:
        moved = value.astimezone(UTC)
    except OverflowError:
        raise ValidationError(
            f"{name}: {value!r} is not within the years 1 to 9999 in UTC"
        ) from None
    return datetime.combine(moved.date(), moved.time(), UTC).replace(fold=0)


def choice(value: object, name: str, kind: type[E]) -> E:
    """
    Accept a member of the enumeration *kind*, or its value.
    """
    # The enumeration itself would write down whatever it is given, however deep.
    if not isinstance(value, str):
        raise _none_of(value, name, kind)
    try:
        return kind(value)
    except ValueError:
        raise _none_of(value, name, kind) from None


def one_of(value: object, name: str, known: Collection[str]) -> str:
    """
    Accept one of the texts that are *known*.
    """
    if not isinstance(value, str) or value not in known:
        raise _none_of(value, name, known)
    return str.__str__(value)


# What the fields of values are declared as: a type, and the rule that they obey.

Text: TypeAlias = Annotated[str, text]
Tags: TypeAlias = Annotated[tuple[str, ...], unique_texts]
Count: TypeAlias = Annotated[int, count]
PositiveCount: TypeAlias = Annotated[int, positive_count]
TotalCount: TypeAlias = Annotated[int, total_count]
Amount: TypeAlias = Annotated[float, amount]
TotalAmount: TypeAlias = Annotated[float, total_amount]
UTCTime: TypeAlias = Annotated[datetime, utc_time]


def is_list(value: object) -> TypeGuard[Iterable[object]]:
    """
    Return whether *value* is an iterable, but neither text nor mapping.
    """
    # To ask an abstract class takes long, and nearly all are plain.
    if isinstance(value, list | tuple):
        return True
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)


def _none_of(value: object, name: str, known: Iterable[str]) -> ValidationError:
    is_text = isinstance(value, str)
    given = shown(value) if is_text else with_article(type(value).__name__)
    return ValidationError(f"{name}: {given} is not one of {', '.join(known)}")
