"""
What renews a run's lease for as long as the run is recorded.
"""

from __future__ import annotations

import asyncio
import logging

from asm_async.errors import ASMError, LeaseLostError, RevisionConflictError
from asm_async.ports.session_store import SessionStore
from asm_async.recording.leases import RENEWALS_PER_LEASE, RunItems
from asm_async.recording.run_log import RunLog
from asm_async.values.changes import Changes

_LOG = logging.getLogger(__name__)


class LeaseKeeper:
    """
    A task that renews the lease of a run three times in the time that it lasts.

    Args:
        store: Where the lease is kept.

        log: The run.

        items: Where the run's items stand.

        recorder_id: Whose lease it is, for those who look at it.

        seconds: How long it lasts.
    """

    def __init__(
        self,
        store: SessionStore,
        log: RunLog,
        items: RunItems,
        *,
        recorder_id: str,
        seconds: float,
    ) -> None:
        self._store = store
        self._log = log
        self._items = items
        self._recorder_id = recorder_id
        self._seconds = seconds
        self._task: asyncio.Task[None] | None = None

    def start(self, revision: int) -> None:
        """
        Begin to renew the lease, which is stored at *revision*.
        """
        # Each run has a lease: at INFO these would be most of what is logged.
        _LOG.debug("run %s has a lease of %g s", self._items.run_id, self._seconds)
        self._task = asyncio.create_task(self._renew(revision), name="asm_async lease")

    async def stop(self) -> None:
        """
        Renew it no more; when this returns, no renewal is under way.
        """
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            if not self._task.cancelled() and (error := self._task.exception()):
                _LOG.error(
                    "the lease of run %s was renewed no more: %s",
                    self._items.run_id,
                    type(error).__name__,
                )

    async def _renew(self, revision: int) -> None:
        run_id, clock = self._items.run_id, asyncio.get_running_loop().time
        pause = self._seconds / RENEWALS_PER_LEASE
        renewed_at, is_over = clock(), False
        while True:
            await asyncio.sleep(pause)
            try:
                revision = await self._renew_once(revision)
                if is_over:
                    _LOG.info("the lease of run %s is renewed again", run_id)
                pause = self._seconds / RENEWALS_PER_LEASE
                renewed_at, is_over = clock(), False
            except LeaseLostError:
                _LOG.warning("run %s was ended by somebody else", run_id)
                return
            except ASMError as error:
                # Until the lease has run out there is time for some more attempts.
                _LOG.debug("the lease of run %s is not renewed: %s", run_id, error.code)
                if not is_over and clock() - renewed_at > self._seconds:
                    is_over = True
                    _LOG.warning(
                        "the lease of run %s has run out, so that others may end the"
                        " run: %s",
                        run_id,
                        error.code,
                    )
                pause = self._seconds / 10

    async def _renew_once(self, revision: int) -> int:
        """
        Renew the lease, and return its new revision.
        """
        lease = self._items.new_lease(self._recorder_id, self._seconds)
        while True:
            try:
                committed = await self._store.commit(
                    Changes(items=(lease,)),
                    expected_revisions={self._items.lease: revision},
                )
            except RevisionConflictError as error:
                # Who gives the recorder up ends its run in the same commit. If the run
                # goes on, this is a renewal whose outcome was unknown, or somebody has
                # removed the item by hand.
                await self._log.look()
                revision = error.actual
            else:
                return committed.items[0].revision
