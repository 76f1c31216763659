"""
What is unique on a primary, not within a shard alone: ids of runs and artifacts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.errors import ConflictError
from asm_async.sharding.copying import ROWS_PER_BATCH
from asm_async.sharding.fences import PLACES, shard_in
from asm_async.sharding.shards import shard_of
from asm_async.sql.core import tables
from asm_async.sql.transactions.transaction import Transaction, Transactions


async def check_ids(source: Transactions, target: Transactions, shard: int) -> None:
    """
    Refuse to copy what has the id, or key, of something else at the target.

    Raises:
        ConflictError: If a run or an artifact has.
    """

    async def read_page(conn: AsyncConnection, column: Any, after: str) -> list[str]:
        place = sa.func.coalesce(*PLACES[column.table], None)
        are_next = column > after, shard_in(conn, place) == shard
        query = sa.select(column).where(*are_next).order_by(column)
        return [*await conn.scalars(query.limit(ROWS_PER_BATCH))]

    async def check(conn: AsyncConnection, column: Any, found: list[str]) -> None:
        place = sa.func.coalesce(*PLACES[column.table], None)
        is_other = column.in_(found), shard_in(conn, place) != shard
        row = (await conn.execute(sa.select(column, place).where(*is_other))).first()
        if row is not None:
            raise ConflictError(
                f"{column}: {row[0]!r} is in use at the target, by {row[1]!r} of shard"
                f" {shard_of(row[1])}: nothing was moved"
            )

    for column in (tables.runs.c.id, tables.artifacts.c.id, tables.artifacts.c.key):
        after = ""
        while found := await source.read(
            partial(read_page, column=column, after=after)
        ):
            await target.read(partial(check, column=column, found=found))
            after = found[-1]


async def copy_tombstones(source: Transactions, target: Transactions) -> None:
    """
    Let the target know the last revisions of all runs that the source has removed.

    They do not say in which sessions the runs were.
    """
    tombstones = tables.run_tombstones

    async def copy(transaction: Transaction, rows: Sequence[Any]) -> None:
        ids = [row.run_id for row in rows]
        is_known = tombstones.c.run_id.in_(ids)
        query = sa.select(tombstones.c.run_id).where(is_known)
        known = {*await transaction.conn.scalars(query)}
        new = [row._asdict() for row in rows if row.run_id not in known]
        if new:
            await transaction.conn.execute(sa.insert(tombstones), new)

    async def read(conn: AsyncConnection, after: str) -> Sequence[Any]:
        query = sa.select(tombstones).where(tombstones.c.run_id > after)
        page = query.order_by(tombstones.c.run_id).limit(ROWS_PER_BATCH)
        return (await conn.execute(page)).all()

    after = ""
    while rows := await source.read(partial(read, after=after)):
        await target.write(partial(copy, rows=rows), is_repeatable=True)
        after = rows[-1].run_id
