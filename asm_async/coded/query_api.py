"""
A query API that returns what callers see of stored values.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any, TypeVar

import attrs

from asm_async.coded.coder import Coder
from asm_async.coded.coding import Coding
from asm_async.coded.exports import DecodingWriter, changed_export, decoded_export
from asm_async.coded.registering_imports import AddedLines, encoded_import
from asm_async.errors import ConflictError, ValidationError
from asm_async.fronts.query_api import check_writer, checked_reader, optional_callable
from asm_async.fronts.signatures import takes_arguments_of
from asm_async.ports.history_transfer import MAX_LINE_BYTES, ExportWriter, ImportReader
from asm_async.ports.query_api import QueryAPI
from asm_async.transfer.incoming_items import DifferingItemError, check_item_of_none
from asm_async.values import fields
from asm_async.values.artifact import Artifact
from asm_async.values.event import Event
from asm_async.values.page import Page
from asm_async.values.run import Run
from asm_async.values.session import Session
from asm_async.values.session_export import SessionExport
from asm_async.values.state_item import StateItem
from asm_async.values.summaries import CostSummary, SessionStats, UsageSummary
from asm_async.values.transfer_reports import ExportReport, ImportReport

V = TypeVar("V", bound=Session | Run | Event | Artifact | StateItem)

# What is stored may be longer than what was read, such as by what encrypts it.
_MAX_GROWTH = 4


class CodedQueryAPI(QueryAPI):
    """
    A :class:`~asm_async.ports.query_api.QueryAPI` in front of another one.

    Results are decoded; filters and orders apply to the stored values. Exports
    are decoded and imports encoded, so that an export says what callers see. A value
    that cannot be decoded stops neither a page nor an export: the coder says what is
    shown instead.

    Args:
        query: Where it is searched.

        coder: Encodes and decodes values.

    Raises:
        ValidationError: If *query* or *coder* is something else.
    """

    def __init__(self, query: QueryAPI, coder: Coder) -> None:
        if not callable(getattr(query, "search_sessions", None)):
            raise fields.unexpected("query", "a QueryAPI", query)
        self.behind: QueryAPI = query
        """
        The query API that it wraps.
        """
        self._coding = Coding(fields.instance(coder, "coder", Coder))

    @property
    def coder(self) -> Coder:
        """
        What encodes and decodes its values.
        """
        return self._coding.coder

    def over(self, behind: QueryAPI) -> CodedQueryAPI:
        """
        Return the same query in front of another one.
        """
        query = copy(self)
        query.behind = behind
        return query

    @takes_arguments_of(QueryAPI.search_sessions)
    async def search_sessions(self, **filters: Any) -> Page[Session]:
        """
        Find sessions.
        """
        return await self._page(await self.behind.search_sessions(**filters))

    async def get_session_stats(
        self, session_id: str, *, expected_tenant: str | None = None
    ) -> SessionStats:
        """
        Return a session in figures.
        """
        return await self.behind.get_session_stats(
            session_id, expected_tenant=expected_tenant
        )

    @takes_arguments_of(QueryAPI.search_runs)
    async def search_runs(self, **filters: Any) -> Page[Run]:
        """
        Find runs of all sessions.
        """
        return await self._page(await self.behind.search_runs(**filters))

    @takes_arguments_of(QueryAPI.get_usage_summary)
    async def get_usage_summary(self, **filters: Any) -> UsageSummary:
        """
        Add up what runs consumed.
        """
        return await self.behind.get_usage_summary(**filters)

    @takes_arguments_of(QueryAPI.get_cost_summary)
    async def get_cost_summary(self, **filters: Any) -> CostSummary:
        """
        Add up what runs cost.
        """
        return await self.behind.get_cost_summary(**filters)

    @takes_arguments_of(QueryAPI.search_events)
    async def search_events(self, **filters: Any) -> Page[Event]:
        """
        Find events of all sessions.
        """
        return await self._page(await self.behind.search_events(**filters))

    @takes_arguments_of(QueryAPI.count_events)
    async def count_events(self, **filters: Any) -> int:
        """
        Count what :meth:`search_events` would find on all pages.
        """
        return await self.behind.count_events(**filters)

    async def export_session(
        self, session_id: str, *, expected_tenant: str | None = None
    ) -> SessionExport:
        """
        Return a session with all it has.
        """
        stored = await self.behind.export_session(
            session_id, expected_tenant=expected_tenant
        )
        return await decoded_export(stored, self._coding)

    @takes_arguments_of(QueryAPI.export_sessions)
    async def export_sessions(
        self,
        writer: ExportWriter,
        *,
        progress: Callable[[ExportReport], object] | None,
        **filters: Any,
    ) -> ExportReport:
        """
        Write sessions with all they have, one JSON object a line.
        """
        check_writer(writer)
        progress = optional_callable(progress, "progress")
        decoding = DecodingWriter(writer, self._coding)

        def told(report: ExportReport) -> object:
            return progress and progress(decoding.report(report))

        report = await self.behind.export_sessions(decoding, progress=told, **filters)
        return decoding.report(report)

    @takes_arguments_of(QueryAPI.import_sessions)
    async def import_sessions(
        self,
        reader: ImportReader,
        *,
        max_line_bytes: int,
        progress: Callable[[ImportReport], object] | None,
    ) -> ImportReport:
        """
        Store the sessions of an export that are not here yet.
        """
        reader = checked_reader(reader)
        longest = fields.positive_count(max_line_bytes, "max_line_bytes")
        progress = optional_callable(progress, "progress")
        stored_longest = _MAX_GROWTH * max(longest, MAX_LINE_BYTES)
        coding = self._coding
        if not coding.coder.registers_artifacts:
            try:
                return await self.behind.import_sessions(
                    changed_export(reader, coding.encoded, max_line_bytes=longest),
                    max_line_bytes=stored_longest,
                    progress=progress,
                )
            except ConflictError as error:
                await self._check_difference(error.__cause__)
                raise
        added = AddedLines()

        def told(report: ImportReport) -> object:
            report = added.report(report)
            return progress and progress(report)

        try:
            report = await self.behind.import_sessions(
                encoded_import(reader, coding, added, max_line_bytes=longest),
                max_line_bytes=stored_longest,
                progress=told,
            )
        except ValidationError as error:
            raise added.error(error) from error.__cause__
        return added.report(report)

    async def _check_difference(self, cause: BaseException | None) -> None:
        """
        Raise a conflict of items once more, with the field that callers see differ.
        """
        if isinstance(cause, DifferingItemError):
            decoded = await self._coding.decoded([cause.given, cause.stored])
            check_item_of_none(*decoded)

    async def _page(self, page: Page[V]) -> Page[V]:
        return attrs.evolve(page, items=tuple(await self._coding.shown(page.items)))
