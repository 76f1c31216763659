"""
The lease and checkpoint of a durable consumer that is as durable as its database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from asm_async.fronts.consuming import ConsumerOptions, Holding, lease_lost
from asm_async.memory.database import ConsumerRow, InMemoryDatabase
from asm_async.values.checkpoint import Place


class ConsumerLeases:
    """
    One consumer's lease and checkpoint.
    """

    def __init__(
        self,
        database: InMemoryDatabase,
        options: ConsumerOptions,
        first_place: Place,
        *,
        check_usable: Callable[[], None],
        holders: set[str],
    ) -> None:
        self._database = database
        self._options = options
        self._first_place = first_place
        self._check_usable = check_usable
        self._holders = holders

    async def take(self, holder: str) -> Holding | None:
        """
        Take the lease if it is free.
        """
        self._check_usable()
        now = datetime.now(UTC)
        # A consumer that was deleted and made again has other tokens than before.
        token = int(now.timestamp() * 1_000_000)
        new = ConsumerRow(place=self._first_place, fencing_token=token, updated_at=now)
        row = self._database.consumers.setdefault(self._options.name, new)
        if not row.is_free(now, holder):
            return None
        self._holders.add(holder)
        token = row.take(holder, self._options.lease_seconds)
        return Holding(fencing_token=token, place=row.place)

    async def wait_for_lease(self) -> None:
        """
        Wait until the lease ends, or something happens.
        """
        with self._database.waiter(None) as released, suppress(TimeoutError):
            async with asyncio.timeout(self._seconds_left()):
                await released.wait()

    def _seconds_left(self) -> float:
        row = self._database.consumers.get(self._options.name)
        if row is None or row.leased_until is None:
            return 0
        return (row.leased_until - datetime.now(UTC)).total_seconds()

    async def renew(self, fencing_token: int) -> Holding | None:
        """
        Renew the lease if it is still of this token, and return it as it is now.
        """
        self._check_usable()
        row = self._database.consumers.get(self._options.name)
        if row is None:
            return None
        if row.fencing_token == fencing_token:
            row.renew(self._options.lease_seconds)
        return Holding(fencing_token=row.fencing_token, place=row.place)

    async def release(self, holder: str) -> None:
        """
        Give the lease up if it is still this holder's.
        """
        self._holders.discard(holder)
        row = self._database.consumers.get(self._options.name)
        if row is not None and row.holder == holder:
            row.release()
            self._database.wake_all()

    async def acknowledge(self, holding: Holding, end: Place) -> None:
        """
        Move the checkpoint from the holding's place to *end*.

        Raises:
            LeaseLostError: If the lease is not of the holding's token any more.
        """
        now = await self.renew(holding.fencing_token)
        if now is None or now.fencing_token != holding.fencing_token:
            raise lease_lost(self._options.name)
        if now.place == holding.place:
            self._database.consumers[self._options.name].place = end
