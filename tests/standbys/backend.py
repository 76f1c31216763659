"""
Ports whose reads a standby answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from types import TracebackType
from typing import Self

from asm_async.conventions.texts import EventTexts
from asm_async.fronts.session_filters import EventFilter, RunFilter, SessionFilter
from asm_async.ports.event_feed import EventFeed
from asm_async.ports.maintenance import Maintenance
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.ports.text_search import TextSearch
from asm_async.sql import (
    Readers,
    SQLEventFeed,
    SQLMaintenance,
    SQLQueryAPI,
    SQLSessionStore,
    SQLTextIndex,
    create_engine,
)
from asm_async.testing.backend import Gate
from asm_async.values.event import Event
from asm_async.values.run import Run
from asm_async.values.session import Session
from tests.backends import SQLBackend, clock_at

__all__ = ["StandbyBackend"]


class ReadingStore(SQLSessionStore):
    """
    A store each of whose reads is in a block of its own.
    """

    async def _get_session(
        self, session_id: str, expected_tenant: str | None
    ) -> Session:
        with self.blocks.reading():
            return await super()._get_session(session_id, expected_tenant)

    async def _list_sessions(self, wanted: SessionFilter) -> list[Session]:
        with self.blocks.reading():
            return await super()._list_sessions(wanted)

    async def _get_run(self, run_id: str, expected_tenant: str | None) -> Run:
        with self.blocks.reading():
            return await super()._get_run(run_id, expected_tenant)

    async def _list_runs(self, session_id: str, wanted: RunFilter) -> list[Run]:
        with self.blocks.reading():
            return await super()._list_runs(session_id, wanted)

    async def _get_events(self, session_id: str, wanted: EventFilter) -> list[Event]:
        with self.blocks.reading():
            return await super()._get_events(session_id, wanted)

    @property
    def blocks(self) -> Readers:
        """
        The standbys, which are there.
        """
        assert self._readers is not None
        return self._readers


class StandbyBackend(SQLBackend):
    """
    A database on a primary whose standby has it, too, and answers what it may.

    Args:
        url: On the primary.

        standby_url: On the standby, which has replayed all that was acknowledged.
    """

    def __init__(self, url: str, standby_url: str) -> None:
        super().__init__(url)
        # An engine that the suite does not close belongs to the readers alone.
        self._primary = create_engine(url)
        self.readers: Readers = Readers(self._primary, [standby_url])
        self._reading = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        await self._reading.enter_async_context(self.readers)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._reading.aclose()
        await self._primary.dispose()
        await super().__aexit__(exc_type, exc, traceback)

    async def open_store(self) -> SessionStore:
        """
        Open another store.
        """
        return ReadingStore(self.another_engine(), readers=self.readers)

    async def open_query_api(self) -> QueryAPI:
        """
        Open another query API.
        """
        return SQLQueryAPI(self.another_engine(), readers=self.readers)

    async def open_event_feed(self) -> EventFeed:
        """
        Open another event feed.
        """
        return SQLEventFeed(self.another_engine(), readers=self.readers)

    async def open_text_search(self, *, texts: EventTexts) -> TextSearch:
        """
        Open another index of texts.
        """
        engine = self.another_engine()
        return SQLTextIndex(engine, texts=texts, readers=self.readers)

    async def open_maintenance(self, *, now: datetime | None = None) -> Maintenance:
        """
        Open another maintenance.
        """
        engine, clock = self.another_engine(), clock_at(now)
        return SQLMaintenance(engine, clock=clock, readers=self.readers)

    async def gates(self) -> Mapping[str, Gate]:
        """
        Read the counters once nothing watches over the standby any more.

        The suites call this last, and then look for tasks that are left. What a test
        reads after that, the primary answers.
        """
        await self._reading.aclose()
        return await super().gates()

    def expect_no_failures(self) -> None:
        """
        Prove that no read had to go to the primary since the standby failed it.
        """
        (state,) = self.readers.states
        assert state.reason in {None, "its connections were closed"}
        assert state.failed_reads == 0
