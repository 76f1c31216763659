"""
Which of several servers has the newest history: a former primary has an older one.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from asm_async.errors import StorageError, StorageUnavailableError
from asm_async.sql.core.error_translation import translated_errors
from asm_async.sql.dialects.postgresql.driver import (
    caches_statements,
    is_of_another_loop,
)

if TYPE_CHECKING:
    from asm_async.sql.dialects.postgresql.driver import Driver

_LOG = logging.getLogger(__name__)

# PostgreSQL, "Timelines": each promotion begins one, of a greater number. A standby has
# none of its own.
_TIMELINE = """
    SELECT system_identifier, CASE WHEN NOT pg_is_in_recovery()
        THEN left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) END
    FROM pg_control_system()
"""

# Long enough for a cluster to see to a former primary. Where the newest history is
# gone for longer, an older backup may have been restored.
_MAX_SECONDS_TO_REFUSE = 60.0


class Timelines:
    """
    Keeps an engine from a primary that was frozen or cut off while another took over.

    When it goes on, it takes itself for the primary until it is told: what is read
    there may be old, and followers would find that what they were given is missing.
    """

    def __init__(self) -> None:
        self._newest: tuple[int, int] | None = None
        self._seen_at = -math.inf
        self._numbers: WeakKeyDictionary[Driver, int] = WeakKeyDictionary()

    async def admit(self, driver: Driver, seconds: float) -> None:
        """
        Learn from a new connection, and end those to servers of an older timeline.

        Args:
            driver: The connection.

            seconds: How long to wait for the answer.

        Raises:
            StorageUnavailableError: If its own server is of an older one.
        """
        if not caches_statements(driver):
            # A pooler stands between, which may have another server the next time.
            return
        try:
            with translated_errors():
                async with asyncio.timeout(seconds):
                    (row,) = await driver.fetch(_TIMELINE)
        except StorageUnavailableError:
            raise
        except StorageError as error:
            # Nobody may be told of it there.
            _LOG.debug("the server does not tell its timeline: %s", error)
            return
        system, number = row
        if number is not None:
            self._note(driver, (int(system), int(number, 16)))

    def _note(self, driver: Driver, timeline: tuple[int, int]) -> None:
        newest, now = self._newest, time.monotonic()
        is_same_cluster = newest is not None and newest[0] == timeline[0]
        if newest and is_same_cluster and timeline < newest:
            if now - self._seen_at < _MAX_SECONDS_TO_REFUSE or self._is_connected():
                raise StorageUnavailableError(
                    "it was the primary before another server was promoted"
                )
        elif newest and is_same_cluster and timeline > newest:
            self._end_all()
        self._newest, self._seen_at = timeline, now
        self._numbers[driver] = timeline[1]

    def _is_connected(self) -> bool:
        newest = self._newest and self._newest[1]
        return any(
            number == newest and not driver.is_closed()
            for driver, number in self._numbers.items()
        )

    def _end_all(self) -> None:
        """
        Break off all connections, which are to servers of an older timeline.

        Who waits there for an answer tries again, on another connection.
        """
        for driver in tuple(self._numbers):
            if not driver.is_closed() and not is_of_another_loop(driver):
                driver.terminate()
        self._numbers.clear()
