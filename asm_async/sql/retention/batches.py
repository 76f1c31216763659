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
    Iterator,
    Sequence,
)
from contextlib import aclosing
from functools import partial
from typing import Any, TypeAlias, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.fronts.maintenance import Batch, Batches
from asm_async.sql.core.column_types import is_behind
from asm_async.sql.core.tables import (
    GateState,
    artifacts,
    runs,
    session_sequences,
    session_tags,
    sessions,
    state_items,
)
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


def sized_sessions(*order: sa.Column[Any]) -> sa.Select[*tuple[Any, ...]]:
    """
    Select sessions with their revisions, their counters' states and how much they have.

    Args:
        order: Columns that come first; the id is next.
    """
    gates = session_sequences
    stored = sa.func.coalesce(gates.c.last_sequence - gates.c.pruned_count, 0)
    owned = [
        sa.select(sa.func.count())
        .where(table.c.session_id == sessions.c.id)
        .scalar_subquery()
        for table in (runs, artifacts, state_items)
    ]
    return sa.select(
        *order,
        sessions.c.id,
        sessions.c.revision,
        sa.func.coalesce(gates.c.state, GateState.SOFT_DELETED.value).label("state"),
        sum(owned, stored).label("size"),
    ).outerjoin(gates, gates.c.session_id == sessions.c.id)


def grouped(sized: Rows) -> Iterator[Rows]:
    """
    Put neighbours together up to the size of a transaction; what is larger stays alone.
    """
    group: list[Any] = []
    size = 0
    for session in sized:
        if group and size + session.size > MAX_ROWS_PER_TRANSACTION:
            yield group
            group, size = [], 0
        group.append(session)
        size += session.size
    if group:
        yield group
