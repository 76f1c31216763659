"""
How state items are read by what takes all of them, whatever their size.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.fronts.loop_share import in_pieces
from asm_async.sql.core import rows
from asm_async.sql.core.column_types import is_behind
from asm_async.sql.core.tables import state_items
from asm_async.values.state_item import StateItem

_MAX_SIZES = 1_000
_BATCH_BYTES = 1 << 20

_ORDER = (state_items.c.scope, state_items.c.key)


async def item_batches(
    conn: AsyncConnection, wanted: sa.ColumnElement[bool]
) -> AsyncGenerator[list[StateItem]]:
    """
    Yield items by scope and key, about a mebibyte at a time, or one that is larger.

    One may hold 64 MiB, and those before it nothing: so the sizes are read first.

    Args:
        conn: In a transaction, best in a snapshot of the database.

        wanted: Which items.
    """
    sizes = sa.select(stored_size()).where(wanted).order_by(*_ORDER).limit(_MAX_SIZES)
    items = sa.select(state_items).where(wanted).order_by(*_ORDER)
    place: sa.ColumnElement[bool] = sa.true()
    while True:
        found = (await conn.scalars(sizes.where(place))).all()
        for count in _batches(found):
            some = await conn.execute(items.where(place).limit(count))
            # In a transaction that has no snapshot, what others own may be gone by now.
            if batch := await in_pieces(rows.item_of, some):
                yield batch
                place = is_behind((batch[-1].scope, batch[-1].key), _ORDER)
        if len(found) < _MAX_SIZES:
            return


def stored_size() -> sa.ColumnElement[Any]:
    """
    Return how large an item is, without its names.
    """
    columns = state_items.c
    text = sa.func.length(sa.cast(columns.data, sa.Text))
    content = sa.func.length(columns.content)
    return sa.func.coalesce(text, 0) + sa.func.coalesce(content, 0)


def _batches(sizes: Iterable[int]) -> Iterator[int]:
    """
    Yield of how many items each batch is made.
    """
    count = total = 0
    for size in sizes:
        if count and total + size > _BATCH_BYTES:
            yield count
            count = total = 0
        count += 1
        total += size
    if count:
        yield count
