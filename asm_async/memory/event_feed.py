"""
The event feed over what is kept in memory, and the leases of its consumers.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import attrs

from asm_async.fronts.event_consumer import (
    ConsumerOptions,
    Holding,
    LeasedBatch,
    is_lease_over,
    lease_lost,
)
from asm_async.fronts.event_feed import EventFeedFront, FeedFilter, SessionFeedFilter
from asm_async.fronts.observing import Observation, observed_call
from asm_async.memory.database import ConsumerRow, DatabaseAccess, InMemoryDatabase
from asm_async.memory.readers import FeedReader, SessionReader
from asm_async.values.checkpoint import (
    START,
    Checkpoint,
    Place,
    checkpoint_text,
    witness_of,
)
from asm_async.values.event_feed import ConsumerState, FeedLag


class InMemoryEventFeed(EventFeedFront[LeasedBatch]):
    """
    An :class:`~asm_async.ports.event_feed.EventFeed` without a database.

    Every append is seen in the order in which it was made, and every follower is woken
    at once, so that nothing ever holds the feed up.

    Args:
        database: What the feed shows; the one that the session stores were given.
    """

    def __init__(self, database: InMemoryDatabase) -> None:
        super().__init__(kind="memory", batch=LeasedBatch)
        self._access = DatabaseAccess(database, "feed")
        self.observation: Observation | None = Observation()
        self._holders: set[str] = set()

    @observed_call
    async def list_consumers(self) -> list[ConsumerState]:
        """
        List the durable consumers, by name.
        """
        return [
            ConsumerState(
                name=name,
                checkpoint=None
                if row.place == START
                else checkpoint_text(row.place, self._kind, row.witness),
                fencing_token=row.fencing_token,
                holder=row.holder,
                leased_until=row.leased_until,
                updated_at=row.updated_at,
            )
            for name, row in sorted(self._access.database.consumers.items())
        ]

    async def aclose(self) -> None:
        """
        End all iterators, give their leases up, and refuse what comes after.
        """
        if database := self._access.close():
            for row in database.consumers.values():
                if row.holder in self._holders:
                    _release(row)

    def _session_reader(self, wanted: SessionFeedFilter) -> SessionReader:
        return SessionReader(self._access, wanted)

    def _feed_reader(self, wanted: FeedFilter) -> FeedReader:
        return FeedReader(self._access, wanted)

    async def _get_latest(self) -> Checkpoint:
        log = self._access.database.log
        last = log.at(log.latest)
        return Checkpoint((0, log.latest), None if last is None else witness_of(last))

    async def _feed_lag(self, place: Place) -> FeedLag:
        behind = sum(1 for _ in self._access.database.log.behind(place[1]))
        return FeedLag(pending_events=behind)

    def _leases(self, options: ConsumerOptions, begin: Checkpoint) -> _ConsumerLeases:
        return _ConsumerLeases(self._access, options, begin, self._holders)

    async def _delete_consumer(self, name: str) -> None:
        self._access.database.consumers.pop(name, None)


@attrs.frozen
class _ConsumerLeases:
    """
    One consumer's lease and checkpoint, as durable as its database.
    """

    _access: DatabaseAccess
    _options: ConsumerOptions
    _begin: Checkpoint
    _holders: set[str]

    async def take(self, holder: str) -> Holding | None:
        database = self._access.database
        now = datetime.now(UTC)
        # A consumer that was deleted and made again has other tokens than before.
        token = int(now.timestamp() * 1_000_000)
        place, witness = self._begin
        new = ConsumerRow(
            place=place, witness=witness, fencing_token=token, updated_at=now
        )
        row = database.consumers.setdefault(self._options.name, new)
        is_over = is_lease_over(row.leased_until, row.updated_at, now)
        if not is_over and row.holder != holder:
            return None
        self._holders.add(holder)
        row.fencing_token += 1
        row.holder = holder
        self._renew(row)
        return _holding(row)

    async def wait_for_lease(self) -> None:
        database = self._access.database
        row = database.consumers.get(self._options.name)
        until = None if row is None else row.leased_until
        now = datetime.now(UTC)
        left = ((until or now) - now).total_seconds()
        # The clock may be set back meanwhile, or have been.
        pause = min(left, self._options.lease_seconds)
        with database.waiter(None) as released, suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await released.wait()

    async def renew(self, fencing_token: int) -> Holding | None:
        row = self._access.database.consumers.get(self._options.name)
        if row is None:
            return None
        if row.fencing_token == fencing_token:
            self._renew(row)
        return _holding(row)

    async def release(self, holder: str) -> None:
        self._holders.discard(holder)
        # Also when the feed is closed already.
        database = self._access.unchecked
        row = database.consumers.get(self._options.name)
        if row is not None and row.holder == holder:
            _release(row)
            database.wake_all()

    async def acknowledge(self, holding: Holding, end: Checkpoint) -> None:
        database = self._access.database
        now = await self.renew(holding.fencing_token)
        if now is None or now.fencing_token != holding.fencing_token:
            raise lease_lost(self._options.name)
        if now.place == holding.place:
            row = database.consumers[self._options.name]
            row.place, row.witness = end

    def _renew(self, row: ConsumerRow) -> None:
        row.updated_at = datetime.now(UTC)
        # A lease that was given up is not to be had back in this way.
        if row.holder is not None:
            term = timedelta(seconds=self._options.lease_seconds)
            row.leased_until = row.updated_at + term


def _holding(row: ConsumerRow) -> Holding:
    return Holding(
        fencing_token=row.fencing_token, place=row.place, witness=row.witness
    )


def _release(row: ConsumerRow) -> None:
    row.updated_at = datetime.now(UTC)
    row.holder = row.leased_until = None
