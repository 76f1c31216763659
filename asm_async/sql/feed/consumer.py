"""
The batches of a durable consumer in a database.
"""

from __future__ import annotations

import attrs
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.fronts.event_consumer import LeasedBatch
from asm_async.sql.feed.leases import ConsumerLeases


@attrs.frozen(kw_only=True, eq=False)
class SQLBatch(LeasedBatch):
    """
    A batch that can be acknowledged in a transaction of its handler.
    """

    _leases: ConsumerLeases = attrs.field(alias="leases", repr=False)

    async def acknowledge(self, conn: AsyncConnection | None = None) -> None:
        """
        Remember that these events are dealt with, and renew the lease.

        Args:
            conn:
                A connection to the same database, with the transaction open in which
                the handler has written what it made of the events. Then both are
                committed or neither, so that each event takes effect exactly once.
                What is raised here must roll that transaction back; it is yours to
                commit.

        Raises:
            LeaseLostError: If another has taken the lease since.
        """
        await self._leases.acknowledge(self._holding, self._end, conn)
