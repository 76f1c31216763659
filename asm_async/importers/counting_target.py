"""
What an import would write, counted.
"""

from __future__ import annotations

from asm_async.errors import RunNotFoundError, SessionNotFoundError
from asm_async.importers.batch import Batch
from asm_async.importers.importer import ImportContext


class CountingTarget:
    """
    Reads what is stored, and counts what a batch has beside it; nothing is written.

    An event of a stored id counts as known, whatever its content is.

    Args:
        context: What is stored, and where it is counted.
    """

    def __init__(self, context: ImportContext) -> None:
        self._store = context.store
        self._tally = context.tally
        self._is_stored: dict[str, bool] = {}

    async def write(self, batch: Batch) -> None:
        """
        Count what is not stored yet of a batch.
        """
        is_stored = await self._is_known(batch.session.id)
        ids = {event.id for event, _ in batch.events}
        known = 0
        runs = len(batch.runs)
        if is_stored:
            session_id = batch.session.id
            known = len(await self._store.get_events(session_id, ids=ids))
            runs -= sum([await self._has_run(run_id) for run_id in batch.runs])
        self._tally.add(
            events_imported=len(ids) - known, events_known=known, runs_imported=runs
        )

    async def rewind(self, _event_id: str, replacement: Batch, /) -> None:
        """
        Count the replacement.
        """
        await self.write(replacement)

    async def finish(self, _batch: Batch, /) -> None:
        """
        Do nothing: what the source says of a session has no count.
        """

    async def _is_known(self, session_id: str) -> bool:
        if session_id not in self._is_stored:
            try:
                await self._store.get_session(session_id)
            except SessionNotFoundError:
                self._is_stored[session_id] = False
                self._tally.add(sessions_imported=1)
            else:
                self._is_stored[session_id] = True
                self._tally.add(sessions_known=1)
        return self._is_stored[session_id]

    async def _has_run(self, run_id: str) -> bool:
        try:
            await self._store.get_run(run_id)
        except RunNotFoundError:
            return False
        return True
