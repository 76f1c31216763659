"""
One page of search results.
"""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar

import attrs

from asm_async.errors import ValidationError
from asm_async.values import fields

__all__ = ["Page"]

T_co = TypeVar("T_co", covariant=True)


def _cursor(value: object, name: str) -> str | None:
    if value is None or (isinstance(value, str) and value):
        return value
    given = fields.shown(value)
    raise ValidationError(f"{name}: expected a cursor or None, got {given}")


def _member(value: object, _name: str) -> object:
    return value


def _items(value: object, name: str) -> tuple[object, ...]:
    return fields.tuple_of(value, name, _member)


@attrs.frozen(kw_only=True)
class Page(Generic[T_co]):
    """
    One page of search results, and where the next one begins.
    """

    items: tuple[T_co, ...]
    """
    What was found, in the order asked for.
    """

    cursor: str | None = None
    """
    What to give the same search for the next page; None if this page is the last.

    It is opaque: good for the same resource, order and filters alone.
    """

    total_count: int | None = None
    """
    How many there are on all pages; None unless it was asked for.
    """

    _RULES: ClassVar[fields.FieldRules] = {
        "items": _items,
        "cursor": _cursor,
        "total_count": fields.optional_count,
    }

    def __attrs_post_init__(self) -> None:
        fields.apply_rules(self, self._RULES)
