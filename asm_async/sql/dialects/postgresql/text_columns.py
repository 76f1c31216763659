"""
How the columns of several rows travel: each as one text, which the server splits.

Of every member of an array asyncpg asks whether it is an array in turn, which takes
longer than all the rest of sending it. Times go as arrays: what they are as text
depends on the server's settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from asm_async.sql.core.column_types import JSONText, ZonedTime

SEPARATOR = chr(31)
"""
What stands between the members of a column.
"""

_TIME = "timestamptz"


def places(first: int, names: Sequence[str]) -> dict[str, str]:
    """
    Return the parameters of some names, one behind the other.
    """
    return {name: f"${index}" for index, name in enumerate(names, start=first)}


def cast(column: sa.Column[Any], value: str) -> str:
    """
    Write an expression as the column takes it.
    """
    if isinstance(column.type, JSONText):
        return f"{value}::text::json"
    return f"{value}::{_kind(column)}"


def array(column: sa.Column[Any], place: str) -> str:
    """
    Write the array that the server makes of a parameter.
    """
    kind = _kind(column)
    if kind == _TIME:
        return f"{place}::timestamptz[]"
    null = ", ''" if column.nullable else ""
    return f"string_to_array({place}, chr(31){null})::{kind}[]"


def arrays(columns: Iterable[sa.Column[Any]], given: Mapping[str, str]) -> list[str]:
    """
    Write the arrays of some columns, by name, so that the planner cannot count them.

    Where it can, it takes a plan for these few rows for cheaper than one for any, and
    plans each write again, which takes longer than all that the statement does. What a
    subquery returns it does not know, and one of the arrays is enough.
    """
    first, *others = [array(column, given[column.name]) for column in columns]
    return [f"(SELECT {first})", *others]


def column_of(column: sa.Column[Any], values: Sequence[object]) -> object:
    """
    Return the parameter of which :func:`array` makes the values.
    """
    return list(values) if _kind(column) == _TIME else joined(values)


def joined(values: Sequence[object]) -> object:
    """
    Write a column as the server splits it; None is no text at all.
    """
    if values and isinstance(values[0], datetime):
        return values
    return SEPARATOR.join(["" if value is None else str(value) for value in values])


def _kind(column: sa.Column[Any]) -> str:
    if isinstance(column.type, ZonedTime):
        return _TIME
    if isinstance(column.type, sa.Float):
        return "float8"
    return "bigint" if isinstance(column.type, sa.BigInteger) else "text"
