"""
How maintenance finds its rows: page by page by keyset, and without payloads.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Iterable, Sequence
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.sql.core.tables import session_tags
from asm_async.sql.dialects import Dialect
from asm_async.sql.transactions.transaction import Transactions

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

    Nothing moves when the reader changes a page's rows before it asks for the next one.

    Args:
        transactions: Where to read.

        query: Selects the columns of *order*, first, and others.

        order: What makes each row's place unique.

        size: How many rows a page has at most.
    """
    ordered = query.order_by(*order).limit(size)
    page = ordered
    while found := await rows_of(transactions, page):
        yield found
        if len(found) < size:
            return
        page = ordered.where(is_behind(found[-1][: len(order)], order))


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


def has_tag(
    session_id: sa.Column[str], tags: Collection[str], dialect: Dialect
) -> sa.ColumnElement[bool]:
    """
    Make the condition that a session has one of some tags, however many.
    """
    if not tags:
        return sa.false()
    is_its, tag = session_tags.c.session_id == session_id, session_tags.c.tag
    return sa.exists().where(is_its, dialect.is_one_of(tag, tags))
