"""
The filters of LangGraph's searches.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, cast

_EQUAL: Mapping[str, Callable[[Any, Any], bool]] = MappingProxyType(
    {"$eq": operator.eq, "$ne": operator.ne}
)
_ORDER: Mapping[str, Callable[[Any, Any], bool]] = MappingProxyType(
    {
        "$gt": operator.gt,
        "$gte": operator.ge,
        "$lt": operator.lt,
        "$lte": operator.le,
    }
)


def check_filter(wanted: Mapping[str, Any] | None) -> None:
    """
    Refuse what no value could be asked.

    Raises:
        ValueError: Naming the operator that there is not.
    """
    for value in (wanted or {}).values():
        operators = _operators(value)
        for name in operators or ():
            if name not in _EQUAL and name not in _ORDER:
                raise ValueError(f"there is no operator {name!r}")
        if operators is None and isinstance(value, Mapping):
            check_filter(cast("Mapping[str, Any]", value))


def matches(value: Mapping[str, Any], wanted: Mapping[str, Any] | None) -> bool:
    """
    Return whether each member that a filter names is as it asks.

    What cannot be compared, such as text with a number, or what is not there, is
    neither more nor less.
    """
    return all(_is_so(value.get(name), each) for name, each in (wanted or {}).items())


def _operators(wanted: object) -> Mapping[str, Any] | None:
    """
    Return the operators of a part of a filter; None if it asks for equality.
    """
    if not isinstance(wanted, Mapping):
        return None
    members = cast("Mapping[str, Any]", wanted)
    return members if any(name.startswith("$") for name in members) else None


def _is_so(value: Any, wanted: Any) -> bool:
    operators = _operators(wanted)
    if operators is not None:
        return all(_holds(name, value, each) for name, each in operators.items())
    if isinstance(wanted, Mapping):
        return isinstance(value, Mapping) and matches(
            cast("Mapping[str, Any]", value), cast("Mapping[str, Any]", wanted)
        )
    if isinstance(wanted, list | tuple):
        members = cast("Sequence[object]", wanted)
        if not isinstance(value, list):
            return False
        values = cast("list[object]", value)
        return len(values) == len(members) and all(map(_is_so, values, members))
    return bool(value == wanted)


def _holds(name: str, value: Any, wanted: Any) -> bool:
    if name in _EQUAL:
        return _EQUAL[name](value, wanted)
    try:
        return _ORDER[name](float(value), float(wanted))
    except (TypeError, ValueError, OverflowError):
        are_texts = isinstance(value, str) and isinstance(wanted, str)
        return are_texts and _ORDER[name](value, wanted)
