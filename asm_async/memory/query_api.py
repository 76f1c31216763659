"""
The query API over what is kept in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import attrs

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
from asm_async.memory.database import DatabaseAccess, InMemoryDatabase
from asm_async.memory.history import (
    export_lines,
    export_session,
    import_items,
    import_session,
    lines_of_items,
)
from asm_async.memory.searches import (
    cut_page,
    find_events,
    find_runs,
    find_sessions,
    group_runs,
    session_stats,
)
from asm_async.ports.history_transfer import ExportWriter, ImportReader
from asm_async.transfer.export_stream import write_export
from asm_async.transfer.import_stream import read_import
from asm_async.values.event import Event
from asm_async.values.page import Page
from asm_async.values.run import Run
from asm_async.values.session import Session
from asm_async.values.session_export import SessionExport
from asm_async.values.summaries import SessionStats
from asm_async.values.transfer_reports import ExportReport, ImportReport


class InMemoryQueryAPI(QueryAPIFront):
    """
    A :class:`~asm_async.ports.query_api.QueryAPI` without a database.

    No method awaits, so that each answers from one moment.

    Args:
        database: The database; stores with the same one write to it.
    """

    def __init__(self, database: InMemoryDatabase) -> None:
        self._access = DatabaseAccess(database, "store")
        self.observation: Observation | None = Observation()

    async def _search_sessions(
        self, wanted: SessionSearch, paging: Paging, *, count_total: bool
    ) -> Page[Session]:
        found = find_sessions(self._access.database, wanted)
        if not wanted.with_context:
            found = [attrs.evolve(session, context={}) for session in found]
        return cut_page(found, paging, count_total=count_total)

    async def _get_session_stats(
        self, session_id: str, expected_tenant: str | None
    ) -> SessionStats:
        self._access.database.existing(session_id, expected_tenant)
        return session_stats(self._access.database, session_id)

    async def _search_runs(self, wanted: RunSearch, paging: Paging) -> Page[Run]:
        return cut_page(find_runs(self._access.database, wanted), paging)

    async def _group_usage(self, wanted: UsageFilter) -> list[RunGroup]:
        return group_runs(self._access.database, wanted)

    async def _group_costs(self, wanted: UsageFilter) -> list[RunGroup]:
        return await self._group_usage(wanted)

    async def _search_events(self, wanted: EventSearch, paging: Paging) -> Page[Event]:
        return cut_page(find_events(self._access.database, wanted), paging)

    async def _count_events(self, wanted: EventSearch) -> int:
        return len(find_events(self._access.database, wanted))

    async def _export_session(
        self, session_id: str, expected_tenant: str | None
    ) -> SessionExport:
        self._access.database.existing(session_id, expected_tenant)
        return export_session(self._access.database, session_id)

    async def _export_sessions(
        self,
        writer: ExportWriter,
        search: SearchPage,
        *,
        include_deleted: bool,
        with_items_of_none: bool,
        progress: Callable[[ExportReport], object] | None,
    ) -> ExportReport:
        lines_of = partial(
            export_lines, self._access.database, include_deleted=include_deleted
        )
        items = partial(lines_of_items, self._access.database)
        return await write_export(
            writer, search, lines_of, items if with_items_of_none else None, progress
        )

    async def _import_sessions(
        self,
        reader: ImportReader,
        max_line_bytes: int,
        progress: Callable[[ImportReport], object] | None,
    ) -> ImportReport:
        return await read_import(
            reader,
            partial(import_session, self._access.database),
            partial(import_items, self._access.database),
            max_line_bytes=max_line_bytes,
            progress=progress,
        )
