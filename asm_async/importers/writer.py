"""
From records, one after another, to batches.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from asm_async.importers.batch import Batch
from asm_async.importers.records import CaughtUp, Incoming, Record
from asm_async.importers.tally import Tally
from asm_async.importers.target import ImportTarget

_MAX_OPEN_SESSIONS = 64


class BatchWriter:
    """
    Gathers the records of a few sessions at a time, and writes them in batches.

    Args:
        target: Where the batches go.

        tally: Whose counts are reported after each batch.
    """

    def __init__(self, target: ImportTarget, tally: Tally) -> None:
        self._target = target
        self._tally = tally
        self._open: dict[str, Batch] = {}

    async def write_all(self, records: AsyncIterator[Incoming]) -> None:
        """
        Write all records, each session's in their order.

        Raises:
            StorageError: If the store fails; what was written stays.
        """
        async for incoming in records:
            if isinstance(incoming, CaughtUp):
                await self._finish_all()
            else:
                await self._take(incoming)
        await self._finish_all()

    async def _take(self, record: Record) -> None:
        # Taken out and put back, so that the longest untouched comes first.
        batch = self._open.pop(record.session.id, None) or Batch(record.session)
        if record.rewinds_to is not None:
            await self._write(batch)
            replacement = batch.next()
            replacement.add(record)
            await self._target.rewind(record.rewinds_to, replacement)
            batch = replacement.next()
        else:
            batch.add(record)
        if batch.is_full:
            await self._write(batch)
            batch = batch.next()
        self._open[record.session.id] = batch
        if len(self._open) > _MAX_OPEN_SESSIONS:
            await self._finish(next(iter(self._open)))

    async def _write(self, batch: Batch) -> None:
        if not batch.is_empty:
            await self._target.write(batch)
        self._tally.report()

    async def _finish(self, session_id: str) -> None:
        batch = self._open.pop(session_id)
        await self._write(batch)
        await self._target.finish(batch)

    async def _finish_all(self) -> None:
        for session_id in list(self._open):
            await self._finish(session_id)
        self._tally.report()
