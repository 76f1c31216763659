"""
How maintenance finds its rows: page by page by keyset, and without payloads.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.sql.transactions.transaction import Transactions

__all__ = ["Rows", "groups", "is_behind", "pages", "rows_of"]

T = TypeVar("T")
Rows: TypeAlias = Sequence[sa.Row[*tuple[Any, ...]]]


async def rows_of(
    transactions: Transactions, query: sa.Select[*tuple[Any, ...]]
) -> Rows:
    """
    Read all rows of *query*.
    """

    async def read(conn: AsyncConnection) -> Rows:
        return (await conn.execute(query)).all()

    return await transactions.read(read)


async def pages(
    transactions: Transactions,
    query: sa.Select[*tuple[Any, ...]],
    order: Sequence[sa.Column[Any]],
    size: int,
) -> AsyncGenerator[Rows]:
    """
    Read the rows of *query* in pages, each behind the last row of the one before.

    What the reader does to a page's rows before it asks for the next one moves nothing.

    Args:
        transactions: Where to read.

        query: Selects the columns of *order*, first, and others.

        order: What makes each row's place unique.

        size: How many rows a page has at most.
    """
    ordered = query.order_by(*order).limit(size)
    place: sa.Row[*tuple[Any, ...]] | None = None
    while True:
        page = ordered
        if place is not None:
            page = ordered.where(is_behind(place[: len(order)], order))
        found = await rows_of(transactions, page)
        if found:
            yield found
            place = found[-1]
        if len(found) < size:
            return


def is_behind(
    place: Iterable[Any], order: Sequence[sa.Column[Any]]
) -> sa.ColumnElement[bool]:
    """
    Make the condition that a row comes after *place*, which has a value of each column.
    """
    reached = [
        sa.literal(value, column.type)
        for value, column in zip(place, order, strict=True)
    ]
    return sa.tuple_(*order) > sa.tuple_(*reached)


def groups(
    members: Iterable[T], size_of: Callable[[T], int], most: int
) -> Iterator[list[T]]:
    """
    Put neighbours together up to the size of *most*; what is larger stays alone.
    """
    group: list[T] = []
    size = 0
    for member in members:
        if group and size + size_of(member) > most:
            yield group
            group, size = [], 0
        group.append(member)
        size += size_of(member)
    if group:
        yield group
