"""
Appends that are tried again where that may help.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import attrs

from asm_async.errors import ASMError, StorageError
from asm_async.ports.session_store import SessionStore
from asm_async.values.event import Event

_LOG = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS = 0.05
_MAX_DOUBLINGS = 5


@attrs.define
class RepeatedAppends:
    """
    Appends one batch after the other, each with the same events until it is stored.
    """

    store: SessionStore
    timeout: float
    expected_tenant: str | None
    is_outcome_unknown: bool = False
    """
    Whether some of the events that were tried last may be stored though that failed.
    """

    async def write(self, batch: Sequence[Event]) -> None:
        """
        Append *batch*; what may pass is tried again, as idempotent appends can be.

        For as long as *timeout*, from the first failure on: the store has tried before,
        for as long as its own, and an unknown outcome needs another try.

        Raises:
            ASMError: What failed last.
        """
        clock = asyncio.get_running_loop().time
        failures, deadline = 0, 0.0
        while True:
            try:
                await self.store.append_events(
                    batch, expected_tenant=self.expected_tenant
                )
            except ASMError as error:
                is_unknown = isinstance(error, StorageError) and error.outcome_unknown
                # A later try that fails does not say what an earlier one has done.
                self.is_outcome_unknown |= is_unknown
                if not (error.retryable or is_unknown):
                    raise
                deadline = deadline or clock() + self.timeout
                pause = _FIRST_PAUSE_SECONDS * 2 ** min(failures, _MAX_DOUBLINGS)
                if clock() + pause > deadline:
                    raise
                failures += 1
                _LOG.debug(
                    "%d events are tried again in %.2f s: %s",
                    len(batch),
                    pause,
                    error.code,
                )
                await asyncio.sleep(pause)
            else:
                self.is_outcome_unknown = False
                return
