"""
The statements with which events are searched, page by page, and counted.

A page is found in one of three ways. The usual one goes through the index that has the
order, and filters. Of a few types a page is merged from a page of each, since their
index has the order for one type. And where a filter leaves few events, in an index that
has not the order, all of them are found and sorted: without that, a type that is rare
would have the whole log gone through (of 100,000 events, 230 ms where 1.5 will do).

Rows are read last, and only those of the page. On SQLite their keys stand in the
indexes; those of PostgreSQL have the time alone, and what is equal in it is put in
order as it is read (an incremental sort).
"""

from __future__ import annotations

from collections.abc import Collection
from operator import eq, ge, lt
from typing import Any, Final

import attrs
import sqlalchemy as sa

from asm_async.fronts.paging import Paging
from asm_async.fronts.query_filters import EventSearch
from asm_async.sql.core.tables import events, sessions
from asm_async.sql.dialects import Dialect
from asm_async.sql.search.search_queries import (
    Conditions,
    belongs_to,
    first_of,
    given,
    is_one_of,
    merged_page,
    number_of,
    page_of,
    rows_of,
)

# So many events are rather sorted for a page than that the whole log is gone through.
_FEW: Final = 20_000

_MAX_TYPES_TO_MERGE: Final = 32

# What indexes of many events begin with.
_KEYS: Final = frozenset({"session_id", "type", "timestamp"})


def page_of_events(
    wanted: EventSearch, paging: Paging, dialect: Dialect, *, is_sorted: bool
) -> sa.Select[Any]:
    """
    Select a page of the events that match, sorting all of them where *is_sorted*.
    """
    if is_sorted:
        return _sorted_page(wanted, paging, dialect)
    if _is_merged(wanted, paging):
        of_each = [
            _in_order(attrs.evolve(wanted, types=[type_]), paging, dialect, "type")
            for type_ in wanted.types or ()
        ]
        return merged_page(of_each, events, paging)
    query = _in_order(wanted, paging, dialect)
    if wanted.run_ids is not None and dialect.sorts_runs:
        # Of a long run keys are sorted in memory, where whole rows have no room.
        return merged_page([query], events, paging)
    return page_of(query, events, paging)


def is_selective(
    wanted: EventSearch, paging: Paging, dialect: Dialect
) -> sa.Select[bool] | None:
    """
    Ask whether an index that has not the order leaves few events to choose a page from.

    None where there is no such index, or a page is found by a filter that fewer events
    match.
    """
    found_by = _found_by(wanted, paging)
    if _is_narrowed(wanted) or found_by == EventSearch():
        return None
    some = _matching_events(found_by, dialect).with_only_columns(events.c.session_id)
    counted = some.limit(_FEW + 1).subquery()
    return sa.select(sa.func.count() <= _FEW).select_from(counted)


def number_of_events(wanted: EventSearch, dialect: Dialect) -> sa.Select[int]:
    """
    Count the events that match.
    """
    return number_of(_matching_events(wanted, dialect))


def _matching_events(
    wanted: EventSearch,
    dialect: Dialect,
    *,
    without_index: Collection[str] = (),
    first_session: str | None = None,
) -> sa.Select[Any]:
    """
    Select the events that match, in any order.

    None are found by the columns *without_index*. Sessions of a tenant or user that
    stand before *first_session* are left out.
    """
    if _is_narrowed(wanted):
        # Fewer events are of these sessions or runs than of a type, or in a time.
        without_index = {"type", "timestamp"}
    c = {
        name: dialect.without_index(column) if name in without_index else column
        for name, column in events.c.items()
    }
    later = [] if first_session is None else [sessions.c.id >= first_session]
    return sa.select(events).where(
        *given(eq, c["correlation_id"], wanted.correlation_id),
        *is_one_of(c["session_id"], wanted.session_ids, dialect),
        *is_one_of(c["run_id"], wanted.run_ids, dialect),
        *is_one_of(c["type"], wanted.types, dialect),
        *is_one_of(c["provider"], wanted.providers, dialect),
        *given(ge, c["timestamp"], wanted.since),
        *given(lt, c["timestamp"], wanted.until),
        *belongs_to(c["session_id"], sessions.c.tenant_id, wanted.tenant_id, *later),
        *belongs_to(c["session_id"], sessions.c.user_id, wanted.user_id, *later),
    )


def _is_by_session(paging: Paging) -> bool:
    return next(iter(paging.order.key)) == "session_id"


def _is_narrowed(wanted: EventSearch) -> bool:
    """
    Return whether to expect fewer events than are of a type, or in a time.
    """
    narrow = (wanted.session_ids, wanted.run_ids, wanted.correlation_id)
    return any(value is not None for value in narrow)


def _has_owner(wanted: EventSearch) -> bool:
    return wanted.tenant_id is not None or wanted.user_id is not None


def _is_merged(wanted: EventSearch, paging: Paging) -> bool:
    return (
        not _is_by_session(paging)
        and not _is_narrowed(wanted)
        and 1 <= len(wanted.types or ()) <= _MAX_TYPES_TO_MERGE
    )


def _found_by(wanted: EventSearch, paging: Paging) -> EventSearch:
    """
    Return the filters by which events could be found, to be sorted then.
    """
    if not _is_by_session(paging):
        if _has_owner(wanted):
            return EventSearch(tenant_id=wanted.tenant_id, user_id=wanted.user_id)
        if wanted.types is None or _is_merged(wanted, paging):
            return EventSearch()
    return EventSearch(types=wanted.types, since=wanted.since, until=wanted.until)


def _sorted_page(
    wanted: EventSearch, paging: Paging, dialect: Dialect
) -> sa.Select[Any]:
    """
    Find the keys of all that match, and sort them.

    The offset keeps both databases from looking at the order, or at where the page
    begins, before they are found.
    """
    by_owner = _has_owner(_found_by(wanted, paging))
    used = {"session_id"} if by_owner else {"type", "timestamp"}
    key = [events.c[name] for name in paging.order.key]
    query = _matching_events(wanted, dialect, without_index=_KEYS - used)
    found = query.with_only_columns(*key).offset(0).subquery()
    return rows_of(first_of(found, paging), events, paging)


def _in_order(
    wanted: EventSearch, paging: Paging, dialect: Dialect, *used: str
) -> sa.Select[Any]:
    """
    Select the events that match, to be found by the index that has the order.

    The databases do not see that the place of a page rules out the sessions before it:
    these are left out here. Nor do they begin within the page's first session, but
    where it is the only one: they pass the keys of its earlier events, a thousand in
    0.1 ms.
    """
    first_session: str | None = None
    begins_within: Conditions = []
    if _is_by_session(paging) and paging.behind is not None:
        place, number = paging.behind
        first_session = str(place)
        if wanted.session_ids is not None:
            later = [id_ for id_ in wanted.session_ids if id_ >= first_session]
            wanted = attrs.evolve(wanted, session_ids=later)
            if later == [first_session]:
                begins_within = [events.c.sequence_number > number]
    query = _matching_events(
        wanted,
        dialect,
        without_index=_KEYS - {next(iter(paging.order.key)), *used},
        first_session=first_session,
    )
    return query.where(*begins_within)
