"""
The query API over an AsyncEngine.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.fronts.paging import Paging
from asm_async.fronts.query_api import QueryAPIFront, SearchPage
from asm_async.fronts.query_filters import (
    EventSearch,
    RunSearch,
    SessionSearch,
    UsageFilter,
)
from asm_async.fronts.usage_groups import RunGroup
from asm_async.ports.history_transfer import ExportWriter, ImportReader
from asm_async.sql.core.deadlines import check_timeout
from asm_async.sql.reads.history import export_session
from asm_async.sql.runtime.lifecycle import Lifecycle
from asm_async.sql.search.pages import (
    count_matching_events,
    read_event_page,
    read_run_page,
    read_session_page,
)
from asm_async.sql.search.summaries import (
    read_cost_groups,
    read_session_stats,
    read_usage_groups,
)
from asm_async.sql.transactions.transaction import Transactions
from asm_async.sql.transfer.session_export import export_lines
from asm_async.sql.transfer.session_import import import_session
from asm_async.transfer.export_stream import write_export
from asm_async.transfer.import_stream import read_import
from asm_async.values.event import Event
from asm_async.values.page import Page
from asm_async.values.run import Run
from asm_async.values.session import Session
from asm_async.values.session_export import SessionExport
from asm_async.values.summaries import SessionStats
from asm_async.values.transfer_reports import ExportReport, ImportReport

T = TypeVar("T")


class SQLQueryAPI(QueryAPIFront):
    """
    A :class:`~asm_async.ports.query_api.QueryAPI` on SQLite or PostgreSQL.

    The engine stays the caller's: it is neither reconfigured nor disposed, and it may
    be shared with stores. It is used within one event loop.

    Args:
        engine:
            Made by :func:`~asm_async.sql.create_engine`, or any AsyncEngine over
            aiosqlite or asyncpg.

        timeout:
            How long, in seconds, a call goes on trying while the database is busy or
            out of reach, before it raises ``StorageBusyError`` or
            ``StorageUnavailableError``.

    Raises:
        UnsupportedOperationError: If the engine speaks to another database or driver.
    """

    def __init__(self, engine: AsyncEngine, *, timeout: float = 30.0) -> None:
        self.engine = engine
        self._transactions = Transactions(engine, check_timeout(timeout))
        self._lifecycle = Lifecycle(self._transactions)

    async def _search_sessions(
        self, wanted: SessionSearch, paging: Paging, *, count_total: bool
    ) -> Page[Session]:
        read = partial(
            read_session_page, wanted=wanted, paging=paging, count_total=count_total
        )
        return await (self._read_snapshot(read) if count_total else self._read(read))

    async def _get_session_stats(self, session_id: str) -> SessionStats:
        return await self._read(partial(read_session_stats, session_id=session_id))

    async def _search_runs(self, wanted: RunSearch, paging: Paging) -> Page[Run]:
        return await self._read(partial(read_run_page, wanted=wanted, paging=paging))

    async def _group_usage(self, wanted: UsageFilter) -> list[RunGroup]:
        return await self._read(partial(read_usage_groups, wanted=wanted))

    async def _group_costs(self, wanted: UsageFilter) -> list[RunGroup]:
        return await self._read(partial(read_cost_groups, wanted=wanted))

    async def _search_events(self, wanted: EventSearch, paging: Paging) -> Page[Event]:
        return await self._read(partial(read_event_page, wanted=wanted, paging=paging))

    async def _count_events(self, wanted: EventSearch) -> int:
        return await self._read(partial(count_matching_events, wanted=wanted))

    async def _export_session(self, session_id: str) -> SessionExport:
        return await self._read_snapshot(partial(export_session, session_id=session_id))

    async def _export_sessions(
        self,
        writer: ExportWriter,
        search: SearchPage,
        *,
        include_deleted: bool,
        progress: Callable[[ExportReport], object] | None,
    ) -> ExportReport:
        lines_of = partial(
            export_lines, self._transactions, include_deleted=include_deleted
        )
        async with self._lifecycle:
            return await write_export(writer, search, lines_of, progress)

    async def _import_sessions(
        self,
        reader: ImportReader,
        max_line_bytes: int,
        progress: Callable[[ImportReport], object] | None,
    ) -> ImportReport:
        async with self._lifecycle:
            try:
                return await read_import(
                    reader,
                    partial(import_session, self._transactions),
                    max_line_bytes=max_line_bytes,
                    progress=progress,
                )
            finally:
                # A QueryAPI is not closed, which could wait for this instead.
                await self._lifecycle.settle()

    async def _read(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """
        Do *work*, which is one statement.
        """
        async with self._lifecycle:
            return await self._transactions.read(work)

    async def _read_snapshot(
        self, work: Callable[[AsyncConnection], Awaitable[T]]
    ) -> T:
        """
        Do *work*, whose statements all see one moment.
        """
        async with self._lifecycle:
            return await self._transactions.read_snapshot(work)
