"""
One page of search results.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Generic, TypeVar

import attrs

from asm_async.errors import ValidationError
from asm_async.values import fields
from asm_async.values.fields import Count
from asm_async.values.value import Value

T_co = TypeVar("T_co", covariant=True)


def _cursor(value: object, name: str) -> str:
    if isinstance(value, str) and value:
        return value
    given = fields.shown(value)
    raise ValidationError(f"{name}: expected a cursor or None, got {given}")


@attrs.frozen(kw_only=True)
class Page(Value, Generic[T_co]):
    """
    One page of search results, and where the next one begins.
    """

    items: tuple[T_co, ...]
    """
    The items, in the requested order.
    """

    cursor: Annotated[str, _cursor] | None = None
    """
    What to give the same search for the next page; None if this page is the last.

    It is opaque: good for the same resource, order and filters alone.
    """

    total_count: Count | None = None
    """
    How many there are on all pages; None unless it was asked for.
    """

    def __iter__(self) -> Iterator[T_co]:
        """
        Iterate over the items of this page.
        """
        return iter(self.items)

    def __len__(self) -> int:
        """
        Return how many items this page has.
        """
        return len(self.items)
