"""
Where batches go.
"""

from __future__ import annotations

from typing import Protocol

from asm_async.importers.batch import Batch


class ImportTarget(Protocol):
    """
    Writes batches, or only counts what it would write.
    """

    async def write(self, batch: Batch) -> None:
        """
        Write what is not stored yet of a batch; the rest is counted or reported.

        Batches of one session come one after another.

        Raises:
            StorageError: If the store fails; what was written stays.
        """
        ...

    async def rewind(self, event_id: str, replacement: Batch, /) -> None:
        """
        Hide what was imported after an event, and write *replacement* behind it.
        """
        ...

    async def finish(self, batch: Batch, /) -> None:
        """
        Save what the source says of the session as a whole.
        """
        ...
