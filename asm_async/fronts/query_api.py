"""
The front of a query API: what every call checks before anything is read.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterable, Awaitable, Callable, Collection, Iterable
from datetime import datetime
from functools import partial
from typing import TypeAlias, TypeVar, cast

from asm_async.errors import ValidationError
from asm_async.fronts.paging import Paging, check_paging
from asm_async.fronts.query_filters import (
    EventSearch,
    RunSearch,
    SessionSearch,
    UsageFilter,
)
from asm_async.fronts.usage_groups import RunGroup, cost_summary, usage_summary
from asm_async.ports.history_transfer import MAX_LINE_BYTES, ExportWriter, ImportReader
from asm_async.ports.query_api import (
    EventOrder,
    QueryAPI,
    RunOrder,
    SessionOrder,
    TimeBucket,
)
from asm_async.transfer.export_stream import SESSIONS_PER_PAGE
from asm_async.values import fields
from asm_async.values.event import Event, EventType
from asm_async.values.page import Page
from asm_async.values.run import Run, RunStatus
from asm_async.values.session import Session, SessionStatus
from asm_async.values.session_export import SessionExport
from asm_async.values.summaries import CostSummary, SessionStats, UsageSummary
from asm_async.values.token_price import PriceLookup, PricingTable, TokenPrice
from asm_async.values.transfer_reports import ExportReport, ImportReport

C = TypeVar("C")

SearchPage: TypeAlias = Callable[[str | None], Awaitable[Page[Session]]]
"""
Returns the page of sessions that begins at a cursor.
"""


class QueryAPIFront(QueryAPI):
    """
    A query API in front of a backend, which implements the methods marked abstract.

    A backend is given filters and pages in their normal form, and makes no summaries:
    it returns groups of runs.
    """

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
        return await self._search_sessions(
            wanted, paging, count_total=fields.boolean(count_total, "count_total")
        )

    async def get_session_stats(self, session_id: str) -> SessionStats:
        return await self._get_session_stats(fields.text(session_id, "session_id"))

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
        return await self._search_runs(wanted, paging)

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
        wanted = UsageFilter(
            session_id=session_id,
            agent_id=agent_id,
            tenant_id=tenant_id,
            provider=provider,
            since=since,
            until=until,
            bucket=bucket,
        )
        groups = await self._group_usage(wanted)
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
        wanted = UsageFilter(
            session_id=session_id,
            agent_id=agent_id,
            tenant_id=tenant_id,
            provider=provider,
            since=since,
            until=until,
            bucket=bucket,
        )
        prices = _checked_prices(pricing_table)
        lookup = _optional_callable(price_lookup, "price_lookup")
        groups = await self._group_costs(wanted)
        return cost_summary(groups, wanted.bucket, prices, lookup)

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
        return await self._search_events(wanted, paging)

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
        return await self._count_events(wanted)

    async def export_session(self, session_id: str) -> SessionExport:
        return await self._export_session(fields.text(session_id, "session_id"))

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
        if not callable(writer):
            raise fields.unexpected("writer", "an async callable", writer)
        progress = _optional_callable(progress, "progress")
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

        async def search(cursor: str | None) -> Page[Session]:
            paging = check_paging(
                wanted,
                order_by="created_at_asc",
                limit=SESSIONS_PER_PAGE,
                cursor=cursor,
            )
            return await self._search_sessions(wanted, paging, count_total=False)

        return await self._export_sessions(
            writer, search, include_deleted=wanted.include_deleted, progress=progress
        )

    async def import_sessions(
        self,
        reader: ImportReader,
        *,
        max_line_bytes: int = MAX_LINE_BYTES,
        progress: Callable[[ImportReport], object] | None = None,
    ) -> ImportReport:
        reader = _checked_reader(reader)
        progress = _optional_callable(progress, "progress")
        if not fields.count(max_line_bytes, "max_line_bytes"):
            raise ValidationError("max_line_bytes: expected at least 1, got 0")
        return await self._import_sessions(reader, max_line_bytes, progress)

    @abstractmethod
    async def _search_sessions(
        self, wanted: SessionSearch, paging: Paging, *, count_total: bool
    ) -> Page[Session]: ...

    @abstractmethod
    async def _get_session_stats(self, session_id: str) -> SessionStats: ...

    @abstractmethod
    async def _search_runs(self, wanted: RunSearch, paging: Paging) -> Page[Run]: ...

    @abstractmethod
    async def _group_usage(self, wanted: UsageFilter) -> Iterable[RunGroup]:
        """
        Return all runs that match in groups, each of one provider, model and bucket.
        """

    @abstractmethod
    async def _group_costs(self, wanted: UsageFilter) -> Iterable[RunGroup]:
        """
        Return the same groups, those runs apart whose cost is stored.
        """

    @abstractmethod
    async def _search_events(
        self, wanted: EventSearch, paging: Paging
    ) -> Page[Event]: ...

    @abstractmethod
    async def _count_events(self, wanted: EventSearch) -> int: ...

    @abstractmethod
    async def _export_session(self, session_id: str) -> SessionExport: ...

    @abstractmethod
    async def _export_sessions(
        self,
        writer: ExportWriter,
        search: SearchPage,
        *,
        include_deleted: bool,
        progress: Callable[[ExportReport], object] | None,
    ) -> ExportReport: ...

    @abstractmethod
    async def _import_sessions(
        self,
        reader: ImportReader,
        max_line_bytes: int,
        progress: Callable[[ImportReport], object] | None,
    ) -> ImportReport: ...


def _checked_reader(reader: object) -> ImportReader:
    if not isinstance(reader, AsyncIterable):
        raise fields.unexpected("reader", "an async iterable of bytes", reader)
    return cast("ImportReader", reader)


def _optional_callable(value: C, name: str) -> C:
    if value is not None and not callable(value):
        raise fields.unexpected(name, "a callable", value)
    return value


def _beginning(value: object, name: str) -> str:
    # The empty text is the beginning of every name.
    return "" if value == "" else fields.text(value, name)


_prices = partial(
    fields.mapping_of,
    key_rule=_beginning,
    rule=partial(fields.instance, kind=TokenPrice),
)


def _checked_prices(value: object) -> PricingTable:
    if value is None:
        return {}
    return fields.mapping_of(value, "pricing_table", key_rule=fields.text, rule=_prices)
