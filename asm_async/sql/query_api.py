"""
The query API over an AsyncEngine.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from copy import copy
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.fronts.loop_share import in_pieces, in_steps
from asm_async.fronts.observing import Observation
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
from asm_async.sql.core import rows
from asm_async.sql.core.column_types import undecoded, without
from asm_async.sql.core.deadlines import check_timeout
from asm_async.sql.dialects import dialect_of
from asm_async.sql.readers.readers import Readers
from asm_async.sql.readers.routing import reads_of
from asm_async.sql.reads.history import export_session
from asm_async.sql.runtime.lifecycle import Lifecycle
from asm_async.sql.search.activity_queries import page_by_activity
from asm_async.sql.search.event_queries import (
    is_selective,
    number_of_events,
    page_of_events,
)
from asm_async.sql.search.search_queries import (
    matching_sessions,
    number_of,
    page_of_runs,
    page_of_sessions,
)
from asm_async.sql.search.summaries import (
    cost_sums,
    session_figures,
    session_stats,
    usage_sums,
)
from asm_async.sql.transactions.transaction import Transactions
from asm_async.sql.transfer.exports import export_lines, lines_of_items
from asm_async.sql.transfer.imported_items import import_items
from asm_async.sql.transfer.imports import import_session
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

        readers: Which standbys answer all but imports, which may so be a little behind.

    Raises:
        UnsupportedOperationError: If the engine speaks to another database or driver.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        timeout: float = 30.0,
        readers: Readers | None = None,
    ) -> None:
        self.engine = engine
        self._transactions = Transactions(engine, check_timeout(timeout))
        self._readers = readers
        self._reads = reads_of(readers, self._transactions, by_default=True)
        self.observation: Observation | None = self._transactions.observation
        self._dialect = self._transactions.dialect
        self._lifecycle = Lifecycle(self._transactions)
        self._is_decoded = True

    def undecoded(self) -> SQLQueryAPI:
        """
        Return this API for those who pass on what they find, and do not look at it.

        The JSON of what is searched for is not decoded:
        ``EncodedJSON`` replaces it.
        """
        query = copy(self)
        query._is_decoded = False  # noqa: SLF001 - of the same class
        return query

    async def _search_sessions(
        self, wanted: SessionSearch, paging: Paging, *, count_total: bool
    ) -> Page[Session]:
        left_out = () if wanted.with_context else ("context",)
        values: dict[str, Any] = {}
        if "last_activity_at" in paging.order.key:
            page, values = page_by_activity(wanted, paging)
        else:
            page = page_of_sessions(wanted, paging)
        query = self._read_as_wanted(page, left_out)

        async def read(conn: AsyncConnection) -> Page[Session]:
            found = await _planned(conn, query, values)
            sessions = await in_pieces(rows.session_of, found)
            total_count: int | None = None
            if count_total:
                total_count = await conn.scalar(number_of(matching_sessions(wanted)))
            return paging.page(sessions, total_count)

        return await (self._read_snapshot(read) if count_total else self._read(read))

    async def _get_session_stats(
        self, session_id: str, expected_tenant: str | None
    ) -> SessionStats:
        query = session_figures(self._dialect, session_id, expected_tenant)

        async def read(conn: AsyncConnection) -> SessionStats:
            return session_stats(session_id, (await conn.execute(query)).all())

        return await self._read(read)

    async def _search_runs(self, wanted: RunSearch, paging: Paging) -> Page[Run]:
        query = self._read_as_wanted(page_of_runs(wanted, paging, self._dialect))

        async def read(conn: AsyncConnection) -> list[Run]:
            return await in_pieces(rows.run_of, await _planned(conn, query))

        return paging.page(await self._read(read))

    async def _group_usage(self, wanted: UsageFilter) -> list[RunGroup]:
        return await self._groups(usage_sums(self._dialect, wanted))

    async def _group_costs(self, wanted: UsageFilter) -> list[RunGroup]:
        return await self._groups(cost_sums(self._dialect, wanted))

    async def _groups(self, query: sa.Executable) -> list[RunGroup]:
        async def read(conn: AsyncConnection) -> list[RunGroup]:
            found = await _planned(conn, query)
            return await in_pieces(lambda row: RunGroup(**row), found.mappings())

        return await self._read(read)

    async def _search_events(self, wanted: EventSearch, paging: Paging) -> Page[Event]:
        dialect = self._dialect
        # What it says decides about the way to find the page, not about the page.
        question = is_selective(wanted, paging, dialect)

        async def read(conn: AsyncConnection) -> Page[Event]:
            is_sorted = (
                question is not None and (await _planned(conn, question)).scalar_one()
            )
            query = page_of_events(wanted, paging, dialect, is_sorted=is_sorted)
            found = await _planned(conn, self._read_as_wanted(query))
            return paging.page(await in_pieces(Event.from_stored, found))

        return await self._read(read)

    async def _count_events(self, wanted: EventSearch) -> int:
        (row,) = await self._rows(number_of_events(wanted, self._dialect))
        return int(row.number)

    async def _export_session(
        self, session_id: str, expected_tenant: str | None
    ) -> SessionExport:
        export = partial(export_session, session_id=session_id, tenant=expected_tenant)
        return await self._read_snapshot(export)

    async def _export_sessions(
        self,
        writer: ExportWriter,
        search: SearchPage,
        *,
        include_deleted: bool,
        with_items_of_none: bool,
        progress: Callable[[ExportReport], object] | None,
    ) -> ExportReport:
        lines_of = partial(export_lines, self._reads, include_deleted=include_deleted)
        items = partial(lines_of_items, self._reads)
        # A session that one standby has found, another may not have yet.
        as_one = self._readers.reading_as_one() if self._readers else nullcontext()
        async with self._lifecycle:
            with as_one:
                return await write_export(
                    writer,
                    search,
                    lines_of,
                    items if with_items_of_none else None,
                    progress,
                )

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
                    partial(import_items, self._transactions),
                    max_line_bytes=max_line_bytes,
                    progress=progress,
                    do_steps=in_steps,
                )
            finally:
                # A QueryAPI is not closed, which could wait for this instead.
                await self._lifecycle.settle()

    def _read_as_wanted(
        self, query: sa.Select[Any], left_out: Collection[str] = ()
    ) -> sa.Select[Any]:
        if self._is_decoded and not left_out:
            return query
        columns = without(query.selected_columns, left_out)
        if not self._is_decoded:
            columns = undecoded(columns)
        return query.with_only_columns(*columns, maintain_column_froms=True)

    async def _rows(self, query: sa.Executable) -> Sequence[sa.Row[Any]]:
        async def read(conn: AsyncConnection) -> Sequence[sa.Row[Any]]:
            return (await _planned(conn, query)).all()

        return await self._read(read)

    async def _read(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        async with self._lifecycle:
            return await self._reads.read(work)

    async def _read_snapshot(
        self, work: Callable[[AsyncConnection], Awaitable[T]]
    ) -> T:
        async with self._lifecycle:
            return await self._reads.read_snapshot(work)


async def _planned(
    conn: AsyncConnection,
    query: sa.Executable,
    values: Mapping[str, Any] = MappingProxyType({}),
) -> sa.CursorResult[Any]:
    await dialect_of(conn).force_custom_plan(conn)
    return await conn.execute(query, values)
