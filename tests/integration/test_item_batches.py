"""
How items are read that are taken all together: in batches of bounded size.
"""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.sql import SQLStateStore
from asm_async.sql.core.tables import state_items
from asm_async.sql.reads.item_batches import item_batches
from asm_async.testing.factories import make_item

MEBIBYTE = 2**20


async def test_a_batch_has_a_mebibyte_or_one_item(engine: AsyncEngine) -> None:
    """
    However small those were that were read before, and whether data or content is long.
    """
    state = SQLStateStore(engine)
    sizes = [10] * 1_500 + [3 * MEBIBYTE, 400_000, 500_000, 700_000, 2 * MEBIBYTE, 10]
    items = [
        make_item(
            key=f"{number:04}",
            data="x" * size if number % 2 else None,
            content=None if number % 2 else bytes(size),
        )
        for number, size in enumerate(sizes)
    ]
    for start in (0, 1_000):
        await state.save_items(items[start : start + 1_000])
    await state.aclose()

    async with engine.connect() as conn:
        wanted = state_items.c.scope == "app/user"
        batches = [batch async for batch in item_batches(conn, wanted)]

    assert [item.key for batch in batches for item in batch] == [i.key for i in items]
    numbers = [len(batch) for batch in batches]
    assert numbers == [1_000, 500, 1, 2, 1, 1, 1]
