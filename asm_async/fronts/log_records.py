"""
How what goes on and on is logged: the first time, and then how often.
"""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable
from types import TracebackType
from typing import TypeAlias

import attrs

from asm_async.errors import ASMError

ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None]

_FIRST_INTERVAL = 10.0
_MAX_INTERVAL = 3_600.0

# What has not come for so long, and not for a whole interval, is logged as new.
_QUIET_SECONDS = 600.0


@attrs.define
class _Recurrence:
    """
    What was logged, since when and how often it has recurred, and when it is due again.
    """

    begun_at: float
    said_at: float
    seen_at: float
    interval: float = _FIRST_INTERVAL
    count: int = 1
    unsaid: int = 0


class LogThrottle:
    """
    Logs a message once, and then how often it has come again, at growing intervals.

    They grow from 10 seconds to an hour as long as it goes on; after a long pause, it
    is logged as new. What is left out is logged at DEBUG.

    There is one for each thing that has failures of its own, such as an engine.

    Args:
        clock: The time in seconds, from any beginning.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._recurrences: dict[object, _Recurrence] = {}

    def log(
        self,
        logger: logging.Logger,
        level: int,
        message: str,
        *args: object,
        key: object = None,
        exc_info: ExcInfo | None = None,
    ) -> None:
        """
        Log *message*, unless it was logged a short while ago.

        Args:
            logger: Whose record it is.

            level: At which level.

            message: What to say; by it alone the next one is known to be the same.

            args: What stands in it this time.

            key: By what the next one is known to be the same, if not by the message.

            exc_info: As for :meth:`logging.Logger.log`.
        """
        key, now = key or message, self._clock()
        last = self._recurrences.get(key)
        if last is None or now - last.seen_at > max(last.interval, _QUIET_SECONDS):
            self._recurrences[key] = _Recurrence(now, now, now)
        else:
            last.seen_at = now
            last.count += 1
            last.unsaid += 1
            if now < last.said_at + last.interval:
                level = logging.DEBUG
            else:
                message += " (again, %d times in %.0f s)"
                args = (*args, last.unsaid, now - last.said_at)
                last.said_at, last.unsaid = now, 0
                last.interval = min(2 * last.interval, _MAX_INTERVAL)
        logger.log(level, message, *args, exc_info=exc_info, stacklevel=2)

    def end(
        self, logger: logging.Logger, message: str, *args: object, of: object
    ) -> None:
        """
        Log at INFO that what was logged by the key *of* is over, if anything was.
        """
        last = self._recurrences.pop(of, None)
        if last is not None:
            message += " (after %d failures in %.1f s)"
            seconds = self._clock() - last.begun_at
            logger.info(message, *args, last.count, seconds, stacklevel=2)


def exc_info_of(error: BaseException) -> ExcInfo:
    """
    Return what a record takes for the traceback of an error; of ours, without causes.

    The message of a driver's error may hold the row that the database has refused.
    """
    told = copy.copy(error) if isinstance(error, ASMError) else error
    return type(told), told, error.__traceback__
