"""
A query API over several primaries.
"""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import aclosing
from itertools import chain
from typing import TypeVar

from asm_async.fronts.loop_share import in_steps
from asm_async.fronts.paging import Paging
from asm_async.fronts.query_api import QueryAPIFront, SearchPage
from asm_async.fronts.query_filters import EventSearch, RunSearch, UsageFilter
from asm_async.fronts.usage_groups import RunGroup
from asm_async.ports.history_transfer import ExportWriter, ImportReader
from asm_async.sharding.router import Router
from asm_async.sharding.routing import (
    Shards,
    always,
    everywhere,
    never,
    on_shard,
    total,
)
from asm_async.sql.query_api import SQLQueryAPI
from asm_async.sql.transactions.transaction import Transactions
from asm_async.sql.transfer.exports import export_lines, lines_of_items
from asm_async.sql.transfer.imported_items import import_items
from asm_async.sql.transfer.imports import import_session
from asm_async.transfer.export_stream import write_export
from asm_async.transfer.import_stream import read_import
from asm_async.transfer.incoming_session import IncomingSession
from asm_async.transfer.spool import Chunk
from asm_async.values.event import Event
from asm_async.values.page import Page
from asm_async.values.run import Run
from asm_async.values.session import Session
from asm_async.values.state_item import StateItem
from asm_async.values.transfer_reports import ExportReport, ImportReport

V = TypeVar("V", bound=Session | Run | Event)


def _ids_of(
    wanted: EventSearch | RunSearch | UsageFilter, *_: object, **__: object
) -> Iterable[str] | None:
    if isinstance(wanted, EventSearch):
        return wanted.session_ids
    return None if wanted.session_id is None else (wanted.session_id,)


def _chained(
    groups: Iterable[Collection[RunGroup]], *_: object, **__: object
) -> list[RunGroup]:
    return [*chain(*groups)]


def _revision_of(item: Session | Run | Event) -> int:
    # Events never change.
    return 0 if isinstance(item, Event) else item.revision


def _identity_of(item: Session | Run | Event) -> tuple[str, str]:
    # The ids of runs and events are unique within a shard, or a session.
    return ("" if isinstance(item, Session) else item.session_id), item.id


def _merged(
    pages: Sequence[Page[V]], _: object, paging: Paging, **__: object
) -> Page[V]:
    """
    Merge the pages that several primaries have behind the same place.

    A cursor names the last item of its page by what it is ordered by, so that each
    primary can go on from there, whether it has that item or not.
    """
    # What is being moved may be on two of them; the older is a copy.
    every = sorted(chain(*(page.items for page in pages)), key=_revision_of)
    found = {_identity_of(item): item for item in every}
    order = paging.order
    items: list[V] = sorted(
        found.values(), key=order.key_of, reverse=order.is_descending
    )
    has_more = any(page.cursor is not None for page in pages)
    # One more item than the page holds shows that there is another page.
    more: list[V] = items[-1:] if has_more and len(items) == paging.limit else []
    counts = [page.total_count for page in pages if page.total_count is not None]
    return paging.page([*items, *more], sum(counts) if counts else None)


class ShardedQueryAPI(QueryAPIFront):
    """
    A :class:`~asm_async.ports.query_api.QueryAPI` over several primaries.

    Searches and sums ask all primaries at once and merge what they answer; each answers
    from one moment of its own. While a shard is being moved a session may be counted
    twice for the moment in which it is on both primaries; no page shows it twice.

    Args:
        router: Knows where each shard is.

        queries: The primaries' query APIs, by name.
    """

    def __init__(self, router: Router, queries: Mapping[str, SQLQueryAPI]) -> None:
        self._shards = Shards(router, queries)

    _search_sessions = everywhere(SQLQueryAPI._search_sessions, _merged)
    _search_runs = everywhere(SQLQueryAPI._search_runs, _merged, _ids_of)
    _search_events = everywhere(SQLQueryAPI._search_events, _merged, _ids_of)
    _get_session_stats = on_shard(SQLQueryAPI._get_session_stats, is_final=never)
    _export_session = on_shard(SQLQueryAPI._export_session, is_final=never)
    _group_usage = everywhere(SQLQueryAPI._group_usage, _chained, _ids_of)
    _group_costs = everywhere(SQLQueryAPI._group_costs, _chained, _ids_of)
    _count_events = everywhere(SQLQueryAPI._count_events, total, _ids_of)

    def _transactions(self, name: str) -> Transactions:
        return self._shards.router.primaries[name].transactions

    async def _export_sessions(
        self,
        writer: ExportWriter,
        search: SearchPage,
        *,
        include_deleted: bool,
        with_items_of_none: bool,
        progress: Callable[[ExportReport], object] | None,
    ) -> ExportReport:
        router, transactions = self._shards.router, self._transactions

        async def lines_of(session_id: str) -> AsyncGenerator[Chunk]:
            name, is_there = "", False
            # If it was not there, it may have been moved meanwhile.
            while not is_there and name != (name := await router.home(session_id)):
                lines = export_lines(
                    transactions(name), session_id, include_deleted=include_deleted
                )
                async with aclosing(lines) as chunks:
                    async for chunk in chunks:
                        is_there = True
                        yield chunk

        async def items() -> AsyncGenerator[Chunk]:
            for primary in router.primaries.values():
                async with aclosing(lines_of_items(primary.transactions)) as chunks:
                    async for chunk in chunks:
                        yield chunk

        return await write_export(
            writer, search, lines_of, items if with_items_of_none else None, progress
        )

    async def _import_sessions(
        self,
        reader: ImportReader,
        max_line_bytes: int,
        progress: Callable[[ImportReport], object] | None,
    ) -> ImportReport:
        router, transactions = self._shards.router, self._transactions

        async def store(incoming: IncomingSession) -> bool:
            return await router.run(
                incoming.head.session.id,
                lambda name: import_session(transactions(name), incoming),
                always,
            )

        async def store_items(items: Sequence[StateItem]) -> int:
            by_scope: dict[str, list[StateItem]] = {}
            for item in items:
                by_scope.setdefault(item.scope, []).append(item)
            count = 0
            for scope, of_scope in by_scope.items():

                async def store_there(
                    name: str, items: Sequence[StateItem] = of_scope
                ) -> int:
                    return await import_items(transactions(name), items)

                count += await router.run(scope, store_there, always)
            return count

        return await read_import(
            reader,
            store,
            store_items,
            max_line_bytes=max_line_bytes,
            progress=progress,
            do_steps=in_steps,
        )
