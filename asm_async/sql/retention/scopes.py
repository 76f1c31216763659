"""
How a scope of state items is removed.
"""

from __future__ import annotations

import attrs
import sqlalchemy as sa

from asm_async.sql.core.tables import state_items
from asm_async.sql.dialects.direct import scope_lock
from asm_async.sql.retention.batches import MAX_ROWS_PER_TRANSACTION
from asm_async.sql.transactions.transaction import Transaction


@attrs.define
class ScopeDeletion:
    """
    The removal of what a scope has now, in as many transactions as it takes.

    Each may be repeated: what is saved later has a higher revision than the first try
    has taken, which held the scope's lock.
    """

    scope: str
    _end: int | None = attrs.field(init=False, default=None)
    """
    All items to remove have a lower revision.
    """

    async def go_on(self, transaction: Transaction) -> bool:
        """
        Remove some of the items, and return whether none is left.
        """
        await transaction.lock_sessions({scope_lock(self.scope)})
        if self._end is None:
            step = transaction.dialect.direct.new_revisions(1)
            taken = await transaction.conn.exec_driver_sql(
                step.sql, tuple(step.parameters)
            )
            self._end = taken.scalar_one()
        items = state_items.c
        is_its = (items.scope == self.scope) & (items.revision < self._end)
        part = sa.select(items.key).where(is_its).limit(MAX_ROWS_PER_TRANSACTION)
        # Some that were saved since may stand among them, and stay.
        delete = sa.delete(state_items).where(is_its, items.key.in_(part))
        removed = await transaction.conn.execute(delete)
        return removed.rowcount < MAX_ROWS_PER_TRANSACTION
