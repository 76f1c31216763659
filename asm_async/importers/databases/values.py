"""
Values of columns as JSON and times.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn, TypeGuard, cast

from asm_async.importers.names import time_of
from asm_async.importers.records import NotJSONError, NotUnderstoodError


def json_value(value: object) -> Any:
    """
    Return what a column of JSON holds, as text, bytes, or what a driver made of it.

    Raises:
        NotJSONError: If it is no JSON that can be stored.
    """
    if not isinstance(value, str | bytes):
        return value
    try:
        return json.loads(value, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise NotJSONError(f"it is no JSON: {error}") from error


def json_members(value: object, name: str) -> dict[str, Any]:
    """
    Return the JSON object that a column holds.

    Raises:
        NotUnderstoodError: If it holds none, naming the column.
    """
    plain = json_value(value)
    if not isinstance(plain, Mapping):
        raise NotUnderstoodError(f"{name} is no JSON object")
    return dict(cast("Mapping[str, Any]", plain))


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """
    Return whether a value is a JSON object.
    """
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[Sequence[Any]]:
    """
    Return whether a value is a list, or a tuple.
    """
    return isinstance(value, list | tuple)


def column_time(value: object) -> datetime | None:
    """
    Return the time in a column, in UTC if it has no zone; None if it is none.
    """
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    return time_of(value)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
