"""
The query API over an AsyncEngine.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from datetime import datetime
from functools import partial
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.ports.history_transfer import MAX_LINE_BYTES, ExportWriter, ImportReader
from asm_async.ports.paging import check_paging
from asm_async.ports.query_api import EventOrder, RunOrder, SessionOrder, TimeBucket
from asm_async.ports.query_arguments import (
    EventSearch,
    RunSearch,
    SessionSearch,
    check_bool,
)
from asm_async.ports.transfer_arguments import (
    check_max_line_bytes,
    check_progress,
    check_reader,
    check_writer,
)
from asm_async.ports.usage_arguments import (
    UsageFilter,
    check_price_lookup,
    check_pricing_table,
)
from asm_async.ports.usage_groups import cost_summary, usage_summary
from asm_async.sql.core.deadlines import check_timeout
from asm_async.sql.reads.history import export_session
from asm_async.sql.runtime.lifecycle import Lifecycle
from asm_async.sql.search.pages import (
    count_matching_events,
    read_event_page,
    read_run_page,
    read_session_page,
)
from asm_async.sql.search.session_stats import read_session_stats
from asm_async.sql.search.usage_queries import read_cost_groups, read_usage_groups
from asm_async.sql.transactions.transaction import Transactions
from asm_async.sql.transfer.session_export import export_lines
from asm_async.sql.transfer.session_import import import_session
from asm_async.transfer.export_stream import SESSIONS_PER_PAGE, write_export
from asm_async.transfer.import_stream import read_import
from asm_async.values import fields
from asm_async.values.event import Event, EventType
from asm_async.values.page import Page
from asm_async.values.run import Run, RunStatus
from asm_async.values.session import Session, SessionStatus
from asm_async.values.session_export import SessionExport
from asm_async.values.summaries import CostSummary, SessionStats, UsageSummary
from asm_async.values.token_price import PriceLookup, PricingTable
from asm_async.values.transfer_reports import ExportReport, ImportReport

__all__ = ["SQLQueryAPI"]

T = TypeVar("T")


class SQLQueryAPI:
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

    async def search_sessions(
        self,
        *,
        agent_id: str | None = None,
        tenant_id: str | None = None,
        status: SessionStatus | Collection[SessionStatus] | None = None,
        provider: str | None = None,
        tags: Collection[str] = (),
        parent_session_id: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        include_deleted: bool = False,
        order_by: SessionOrder = "updated_at_desc",
        limit: int = 50,
        cursor: str | None = None,
        count_total: bool = False,
    ) -> Page[Session]:
        """
        Find sessions; no events or runs are read for it.
        """
        wanted = SessionSearch(
            agent_id=agent_id,
            tenant_id=tenant_id,
            status=status,
            provider=provider,
            tags=tags,
            parent_session_id=parent_session_id,
            created_after=created_after,
            created_before=created_before,
            include_deleted=include_deleted,
        )
        paging = check_paging(wanted, order_by=order_by, limit=limit, cursor=cursor)
        count_total = check_bool(count_total, "count_total")
        read = partial(
            read_session_page, wanted=wanted, paging=paging, count_total=count_total
        )
        return await (self._read_snapshot(read) if count_total else self._read(read))

    async def get_session_stats(self, session_id: str) -> SessionStats:
        """
        Give a session in figures, soft-deleted or not.
        """
        session_id = fields.text(session_id, "session_id")
        return await self._read(partial(read_session_stats, session_id=session_id))

    async def search_runs(
        self,
        *,
        session_id: str | None = None,
        agent_id: str | None = None,
        tenant_id: str | None = None,
        provider: str | None = None,
        status: RunStatus | Collection[RunStatus] | None = None,
        started_after: datetime | None = None,
        started_before: datetime | None = None,
        min_tokens: int | None = None,
        order_by: RunOrder = "started_at_desc",
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Run]:
        """
        Find runs of all sessions.
        """
        wanted = RunSearch(
            session_id=session_id,
            agent_id=agent_id,
            tenant_id=tenant_id,
            provider=provider,
            status=status,
            started_after=started_after,
            started_before=started_before,
            min_tokens=min_tokens,
        )
        paging = check_paging(wanted, order_by=order_by, limit=limit, cursor=cursor)
        return await self._read(partial(read_run_page, wanted=wanted, paging=paging))

    async def get_usage_summary(
        self,
        *,
        session_id: str | None = None,
        agent_id: str | None = None,
        tenant_id: str | None = None,
        provider: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        bucket: TimeBucket | None = None,
    ) -> UsageSummary:
        """
        Add up what runs consumed.
        """
        wanted = UsageFilter(
            session_id=session_id,
            agent_id=agent_id,
            tenant_id=tenant_id,
            provider=provider,
            since=since,
            until=until,
            bucket=bucket,
        )
        groups = await self._read(partial(read_usage_groups, wanted=wanted))
        return usage_summary(groups, wanted.bucket)

    async def get_cost_summary(
        self,
        *,
        session_id: str | None = None,
        agent_id: str | None = None,
        tenant_id: str | None = None,
        provider: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        pricing_table: PricingTable | None = None,
        price_lookup: PriceLookup | None = None,
        bucket: TimeBucket | None = None,
    ) -> CostSummary:
        """
        Add up what runs cost.
        """
        wanted = UsageFilter(
            session_id=session_id,
            agent_id=agent_id,
            tenant_id=tenant_id,
            provider=provider,
            since=since,
            until=until,
            bucket=bucket,
        )
        table = check_pricing_table(pricing_table)
        lookup = check_price_lookup(price_lookup)
        groups = await self._read(partial(read_cost_groups, wanted=wanted))
        return cost_summary(groups, wanted.bucket, table, lookup)

    async def search_events(
        self,
        *,
        session_ids: Collection[str] | None = None,
        run_ids: Collection[str] | None = None,
        types: Collection[EventType | str] | None = None,
        providers: Collection[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        correlation_id: str | None = None,
        tenant_id: str | None = None,
        order_by: EventOrder = "sequence_asc",
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[Event]:
        """
        Find events of all sessions.
        """
        wanted = EventSearch(
            session_ids=session_ids,
            run_ids=run_ids,
            types=types,
            providers=providers,
            since=since,
            until=until,
            correlation_id=correlation_id,
            tenant_id=tenant_id,
        )
        paging = check_paging(wanted, order_by=order_by, limit=limit, cursor=cursor)
        return await self._read(partial(read_event_page, wanted=wanted, paging=paging))

    async def count_events(
        self,
        *,
        session_ids: Collection[str] | None = None,
        run_ids: Collection[str] | None = None,
        types: Collection[EventType | str] | None = None,
        providers: Collection[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        correlation_id: str | None = None,
        tenant_id: str | None = None,
    ) -> int:
        """
        Count what :meth:`search_events` would find on all pages, without reading it.
        """
        wanted = EventSearch(
            session_ids=session_ids,
            run_ids=run_ids,
            types=types,
            providers=providers,
            since=since,
            until=until,
            correlation_id=correlation_id,
            tenant_id=tenant_id,
        )
        return await self._read(partial(count_matching_events, wanted=wanted))

    async def export_session(self, session_id: str) -> SessionExport:
        """
        Give all there is to know of a session, soft-deleted or not, as of one moment.
        """
        session_id = fields.text(session_id, "session_id")
        return await self._read_snapshot(partial(export_session, session_id=session_id))

    async def export_sessions(
        self,
        writer: ExportWriter,
        *,
        agent_id: str | None = None,
        tenant_id: str | None = None,
        status: SessionStatus | Collection[SessionStatus] | None = None,
        provider: str | None = None,
        tags: Collection[str] = (),
        parent_session_id: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        include_deleted: bool = False,
        progress: Callable[[ExportReport], object] | None = None,
    ) -> ExportReport:
        """
        Write sessions with all they have, one JSON object a line.
        """
        writer, progress = check_writer(writer), check_progress(progress)

        async def search(cursor: str | None) -> Page[Session]:
            return await self.search_sessions(
                agent_id=agent_id,
                tenant_id=tenant_id,
                status=status,
                provider=provider,
                tags=tags,
                parent_session_id=parent_session_id,
                created_after=created_after,
                created_before=created_before,
                include_deleted=include_deleted,
                order_by="created_at_asc",
                limit=SESSIONS_PER_PAGE,
                cursor=cursor,
            )

        async with self._lifecycle:
            return await write_export(
                writer,
                search,
                partial(
                    export_lines, self._transactions, include_deleted=include_deleted
                ),
                progress,
            )

    async def import_sessions(
        self,
        reader: ImportReader,
        *,
        max_line_bytes: int = MAX_LINE_BYTES,
        progress: Callable[[ImportReport], object] | None = None,
    ) -> ImportReport:
        """
        Store the sessions of an export that are not here yet.
        """
        reader, progress = check_reader(reader), check_progress(progress)
        max_line_bytes = check_max_line_bytes(max_line_bytes)
        async with self._lifecycle:
            try:
                return await read_import(
                    reader,
                    partial(import_session, self._transactions),
                    max_line_bytes=max_line_bytes,
                    progress=progress,
                )
            finally:
                # There is no closing a QueryAPI, which could wait for this.
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
