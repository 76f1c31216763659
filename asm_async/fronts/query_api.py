"""
The front of a query API: what every call checks before anything is read.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterable, Awaitable, Callable, Collection
from functools import partial
from typing import Any, TypeAlias, TypeVar, cast

from asm_async.errors import ValidationError
from asm_async.fronts.expectations import checked_tenant
from asm_async.fronts.observing import Observation, observed
from asm_async.fronts.paging import Paging, check_paging
from asm_async.fronts.query_filters import (
    EventSearch,
    RunSearch,
    SessionSearch,
    UsageFilter,
)
from asm_async.fronts.signatures import takes_arguments_of
from asm_async.fronts.usage_groups import RunGroup, cost_summary, usage_summary
from asm_async.ports.history_transfer import MAX_LINE_BYTES, ExportWriter, ImportReader
from asm_async.ports.query_api import QueryAPI
from asm_async.transfer.export_stream import SESSIONS_PER_PAGE
from asm_async.values import fields
from asm_async.values.event import Event
from asm_async.values.page import Page
from asm_async.values.run import Run
from asm_async.values.session import Session
from asm_async.values.session_export import SessionExport
from asm_async.values.summaries import CostSummary, SessionStats, UsageSummary
from asm_async.values.token_price import PriceLookup, PricingTable, TokenPrice
from asm_async.values.transfer_reports import ExportReport, ImportReport

C = TypeVar("C")

SearchPage: TypeAlias = Callable[[str | None], Awaitable[Page[Session]]]
"""
Returns the page of sessions that begins at a cursor.
"""


@observed
class QueryAPIFront(QueryAPI):
    """
    A query API in front of a backend, which implements the methods marked abstract.

    A backend is given filters and pages in their normal form, and makes no summaries:
    it returns groups of runs.
    """

    observation: Observation | None = None
    """
    Where it stands who observes it; None where nobody can.
    """

    @takes_arguments_of(QueryAPI.search_sessions)
    async def search_sessions(
        self,
        *,
        order_by: object,
        limit: object,
        cursor: object,
        count_total: object,
        **filters: Any,
    ) -> Page[Session]:
        wanted = SessionSearch(**filters)
        paging = check_paging(wanted, order_by=order_by, limit=limit, cursor=cursor)
        return await self._search_sessions(
            wanted, paging, count_total=fields.boolean(count_total, "count_total")
        )

    async def get_session_stats(
        self, session_id: str, *, expected_tenant: str | None = None
    ) -> SessionStats:
        session_id = fields.text(session_id, "session_id")
        tenant = checked_tenant(expected_tenant)
        return await self._get_session_stats(session_id, tenant)

    @takes_arguments_of(QueryAPI.search_runs)
    async def search_runs(
        self, *, order_by: object, limit: object, cursor: object, **filters: Any
    ) -> Page[Run]:
        wanted = RunSearch(**filters)
        paging = check_paging(wanted, order_by=order_by, limit=limit, cursor=cursor)
        return await self._search_runs(wanted, paging)

    @takes_arguments_of(QueryAPI.get_usage_summary)
    async def get_usage_summary(self, **filters: Any) -> UsageSummary:
        wanted = UsageFilter(**filters)
        return await usage_summary(await self._group_usage(wanted), wanted)

    @takes_arguments_of(QueryAPI.get_cost_summary)
    async def get_cost_summary(
        self, *, pricing_table: object, price_lookup: PriceLookup | None, **filters: Any
    ) -> CostSummary:
        wanted = UsageFilter(**filters)
        prices = _checked_prices(pricing_table)
        lookup = optional_callable(price_lookup, "price_lookup")
        groups = await self._group_costs(wanted)
        return await cost_summary(groups, wanted, prices, lookup)

    @takes_arguments_of(QueryAPI.search_events)
    async def search_events(
        self, *, order_by: object, limit: object, cursor: object, **filters: Any
    ) -> Page[Event]:
        wanted = EventSearch(**filters)
        paging = check_paging(wanted, order_by=order_by, limit=limit, cursor=cursor)
        return await self._search_events(wanted, paging)

    @takes_arguments_of(QueryAPI.count_events)
    async def count_events(self, **filters: Any) -> int:
        return await self._count_events(EventSearch(**filters))

    async def export_session(
        self, session_id: str, *, expected_tenant: str | None = None
    ) -> SessionExport:
        session_id = fields.text(session_id, "session_id")
        tenant = checked_tenant(expected_tenant)
        return await self._export_session(session_id, tenant)

    @takes_arguments_of(QueryAPI.export_sessions)
    async def export_sessions(
        self,
        writer: ExportWriter,
        *,
        progress: Callable[[ExportReport], object] | None,
        **filters: Any,
    ) -> ExportReport:
        check_writer(writer)
        progress = optional_callable(progress, "progress")
        # Of each session no more than its id is needed here.
        wanted = SessionSearch(**filters, with_context=False)

        async def search(cursor: str | None) -> Page[Session]:
            paging = check_paging(
                wanted,
                order_by="created_at_asc",
                limit=SESSIONS_PER_PAGE,
                cursor=cursor,
            )
            return await self._search_sessions(wanted, paging, count_total=False)

        # What belongs to no session meets no filter, and is nobody's: no tenant's.
        everything = SessionSearch(
            include_deleted=wanted.include_deleted, with_context=False
        )
        return await self._export_sessions(
            writer,
            search,
            include_deleted=wanted.include_deleted,
            with_items_of_none=wanted == everything,
            progress=progress,
        )

    async def import_sessions(
        self,
        reader: ImportReader,
        *,
        max_line_bytes: int = MAX_LINE_BYTES,
        progress: Callable[[ImportReport], object] | None = None,
    ) -> ImportReport:
        reader = checked_reader(reader)
        progress = optional_callable(progress, "progress")
        if not fields.count(max_line_bytes, "max_line_bytes"):
            raise ValidationError("max_line_bytes: expected at least 1, got 0")
        return await self._import_sessions(reader, max_line_bytes, progress)

    @abstractmethod
    async def _search_sessions(
        self, wanted: SessionSearch, paging: Paging, *, count_total: bool
    ) -> Page[Session]: ...

    @abstractmethod
    async def _get_session_stats(
        self, session_id: str, expected_tenant: str | None
    ) -> SessionStats: ...

    @abstractmethod
    async def _search_runs(self, wanted: RunSearch, paging: Paging) -> Page[Run]: ...

    @abstractmethod
    async def _group_usage(self, wanted: UsageFilter) -> Collection[RunGroup]:
        """
        Return all runs that match in groups, each of one provider, model and bucket.

        Each is of one combination of what is grouped by, too. Where that tells more
        than ``MAX_USAGE_GROUPS`` apart, some may be left out: none are shown.
        """

    @abstractmethod
    async def _group_costs(self, wanted: UsageFilter) -> Collection[RunGroup]:
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
    async def _export_session(
        self, session_id: str, expected_tenant: str | None
    ) -> SessionExport: ...

    @abstractmethod
    async def _export_sessions(
        self,
        writer: ExportWriter,
        search: SearchPage,
        *,
        include_deleted: bool,
        with_items_of_none: bool,
        progress: Callable[[ExportReport], object] | None,
    ) -> ExportReport: ...

    @abstractmethod
    async def _import_sessions(
        self,
        reader: ImportReader,
        max_line_bytes: int,
        progress: Callable[[ImportReport], object] | None,
    ) -> ImportReport: ...


def check_writer(writer: object) -> None:
    """
    Refuse what an export cannot be written with.
    """
    if not callable(writer):
        raise fields.unexpected("writer", "an async callable", writer)


def checked_reader(reader: object) -> ImportReader:
    """
    Accept what an import may be read from.
    """
    if not isinstance(reader, AsyncIterable):
        raise fields.unexpected("reader", "an async iterable of bytes", reader)
    return cast("ImportReader", reader)


def optional_callable(value: C, name: str) -> C:
    """
    Accept a callable, or None.
    """
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
