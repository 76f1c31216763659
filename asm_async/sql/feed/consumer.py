"""
A durable consumer in a database.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

import attrs
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.ports.consuming import Holding, lease_lost, take_batches
from asm_async.ports.event_feed_arguments import (
    BatchBounds,
    ConsumerOptions,
    FeedFilter,
)
from asm_async.sql.feed.context import FeedContext
from asm_async.sql.feed.leases import ConsumerLeases
from asm_async.sql.feed.readers import FeedReader
from asm_async.values.checkpoint import Place, checkpoint_text
from asm_async.values.event import Event

__all__ = ["SQLBatch", "SQLConsumer"]


@attrs.frozen(kw_only=True, eq=False)
class SQLBatch:
    """
    An :class:`~asm_async.ports.event_consumer.EventBatch`.
    """

    events: tuple[Event, ...]
    """
    The events, of which there is at least one.
    """

    checkpoint: str
    """
    The place behind the last of them.
    """

    _leases: ConsumerLeases = attrs.field(alias="leases", repr=False)
    _holding: Holding = attrs.field(alias="holding", repr=False)
    _end: Place = attrs.field(alias="end", repr=False)

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

    async def renew_lease(self) -> None:
        """
        Keep the lease for another full term.
        """
        token = self._holding.fencing_token
        now = await self._leases.renew(token)
        if now is None or now.fencing_token != token:
            raise lease_lost(self._leases.name)


class SQLConsumer:
    """
    An :class:`~asm_async.ports.event_consumer.EventConsumer` on SQLite or PostgreSQL.

    Leases are measured by the server's clock on PostgreSQL, and on SQLite by that of
    the one machine that has the file.
    """

    def __init__(
        self,
        context: FeedContext,
        options: ConsumerOptions,
        wanted: FeedFilter,
        first_place: Place,
    ) -> None:
        self._context = context
        self._options = options
        self._wanted = wanted
        self._leases = ConsumerLeases(context, options, first_place)
        self._kind = context.transactions.dialect.name

    @property
    def name(self) -> str:
        """
        What the checkpoint is kept under.
        """
        return self._options.name

    def batches(
        self, *, max_size: int = 100, max_wait: float = 0.0
    ) -> AsyncGenerator[SQLBatch]:
        """
        Wait for the lease, then give batch after batch for as long as it is iterated.
        """
        bounds = BatchBounds(max_size=max_size, max_wait=max_wait)
        reader = FeedReader(self._context, self._wanted)
        return take_batches(reader, self._leases, self._options, bounds, self._batch)

    def _batch(
        self, holding: Holding, found: Sequence[tuple[Event, Place]]
    ) -> SQLBatch:
        end = found[-1][1]
        return SQLBatch(
            events=tuple(event for event, _ in found),
            checkpoint=checkpoint_text(end, self._kind),
            leases=self._leases,
            holding=holding,
            end=end,
        )
