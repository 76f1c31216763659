"""
What an import before this one has stored of a thread.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from asm_async.errors import RunNotFoundError, SessionNotFoundError
from asm_async.importers.importer import IMPORTED
from asm_async.ports.session_reader import SessionReader
from asm_async.values.event import Event
from asm_async.values.run import Run


@attrs.frozen
class Stored:
    """
    One session in the store.
    """

    store: SessionReader
    session_id: str

    async def find(self, ids: Sequence[str]) -> list[Event]:
        """
        Return the events that are there of those with these ids.
        """
        if not ids:
            return []
        try:
            return await self.store.get_events(self.session_id, ids=ids)
        except SessionNotFoundError:
            return []

    async def run_of(self, event: Event) -> Run | None:
        """
        Return the run of an event as the import has made it; None if it has none.
        """
        if event.run_id is None:
            return None
        try:
            run = await self.store.get_run(event.run_id)
        except RunNotFoundError:
            return None
        metadata = {k: v for k, v in run.metadata.items() if k != IMPORTED}
        return attrs.evolve(run, metadata=metadata, revision=0)
