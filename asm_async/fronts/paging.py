"""
Pages of what a search finds: in which order, how long, and behind which item.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

import attrs

from asm_async.errors import ValidationError
from asm_async.ports.query_api import MAX_PAGE_SIZE
from asm_async.values import fields
from asm_async.values.cursor import (
    MAX_CURSOR_LENGTH,
    CursorCodec,
    Key,
    KeyType,
)
from asm_async.values.page import Page
from asm_async.values.plain_value import plain_fields
from asm_async.values.value import Value, schema_of

T = TypeVar("T")


@attrs.frozen
class Order:
    """
    An order of items, by the attributes that make their keys, with their types.

    No two items share a key.
    """

    key: Mapping[str, KeyType]
    is_descending: bool = False

    def key_of(self, item: object) -> Key:
        """
        Return the key by which *item* has its place.
        """
        return tuple(getattr(item, name) for name in self.key)


def ordered_by(*, is_descending: bool = False, **key: KeyType) -> Order:
    """
    Make an order by the attributes *key*.
    """
    return Order(MappingProxyType(key), is_descending)


@attrs.frozen(kw_only=True)
class Search(Value):
    """
    What is searched for: a subclass has a field for each filter.
    """

    NO_FILTERS: ClassVar[frozenset[str]] = frozenset()
    """
    The fields that change nothing about which items are found, or in which order.
    """

    LONGEST_CURSOR: ClassVar[int] = MAX_CURSOR_LENGTH
    RESOURCE: ClassVar[str]
    ORDERS: ClassVar[Mapping[str, Order]]

    @property
    def filters(self) -> Mapping[str, Any]:
        """
        The filters that are set, as JSON.

        Those that are not set leave no trace, so that cursors outlive new filters.
        """
        names = [
            field.name
            for field in schema_of(type(self)).attributes
            if getattr(self, field.name) != field.default
            and field.name not in self.NO_FILTERS
        ]
        return plain_fields(self, names)


@attrs.frozen(kw_only=True)
class Paging:
    """
    Which page of what a search finds: the one behind the item of a key, or the first.
    """

    order: Order
    limit: int
    behind: Key | None
    codec: CursorCodec

    @property
    def needed(self) -> int:
        """
        How many items to look for: one more than the page holds shows there is another.
        """
        return self.limit and self.limit + 1

    def page(self, found: Sequence[T], total_count: int | None = None) -> Page[T]:
        """
        Make a page of the items found behind the page before, in order.
        """
        items = tuple(found[: self.limit])
        cursor = None
        if len(found) > len(items):
            cursor = self.codec.encode(self.order.key_of(items[-1]))
        return Page(items=items, cursor=cursor, total_count=total_count)


def check_paging(
    search: Search, *, order_by: object, limit: object, cursor: object
) -> Paging:
    """
    Accept a page of *search*, and refuse the cursor of another one.
    """
    order_name = fields.one_of(order_by, "order_by", search.ORDERS)
    size = fields.count(limit, "limit")
    if size > MAX_PAGE_SIZE:
        raise ValidationError(
            f"limit: expected at most {MAX_PAGE_SIZE}, the size of a page, got {size}"
        )
    order = search.ORDERS[order_name]
    codec = CursorCodec(
        resource=search.RESOURCE,
        order=order_name,
        filters=search.filters,
        key_types=tuple(order.key.values()),
        max_length=search.LONGEST_CURSOR,
    )
    behind = None if cursor is None else codec.decode(cursor)
    return Paging(order=order, limit=size, behind=behind, codec=codec)
