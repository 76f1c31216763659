"""
Hypothesis strategies for what callers give by mistake, or on purpose.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from asm_async.testing.strategies import json_texts, text_fields, times
from asm_async.values.event import EventType
from asm_async.values.fields import MAX_COUNT, MAX_TEXT_LENGTH
from asm_async.values.json_values import MAX_INTEGER_DIGITS

__all__ = ["anything", "changed_texts", "deep_values", "sql_texts"]

_DEEP = 10_000
_LONG = 100_000

_SQL = (
    "'; DROP TABLE asm_events; --",
    "' OR '1'='1",
    '"; SELECT 1; --',
    "%s %(name)s %% %",
    "_%[a-z]",
    ":name ::text",
    "$1 $$ $a$ $a$",
    "?1 ?",
    "{} {0} {name!r} {{",
    "\\ \\' \\\\ \\0 \\x27 \\u0027",
    "E'\\047'",
    "U&'\\0027'",
    "/* */ -- #",
    "NULL",
    "`a` [b] |c|",
    "\u2019\uff07\u02bc",
    "\r\n\t\x1a\x1b",
    "...",
)
_SQL_CHARACTERS = "'\"%_\\;-/*#{}[]():$?`|&<>!=~^@, \r\n\tE"

# The ends of each range of numbers that something in between may have.
_NUMBERS = (
    *(-1, 0, 2**31, 2**32, MAX_COUNT, MAX_COUNT + 1, 2**63 - 1, 2**63, 2**64),
    *(-(2**63), -(2**63) - 1),
    *(float("nan"), float("inf"), float("-inf"), 1e15, 1e16, 1e308, -0.0, 0.5, -0.5),
    *(Decimal(1), Decimal("NaN"), Fraction(1, 3), 1j, True, False),
)


class _Text(str):
    """
    A text that is not plain.
    """

    __slots__ = ()


class _Iterable:
    """
    What can be iterated, again and again, and nothing else.
    """

    def __init__(self, members: list[Any]) -> None:
        self._members = members

    def __iter__(self) -> Iterator[Any]:
        return iter(self._members)


def anything() -> st.SearchStrategy[Any]:
    """
    Make any value of Python's, most of which are JSON of no kind.

    Numbers at and beyond every bound, texts that no database takes, times without a
    zone, and whatever else there is.
    """
    return st.recursive(_leaves(), _one_level_more, max_leaves=4)


def deep_values() -> Mapping[str, Any]:
    """
    Make values that are nested ten thousand deep, or have no end, by name.

    No strategy, since Hypothesis itself would not survive them.
    """
    array: list[Any] = []
    objects: dict[str, Any] = {}
    for _ in range(_DEEP):
        array, objects = [array], {"a": objects}
    endless: list[Any] = []
    endless.append({"again": endless})
    return {"arrays": array, "objects": objects, "a circle": endless}


def sql_texts() -> st.SearchStrategy[str]:
    """
    Make a text, fit for a text field, that would do harm in the text of a statement.
    """
    mixed = st.text(_SQL_CHARACTERS, min_size=1, max_size=40)
    within = st.builds("{}{}{}".format, st.text("a'", max_size=3), mixed, text_fields())
    return st.sampled_from(_SQL) | mixed | within.map(lambda t: t[:MAX_TEXT_LENGTH])


def changed_texts(texts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """
    Make one of *texts* with something in it changed, added or left out.
    """
    return st.builds(_changed, texts, st.integers(0, 10_000), json_texts())


def _leaves() -> st.SearchStrategy[Any]:
    return st.one_of(
        st.none(),
        st.sampled_from(_NUMBERS),
        st.integers(),
        # Not as it is: anyone who looks at the strategy would write it down.
        st.sampled_from((1, -1)).map(lambda sign: sign * 10**MAX_INTEGER_DIGITS),
        st.floats(),
        json_texts(),
        sql_texts(),
        st.sampled_from(("", "\0", "\ud800", "a\0b", "\ufeff", "x" * 256, "x" * _LONG)),
        text_fields().map(_Text),
        st.binary(max_size=8),
        st.binary(max_size=8).map(bytearray),
        st.datetimes(),
        st.datetimes(timezones=st.just(UTC)),
        times(),
        st.dates(),
        st.timedeltas(),
        st.uuids(),
        st.sampled_from(EventType),
        st.builds(object),
        st.sampled_from((int, str, EventType, len, ..., NotImplemented, range(3))),
        st.builds(ValueError),
        st.frozensets(st.integers(), max_size=2),
        st.builds(_Iterable, st.lists(st.integers() | json_texts(), max_size=2)),
    )


def _one_level_more(members: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    keys = st.none() | st.integers() | json_texts() | st.booleans() | st.binary()
    return st.one_of(
        st.lists(members, max_size=3),
        st.lists(members, max_size=3).map(tuple),
        st.dictionaries(keys, members, max_size=3),
        st.dictionaries(json_texts(), members, max_size=3),
    )


def _changed(text: str, place: int, other: str) -> str:
    start = place % (len(text) + 1)
    changes = (
        text[:start],
        text[start:],
        text[:start] + text[start + 1 :],
        text[:start] + other + text[start:],
        text[:start] + other + text[start + 1 :],
        text[:start] + text[start : start + 1].swapcase() + text[start + 1 :],
        text * 2,
    )
    return changes[place % len(changes)]
