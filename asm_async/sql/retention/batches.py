"""
How maintenance goes: it finds rows page by page, and writes in small transactions.
"""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Sequence,
)
from contextlib import aclosing
from functools import partial
from typing import Any, TypeAlias, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.fronts.maintenance import Batch, Batches
from asm_async.sql.core.column_types import is_behind
from asm_async.sql.core.tables import session_tags
from asm_async.sql.dialects import Dialect
from asm_async.sql.transactions.throttling import write_and_pause
from asm_async.sql.transactions.transaction import Transaction, Transactions

T = TypeVar("T")

Rows: TypeAlias = Sequence[sa.Row[*tuple[Any, ...]]]


MAX_ROWS_PER_TRANSACTION = 1_000
"""
About how many rows one transaction removes: it must not hold its locks for long.
"""


class ThrottledWriter:
    """
    Writes one transaction after the other, and leaves as much time to other writers.
    """

    def __init__(self, transactions: Transactions) -> None:
        self.transactions = transactions

    async def write(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """
        Do *work*, which may be repeated, in a transaction, and pause after it.
        """
        return await write_and_pause(self.transactions, work)

    async def pages(
        self,
        query: sa.Select[*tuple[Any, ...]],
        order: Sequence[sa.Column[Any]],
        size: int,
    ) -> AsyncGenerator[Rows]:
        """
        Read the rows of *query* in pages, each behind the last row of the one before.

        Nothing moves when the reader changes a page's rows before it asks for the next
        one.

        Args:
            query: Selects the columns of *order*, first, and others.

            order: What makes each row's place unique.

            size: How many rows a page has at most.
        """
        ordered = query.order_by(*order).limit(size)
        page = ordered

        async def read(conn: AsyncConnection) -> Rows:
            return (await conn.execute(page)).all()

        while found := await self.transactions.read(read):
            yield found
            if len(found) < size:
                return
            page = ordered.where(is_behind(found[-1][: len(order)], order))

    async def write_pages(
        self,
        query: sa.Select[*tuple[Any, ...]],
        order: Sequence[sa.Column[Any]],
        size: int,
        work: Callable[[Rows, Transaction], Awaitable[int]],
    ) -> Batches:
        """
        Do *work* on each of the :meth:`pages`, in a transaction of its own.
        """
        async with aclosing(self.pages(query, order, size)) as pages:
            async for page in pages:
                yield Batch(await self.write(partial(work, page)))


async def chained(parts: Iterable[Batches]) -> Batches:
    """
    Have the batches of each part done, one part after the other.
    """
    for part in parts:
        async with aclosing(part):
            async for batch in part:
                yield batch


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
