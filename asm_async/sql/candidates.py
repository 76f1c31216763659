"""
How maintenance finds its sessions: page by page by keyset, and without payloads.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.sql.transactions import Transactions

__all__ = ["Rows", "pages"]

Rows: TypeAlias = Sequence[sa.Row[*tuple[Any, ...]]]


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
            reached = [
                sa.literal(value, column.type)
                for value, column in zip(place, order, strict=False)
            ]
            page = ordered.where(sa.tuple_(*order) > sa.tuple_(*reached))

        async def read(
            conn: AsyncConnection, page: sa.Select[*tuple[Any, ...]] = page
        ) -> Rows:
            return (await conn.execute(page)).all()

        found = await transactions.read(read)
        if found:
            yield found
            place = found[-1]
        if len(found) < size:
            return
