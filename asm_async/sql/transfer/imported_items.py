"""
How imported state items are stored: those of a session, and those that belong to none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import aclosing
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.fronts.saving_items import Name
from asm_async.sql.core import rows
from asm_async.sql.core.tables import state_items
from asm_async.sql.dialects import dialect_of
from asm_async.sql.dialects.direct import scope_lock
from asm_async.sql.reads.item_batches import item_batches
from asm_async.sql.transactions.throttling import write_and_pause
from asm_async.sql.transactions.transaction import Transaction, Transactions
from asm_async.transfer.incoming_items import check_item, check_item_of_none
from asm_async.transfer.incoming_session import IncomingBatch, IncomingSession
from asm_async.values.ids import new_operation_id
from asm_async.values.state_item import StateItem


async def new_item_rows(
    conn: AsyncConnection, incoming: IncomingSession, batch: IncomingBatch
) -> list[dict[str, Any]]:
    """
    Return the rows of a session's items that are not stored; refuse others' names.
    """
    new = _by_name(item for item in batch[1] if isinstance(item, StateItem))
    items = state_items.c
    query = sa.select(items.scope, items.key, items.session_id)
    for scope, key, owner in await conn.execute(query.where(_are_among(conn, new))):
        if new.pop((scope, key), None) is not None:
            check_item(incoming, (scope, key), owner)
    return [item_row(item, incoming.import_id) for item in new.values()]


async def import_items(transactions: Transactions, items: Sequence[StateItem]) -> int:
    """
    Store items that belong to no session, and return how many of them are new.

    Raises:
        ConflictError: If one is here with other content.
    """

    async def insert(transaction: Transaction) -> int:
        conn, new = transaction.conn, _by_name(items)
        await transaction.lock_sessions({scope_lock(item.scope) for item in items})
        async with aclosing(item_batches(conn, _are_among(conn, new))) as batches:
            async for batch in batches:
                for stored in batch:
                    if item := new.pop((stored.scope, stored.key), None):
                        check_item_of_none(item, stored)
        if new:
            operation_id = new_operation_id()
            inserted = [item_row(item, operation_id) for item in new.values()]
            await conn.execute(sa.insert(state_items), inserted)
        return len(new)

    return await write_and_pause(transactions, insert)


def _by_name(items: Iterable[StateItem]) -> dict[Name, StateItem]:
    return {(item.scope, item.key): item for item in items}


def _are_among(
    conn: AsyncConnection, names: Collection[Name]
) -> sa.ColumnElement[bool]:
    """
    Make the condition that items have these names; those of a few others may meet it.
    """
    scopes, keys = {scope for scope, _ in names}, {key for _, key in names}
    is_one_of, items = dialect_of(conn).is_one_of, state_items.c
    return is_one_of(items.scope, scopes) & is_one_of(items.key, keys)


def item_row(item: StateItem, operation_id: str) -> dict[str, Any]:
    """
    Return the columns of an imported item, to which the database gives the revision.
    """
    row = rows.item_row(item) | {"operation_id": operation_id}
    del row["revision"]
    return row
