"""
The statements with which events are searched, page by page, and counted.

What is chosen by type or time is chosen in an index that holds the keys of all orders:
the rows are read last, and only those of the page.
"""

from __future__ import annotations

from collections.abc import Collection
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
    equals,
    first_of,
    merged_page,
    number_of,
    page_of,
    rows_of,
)

__all__ = ["is_selective", "number_of_events", "page_of_events"]

# So many events are rather sorted for a page than that the whole log is gone through.
_FEW: Final = 20_000

_MAX_TYPES_TO_MERGE: Final = 32

# What indexes of many events begin with.
_KEYS: Final = frozenset({"session_id", "type", "timestamp"})

_Page = sa.Select[Any] | sa.CompoundSelect[Any]


def page_of_events(
    wanted: EventSearch, paging: Paging, dialect: Dialect, *, is_sorted: bool
) -> _Page:
    """
    Select a page of the events that match.

    Args:
        wanted: Which events.

        paging: Which page.

        dialect: How the database does things.

        is_sorted: Whether to sort all that match: what :func:`is_selective` gives.
    """
    if is_sorted:
        return _sorted_page(wanted, paging, dialect)
    if _is_merged(wanted, paging):
        return _merged_page(wanted, paging, dialect)
    if paging.behind is not None and _is_of_sessions(wanted, paging):
        return _page_within_sessions(wanted, paging, dialect)
    return page_of(_gone_through(wanted, paging, dialect), events, paging)


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
    wanted: EventSearch, dialect: Dialect, *, without_index: Collection[str] = ()
) -> sa.Select[Any]:
    """
    Select the events that match, in any order.

    Args:
        wanted: Which events.

        dialect: How the database does things.

        without_index: Names of columns by which no rows are to be found.
    """
    if _is_narrowed(wanted):
        without_index = {"type", "timestamp", *without_index}
    c = {
        name: dialect.without_index(column) if name in without_index else column
        for name, column in events.c.items()
    }
    query = sa.select(events).where(
        *equals(c["correlation_id"], wanted.correlation_id),
        *_is_one_of(c["session_id"], wanted.session_ids, dialect),
        *_is_one_of(c["run_id"], wanted.run_ids, dialect),
        *_is_one_of(c["type"], wanted.types, dialect),
        *_is_one_of(c["provider"], wanted.providers, dialect),
    )
    if wanted.since is not None:
        query = query.where(c["timestamp"] >= wanted.since)
    if wanted.until is not None:
        query = query.where(c["timestamp"] < wanted.until)
    return query.where(
        *belongs_to(c["session_id"], sessions.c.tenant_id, wanted.tenant_id)
    )


def _is_by_session(paging: Paging) -> bool:
    return next(iter(paging.order.key)) == "session_id"


def _is_narrowed(wanted: EventSearch) -> bool:
    """
    Tell whether fewer events are to be expected than are of a type, or in a time.
    """
    narrow = (wanted.session_ids, wanted.run_ids, wanted.correlation_id)
    return any(value is not None for value in narrow)


def _is_merged(wanted: EventSearch, paging: Paging) -> bool:
    """
    Tell whether a page is put together from a page of each type.
    """
    return (
        not _is_by_session(paging)
        and not _is_narrowed(wanted)
        and 1 <= len(wanted.types or ()) <= _MAX_TYPES_TO_MERGE
    )


def _is_of_sessions(wanted: EventSearch, paging: Paging) -> bool:
    """
    Tell whether a page goes from session to session.
    """
    is_theirs = wanted.session_ids or wanted.tenant_id is not None
    return _is_by_session(paging) and bool(is_theirs)


def _found_by(wanted: EventSearch, paging: Paging) -> EventSearch:
    """
    Give the filters by which events could be found, to be sorted then.
    """
    if not _is_by_session(paging):
        if wanted.tenant_id is not None:
            return EventSearch(tenant_id=wanted.tenant_id)
        if wanted.types is None or _is_merged(wanted, paging):
            return EventSearch()
    return EventSearch(types=wanted.types, since=wanted.since, until=wanted.until)


def _merged_page(wanted: EventSearch, paging: Paging, dialect: Dialect) -> _Page:
    of_each = [
        _gone_through(attrs.evolve(wanted, types=[type_]), paging, dialect, "type")
        for type_ in wanted.types or ()
    ]
    return merged_page(of_each, events, paging)


def _sorted_page(wanted: EventSearch, paging: Paging, dialect: Dialect) -> _Page:
    """
    Find the keys of all that match, and sort them.

    The offset keeps both databases from looking at the order, or at where the page
    begins, before they are found.
    """
    used = (
        {"session_id"} if _found_by(wanted, paging).tenant_id else {"type", "timestamp"}
    )
    key = [events.c[name] for name in paging.order.key]
    query = _matching_events(wanted, dialect, without_index=_KEYS - used)
    found = query.with_only_columns(*key).offset(0).subquery()
    return rows_of(first_of(found, paging), events, paging)


def _gone_through(
    wanted: EventSearch, paging: Paging, dialect: Dialect, *used: str
) -> sa.Select[Any]:
    """
    Select the events that match, to be looked at in order.
    """
    if _is_narrowed(wanted):
        return _matching_events(wanted, dialect)
    first = next(iter(paging.order.key))
    return _matching_events(wanted, dialect, without_index=_KEYS - {first, *used})


def _page_within_sessions(
    wanted: EventSearch, paging: Paging, dialect: Dialect
) -> _Page:
    """
    Select a page in the order of given sessions, or of those of a tenant.

    It begins within one of them and goes on with those behind it: two ranges, which the
    databases would not see in one condition.
    """
    last_session, last_number = paging.behind or ("", 0)
    here = attrs.evolve(wanted, session_ids=[str(last_session)])
    parts = [
        _gone_through(here, paging, dialect).where(
            events.c.sequence_number > last_number
        )
    ]
    if wanted.session_ids is None:
        is_later = sessions.c.id > last_session
        later = belongs_to(
            events.c.session_id, sessions.c.tenant_id, wanted.tenant_id, is_later
        )
        others = attrs.evolve(wanted, tenant_id=None)
        parts.append(_gone_through(others, paging, dialect).where(*later))
    elif ids := [id_ for id_ in wanted.session_ids if id_ > str(last_session)]:
        others = attrs.evolve(wanted, session_ids=ids)
        parts.append(_gone_through(others, paging, dialect))
    first_page = attrs.evolve(paging, behind=None)
    pages = [page_of(part, events, first_page) for part in parts]
    if len(pages) == 1:
        return pages[0]
    both = sa.union_all(*(sa.select(page.subquery()) for page in pages))
    return both.order_by(*paging.order.key).limit(paging.needed)


def _is_one_of(
    column: sa.ColumnElement[str], values: Collection[str] | None, dialect: Dialect
) -> Conditions:
    if values is None:
        return []
    if len(values) == 1:
        return equals(column, *values)
    return [dialect.is_one_of(column, values)]
