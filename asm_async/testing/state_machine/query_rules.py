"""
The rules of the query API.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any, get_args

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from asm_async.ports.query_api import (
    EventOrder,
    RunOrder,
    SessionOrder,
    TimeBucket,
    UsageDimension,
)
from asm_async.testing.factories import NOON
from asm_async.testing.state_machine.choices import (
    EVENT_TYPES,
    RUN_IDS,
    RUN_STATUSES,
    SESSION_IDS,
    SESSION_STATUSES,
    TEXTS,
    TIMES,
    Fields,
    some_of,
)
from asm_async.testing.state_machine.twins import TwinMachine
from asm_async.values.session_export import SessionExport

__all__ = ["QueryRules"]

_PAGE_SIZES = st.integers(-1, 3)
_EVENT_FILTERS: Mapping[str, st.SearchStrategy[Any]] = {
    "session_ids": st.lists(SESSION_IDS, max_size=2),
    "run_ids": st.lists(RUN_IDS, max_size=2),
    "types": st.lists(EVENT_TYPES, max_size=2),
    "providers": st.lists(TEXTS, max_size=2),
    "since": TIMES,
    "until": TIMES,
    "correlation_id": TEXTS,
    "tenant_id": TEXTS,
    "user_id": TEXTS,
}
_USAGE_FILTERS = some_of(
    session_id=SESSION_IDS,
    agent_id=TEXTS,
    tenant_id=TEXTS,
    user_id=TEXTS,
    provider=TEXTS | st.just("unknown"),
    since=TIMES,
    until=TIMES,
    bucket=st.sampled_from(get_args(TimeBucket)),
    group_by=st.lists(st.sampled_from(get_args(UsageDimension)), max_size=3),
)


def _order(orders: Any) -> st.SearchStrategy[str]:
    return st.sampled_from(get_args(orders))


def _without_times_of_items(export: SessionExport) -> SessionExport:
    items = tuple(attrs.evolve(item, updated_at=NOON) for item in export.items)
    return attrs.evolve(export, items=items)


class QueryRules(TwinMachine):
    """
    Searches, from page to page, and sums.
    """

    @precondition(lambda self: self.has("query_api"))
    @rule(
        filters=some_of(
            agent_id=TEXTS,
            tenant_id=TEXTS,
            user_id=TEXTS,
            status=st.lists(SESSION_STATUSES, max_size=2),
            provider=TEXTS,
            tags=st.lists(TEXTS, max_size=2),
            parent_session_id=SESSION_IDS,
            created_after=TIMES,
            created_before=TIMES,
            include_deleted=st.booleans(),
            with_context=st.booleans(),
            order_by=_order(SessionOrder),
            count_total=st.booleans(),
        ),
        limit=_PAGE_SIZES,
    )
    def search_sessions(self, filters: Fields, limit: int) -> None:
        """
        Search sessions.
        """
        self._search("search_sessions", filters, limit)

    @precondition(lambda self: self.has("query_api"))
    @rule(
        filters=some_of(
            session_id=SESSION_IDS,
            agent_id=TEXTS,
            tenant_id=TEXTS,
            user_id=TEXTS,
            provider=TEXTS,
            status=st.lists(RUN_STATUSES, max_size=2),
            started_after=TIMES,
            started_before=TIMES,
            min_tokens=st.integers(0, 4),
            order_by=_order(RunOrder),
        ),
        limit=_PAGE_SIZES,
    )
    def search_runs(self, filters: Fields, limit: int) -> None:
        """
        Search runs.
        """
        self._search("search_runs", filters, limit)

    @precondition(lambda self: self.has("query_api"))
    @rule(
        filters=some_of(**_EVENT_FILTERS, order_by=_order(EventOrder)),
        limit=_PAGE_SIZES,
    )
    def search_events(self, filters: Fields, limit: int) -> None:
        """
        Search events.
        """
        self._search("search_events", filters, limit)

    @precondition(lambda self: self.has("query_api"))
    @rule(filters=some_of(**_EVENT_FILTERS))
    def count_events(self, filters: Fields) -> None:
        """
        Count events.
        """
        self.both("query_api", "count_events", **filters)

    @precondition(lambda self: self.has("query_api"))
    @rule(session_id=SESSION_IDS, options=some_of(expected_tenant=TEXTS))
    def get_session_stats(self, session_id: str, options: Fields) -> None:
        """
        See a session in figures.
        """
        self.both("query_api", "get_session_stats", session_id, **options)

    @precondition(lambda self: self.has("query_api"))
    @rule(filters=_USAGE_FILTERS)
    def get_usage_summary(self, filters: Fields) -> None:
        """
        Add up what runs consumed.
        """
        self.both("query_api", "get_usage_summary", **filters)

    @precondition(lambda self: self.has("query_api"))
    @rule(filters=_USAGE_FILTERS)
    def get_cost_summary(self, filters: Fields) -> None:
        """
        Add up what runs cost.
        """
        self.both("query_api", "get_cost_summary", **filters)

    @precondition(lambda self: self.has("query_api"))
    @rule(session_id=SESSION_IDS, options=some_of(expected_tenant=TEXTS))
    def export_session(self, session_id: str, options: Fields) -> None:
        """
        Export a session.
        """
        seen_as = _without_times_of_items
        self.both("query_api", "export_session", session_id, seen_as=seen_as, **options)

    def _search(self, method: str, filters: Fields, limit: int) -> None:
        # Each has its own clock, whose times stand in the cursors of this order: what
        # is behind the first page is left to the contract suite.
        is_by_activity = filters.get("order_by") == "last_activity_desc"
        seen_as = attrgetter("items", "total_count") if is_by_activity else None
        cursor: str | None = None
        while True:
            options: Fields = {**filters, "limit": limit, "cursor": cursor}
            page = self.both("query_api", method, seen_as=seen_as, **options)
            if is_by_activity:
                return
            cursor = None if page is None else page.cursor
            if cursor is None:
                return
