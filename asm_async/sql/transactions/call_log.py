"""
What is logged of calls that the database keeps waiting or fails.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from asm_async.errors import StorageError, StorageUnavailableError
from asm_async.fronts.log_records import LogThrottle

_LOG = logging.getLogger(__name__)

_OUT_OF_REACH = "the database is out of reach: %s"

# The last pause before another try would have gone beyond the deadline.
_LONGEST_PAUSE_SECONDS = 0.5


class CallLog:
    """
    What is logged of calls that are tried again, are given up, or get through again.

    Args:
        throttle: Returns what bounds the records of the engine.
    """

    def __init__(self, throttle: Callable[[], LogThrottle]) -> None:
        self._throttle = throttle
        self.is_out_of_reach: bool = False
        """
        Whether a success is to be noted. A plain attribute, so that a call pays no more
        than a look at it.
        """

    def note_retry(self, error: StorageError) -> None:
        """
        Log that something failed, and is tried again.
        """
        _LOG.debug("a call is tried again: %s", error)
        self.note_outage(error)

    def note_failure(self, error: StorageError, deadline: float) -> None:
        """
        Log that a call has failed, if its timeout has run out.

        Args:
            error: What it fails with.

            deadline: When its timeout ends, on the loop's clock.
        """
        left = deadline - asyncio.get_running_loop().time()
        if error.retryable and left <= _LONGEST_PAUSE_SECONDS:
            self._throttle().log(
                _LOG, logging.WARNING, "the timeout of a call ran out: %s", error
            )
            self.note_outage(error)

    def note_success(self) -> None:
        """
        Log that the database, which was out of reach, answers again.
        """
        self.is_out_of_reach = False
        self._throttle().end(
            _LOG, "the database is within reach again", of=_OUT_OF_REACH
        )

    def note_outage(self, error: StorageError) -> None:
        """
        Keep in mind that the database is out of reach, if that is what failed.
        """
        if isinstance(error, StorageUnavailableError):
            self.is_out_of_reach = True
            self._throttle().log(_LOG, logging.INFO, _OUT_OF_REACH, error)

    def note_given_up(self, error: Exception) -> None:
        """
        Log that a connection could not be left as it must be.
        """
        _LOG.debug("a connection was given up after its use: %r", error)
