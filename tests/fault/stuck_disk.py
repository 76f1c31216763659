"""
A disk that does not answer: whatever a connection's thread begins does not come back.
"""

from __future__ import annotations

import threading
from typing import Any

from sqlalchemy import event as sa_event
from sqlalchemy.ext.asyncio import AsyncEngine

_LONG_SECONDS = 60


class StuckDisk:
    """
    What the connections of an engine wait for in their own threads.

    SQLite calls it back at the beginning of each statement, COMMIT included. There it
    waits as in a call of the system's, so that no interruption reaches it.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine: AsyncEngine = engine
        self._answers = threading.Event()
        self._answers.set()
        self._statement = ""
        self.is_reached = threading.Event()
        """
        Set when a thread waits.
        """
        sa_event.listen(engine.sync_engine, "connect", self._watch)

    def hang(self, statement: str = "") -> None:
        """
        Let no statement that begins like this come back.
        """
        self._statement = statement
        self.is_reached.clear()
        self._answers.clear()

    def answer(self) -> None:
        """
        Let all go on.
        """
        self._answers.set()

    def _watch(self, connection: Any, _: object) -> None:
        def watch(driver: Any) -> Any:
            return driver.set_trace_callback(self._wait)

        connection.run_async(watch)

    def _wait(self, statement: str) -> None:
        if (
            statement.lstrip().startswith(self._statement)
            and not self._answers.is_set()
        ):
            self.is_reached.set()
            self._answers.wait(_LONG_SECONDS)
