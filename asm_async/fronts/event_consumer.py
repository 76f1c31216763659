"""
The front of a durable consumer: take the lease, gather a batch, hand it out, and again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import datetime
from math import inf
from typing import Annotated, Generic, Protocol, TypeVar

import attrs

from asm_async.errors import LeaseLostError, ValidationError
from asm_async.fronts.following import EventReader, ReadSize
from asm_async.ports.event_consumer import (
    MAX_BATCH_SIZE,
    MAX_LEASE_SECONDS,
    EventConsumer,
)
from asm_async.values import fields
from asm_async.values.checkpoint import (
    Checkpoint,
    Place,
    Witness,
    checkpoint_text,
    witness_of,
)
from asm_async.values.event import Event
from asm_async.values.fields import Text
from asm_async.values.value import Value

_LOG = logging.getLogger(__name__)

B = TypeVar("B", bound="LeasedBatch")

# A holder renews its lease well before it ends: one renewal may be lost or late.
_RENEWALS_PER_LEASE = 3

# A batch that is not acknowledged is yielded again, less and less often.
_FIRST_PAUSE_SECONDS = 0.01
_MAX_DOUBLINGS = 7

_MIN_LEASE_SECONDS = 0.1

_MAX_BATCH_BYTES = 1 << 23


def _lease_seconds(value: object, name: str) -> float:
    seconds = fields.total_amount(value, name)
    if not _MIN_LEASE_SECONDS <= seconds <= MAX_LEASE_SECONDS:
        raise ValidationError(
            f"{name}: expected {_MIN_LEASE_SECONDS} to {MAX_LEASE_SECONDS} seconds"
        )
    return seconds


@attrs.frozen(kw_only=True)
class ConsumerOptions(Value):
    """
    The name of a consumer, and how long its lease lasts.
    """

    name: Text
    lease_seconds: Annotated[float, _lease_seconds]


@attrs.frozen(kw_only=True)
class Holding:
    """
    A lease that was taken, and how far its consumer has acknowledged.
    """

    fencing_token: int
    place: Place
    witness: Witness | None


class LeaseTable(Protocol):
    """
    Where a consumer's lease and checkpoint are kept.
    """

    async def take(self, holder: str) -> Holding | None:
        """
        Take the lease if it is free, or *holder* has it; None if another has.
        """
        ...

    async def wait_for_lease(self) -> None:
        """
        Wait until it is worth trying to take it again.
        """
        ...

    async def renew(self, fencing_token: int) -> Holding | None:
        """
        Renew the lease if it is still of this token, and return it as it is now.

        None if there is no such consumer.
        """
        ...

    async def release(self, holder: str) -> None:
        """
        Release the lease if it is still this holder's.
        """
        ...

    async def acknowledge(self, holding: Holding, end: Checkpoint) -> None:
        """
        Move the checkpoint from the holding's place to *end*, and renew the lease.

        Raises:
            LeaseLostError: If the lease is not of the holding's token any more.
        """
        ...


def is_lease_over(
    leased_until: datetime | None, renewed_at: datetime, now: datetime
) -> bool:
    """
    Return whether a lease that was renewed at *renewed_at* has ended.

    One that was renewed later than a term from now has: the clock was set back
    meanwhile, and its holder may be dead since long.
    """
    if leased_until is None:
        return True
    return leased_until <= now or renewed_at - now > leased_until - renewed_at


def lease_lost(name: str) -> LeaseLostError:
    """
    Log that a consumer has lost its lease, and return the error that says so.
    """
    _LOG.warning("consumer %r has lost its lease", name)
    return LeaseLostError(
        f"another process or task now holds the lease of consumer {name!r}"
    )


@attrs.frozen(kw_only=True, eq=False)
class LeasedBatch:
    """
    An :class:`~asm_async.ports.event_consumer.EventBatch`.
    """

    events: tuple[Event, ...]
    checkpoint: str
    _leases: LeaseTable = attrs.field(alias="leases", repr=False)
    _holding: Holding = attrs.field(alias="holding", repr=False)
    _end: Checkpoint = attrs.field(alias="end", repr=False)
    _consumer: str = attrs.field(alias="consumer", repr=False)

    async def acknowledge(self) -> None:
        await self._leases.acknowledge(self._holding, self._end)

    async def renew_lease(self) -> None:
        token = self._holding.fencing_token
        now = await self._leases.renew(token)
        if now is None or now.fencing_token != token:
            raise lease_lost(self._consumer)


@attrs.frozen(eq=False)
class LeasedConsumer(EventConsumer, Generic[B]):
    """
    A durable consumer, in front of a table of leases and a reader of the feed.

    Each iteration has a reader of its own; *kind* is that of the database which
    checkpoints are good for, *batch* the class of the batches.
    """

    _options: ConsumerOptions
    _leases: LeaseTable
    _new_reader: Callable[[], EventReader[Place]]
    _kind: str
    _batch: type[B]

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
        return _Consuming(
            reader=self._new_reader(),
            leases=self._leases,
            options=self._options,
            max_size=size,
            max_wait=fields.amount(max_wait, "max_wait"),
            make_batch=self._make_batch,
        ).batches()

    def _make_batch(self, holding: Holding, found: Sequence[tuple[Event, Place]]) -> B:
        last, place = found[-1]
        end = Checkpoint(place, witness_of(last))
        return self._batch(
            events=tuple([event for event, _ in found]),
            checkpoint=checkpoint_text(place, self._kind, end.witness),
            leases=self._leases,
            holding=holding,
            end=end,
            consumer=self._options.name,
        )


def _new_holder() -> str:
    return f"{platform.node()[:200]}:{os.getpid()}:{secrets.token_hex(8)}"


@attrs.define(kw_only=True)
class _Consuming(Generic[B]):
    """
    One iteration over a consumer's batches.
    """

    reader: EventReader[Place]
    leases: LeaseTable
    options: ConsumerOptions
    max_size: int
    max_wait: float
    make_batch: Callable[[Holding, Sequence[tuple[Event, Place]]], B]
    holder: str = attrs.field(factory=_new_holder)
    holding: Holding | None = None
    # When to renew the lease, on the loop's clock.
    renewal: float = 0.0
    # Where the batch that was yielded last began and ended, and how often in a row it
    # was yielded again.
    begun: Place | None = None
    given: Place | None = None
    repetitions: int = 0
    size: ReadSize = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.size = ReadSize(self.max_size)

    async def hold(self) -> Holding:
        """
        Renew the lease, or take it.
        """
        if self.holding is not None:
            before, self.holding = self.holding, None
            now = await self.leases.renew(before.fencing_token)
            if now is not None and now.fencing_token == before.fencing_token:
                self.holding = now
            else:
                lost = lease_lost(self.options.name)
                # What was acknowledged in time is not lost with the lease.
                if self.given is not None and (now is None or now.place < self.given):
                    raise lost
        while self.holding is None:
            self.holding = await self.leases.take(self.holder)
            if self.holding is None:
                await self.leases.wait_for_lease()
            else:
                _LOG.info("consumer %r has the lease now", self.options.name)
        term = self.options.lease_seconds / _RENEWALS_PER_LEASE
        self.renewal = asyncio.get_running_loop().time() + term
        return self.holding

    async def hesitate(self, place: Place) -> None:
        """
        Pause before the batch that was yielded last, if it is yielded again.
        """
        self.repetitions = self.repetitions + 1 if place == self.begun else 0
        if self.repetitions:
            pause = _FIRST_PAUSE_SECONDS * 2 ** min(self.repetitions, _MAX_DOUBLINGS)
            term = self.options.lease_seconds / _RENEWALS_PER_LEASE
            await asyncio.sleep(min(pause, term))

    async def next_batch(self) -> B:
        """
        Gather events until the batch is full or *max_wait* has passed.
        """
        clock = asyncio.get_running_loop().time
        holding = await self.hold()
        await self.hesitate(holding.place)
        found: list[tuple[Event, Place]] = []
        byte_count = 0
        place, deadline = holding.place, inf
        self.reader.expect(holding.witness)
        while True:
            limit = min(self.size.limit, self.max_size - len(found))
            result = await self.reader.read(place, limit)
            if result.found and not found:
                deadline = clock() + self.max_wait
            found += result.found
            byte_count += self.size.adapt([event for event, _ in result.found])
            place = result.place
            is_full = len(found) == self.max_size or byte_count >= _MAX_BATCH_BYTES
            if is_full or (result.is_caught_up and clock() >= deadline):
                self.begun, self.given = holding.place, found[-1][1]
                return self.make_batch(holding, found)
            if result.is_caught_up:
                await self.reader.wait(min(deadline, self.renewal) - clock())
            if clock() >= self.renewal and await self.hold() != holding:
                return await self.next_batch()

    async def batches(self) -> AsyncGenerator[B]:
        """
        Yield batch after batch, and give the lease up in the end.
        """
        async with self.reader:
            try:
                while True:
                    yield await self.next_batch()
            finally:
                # Also where it is not known to be held: a caller that is cancelled
                # while taking it may have it all the same.
                await self.leases.release(self.holder)
