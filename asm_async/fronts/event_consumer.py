"""
The front of a durable consumer, and its batches.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Generic, TypeVar

import attrs

from asm_async.errors import ValidationError
from asm_async.fronts.consuming import (
    ConsumerOptions,
    Consuming,
    Holding,
    LeaseTable,
    lease_lost,
)
from asm_async.fronts.following import EventReader
from asm_async.ports.event_consumer import MAX_BATCH_SIZE, EventConsumer
from asm_async.values import fields
from asm_async.values.checkpoint import Place, checkpoint_text
from asm_async.values.event import Event


@attrs.frozen(kw_only=True, eq=False)
class LeasedBatch:
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

    _leases: LeaseTable = attrs.field(alias="leases", repr=False)
    _holding: Holding = attrs.field(alias="holding", repr=False)
    _end: Place = attrs.field(alias="end", repr=False)
    _consumer: str = attrs.field(alias="consumer", repr=False)

    async def acknowledge(self) -> None:
        """
        Remember that these events are handled, and renew the lease.
        """
        await self._leases.acknowledge(self._holding, self._end)

    async def renew_lease(self) -> None:
        """
        Keep the lease for another full term.
        """
        token = self._holding.fencing_token
        now = await self._leases.renew(token)
        if now is None or now.fencing_token != token:
            raise lease_lost(self._consumer)


B = TypeVar("B", bound=LeasedBatch)


class LeasedConsumer(EventConsumer, Generic[B]):
    """
    A durable consumer, in front of a table of leases and a reader of the feed.

    Args:
        options: The consumer's name and the length of its lease.

        leases: Where the lease and the checkpoint are kept.

        new_reader: Makes a reader of the feed for each iteration.

        kind: The kind of database that checkpoints are good for.

        batch: The class of the batches.
    """

    def __init__(
        self,
        options: ConsumerOptions,
        *,
        leases: LeaseTable,
        new_reader: Callable[[], EventReader[Place]],
        kind: str,
        batch: type[B],
    ) -> None:
        self._options = options
        self._leases = leases
        self._new_reader = new_reader
        self._kind = kind
        self._batch = batch

    @property
    def name(self) -> str:
        return self._options.name

    def batches(
        self, *, max_size: int = 100, max_wait: float = 0.0
    ) -> AsyncGenerator[B]:
        size = fields.count(max_size, "max_size")
        if not 1 <= size <= MAX_BATCH_SIZE:
            raise ValidationError(
                f"max_size: expected 1 to {MAX_BATCH_SIZE}, got {size}"
            )
        return Consuming(
            reader=self._new_reader(),
            leases=self._leases,
            options=self._options,
            max_size=size,
            max_wait=fields.amount(max_wait, "max_wait"),
            make_batch=self._make_batch,
        ).batches()

    def _make_batch(self, holding: Holding, found: Sequence[tuple[Event, Place]]) -> B:
        end = found[-1][1]
        return self._batch(
            events=tuple([event for event, _ in found]),
            checkpoint=checkpoint_text(end, self._kind),
            leases=self._leases,
            holding=holding,
            end=end,
            consumer=self._options.name,
        )
