"""
The statements with which sessions, runs and events are searched, page by page.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, TypeAlias

import attrs
import sqlalchemy as sa

from asm_async.ports.paging import Paging
from asm_async.ports.query_arguments import EventSearch, RunSearch, SessionSearch
from asm_async.sql.dialects import Dialect
from asm_async.sql.tables import events, runs, session_tags, sessions

__all__ = [
    "Conditions",
    "belongs_to",
    "equals",
    "matching_events",
    "matching_sessions",
    "number_of",
    "page_of_events",
    "page_of_runs",
    "page_of_sessions",
]

Conditions: TypeAlias = list[sa.ColumnElement[bool]]


def page_of_sessions(wanted: SessionSearch, paging: Paging) -> sa.Select[Any]:
    """
    Select a page of the sessions that match.
    """
    return _page(matching_sessions(wanted), sessions, paging)


def page_of_runs(wanted: RunSearch, paging: Paging, dialect: Dialect) -> sa.Select[Any]:
    """
    Select a page of the runs that match.
    """
    narrowed = [
        *equals(runs.c.provider, wanted.provider),
        *_is_one_of(runs.c.status, wanted.statuses),
    ]
    if "started_at" not in paging.order.key:
        # By the index of a provider or a status they come in order of time: all of
        # them would have to be sorted for each page.
        narrowed = [dialect.passed_over(condition) for condition in narrowed]
    query = sa.select(runs).where(
        *equals(runs.c.session_id, wanted.session_id),
        *narrowed,
        *_is_after(runs.c.started_at, wanted.started_after),
        *_is_before(runs.c.started_at, wanted.started_before),
    )
    if wanted.min_tokens is not None:
        query = query.where(runs.c.total_tokens >= wanted.min_tokens)
    query = query.where(
        *belongs_to(runs.c.session_id, sessions.c.agent_id, wanted.agent_id),
        *belongs_to(runs.c.session_id, sessions.c.tenant_id, wanted.tenant_id),
    )
    return _page(query, runs, paging)


def page_of_events(
    wanted: EventSearch, paging: Paging, dialect: Dialect
) -> sa.Select[Any] | sa.CompoundSelect[Any]:
    """
    Select a page of the events that match.

    In the order of given sessions a page begins within one of them and goes on with
    those behind it: two ranges, which the databases would not see in one condition.
    """
    is_by_session = next(iter(paging.order.key)) == "session_id"
    if paging.behind is None or wanted.session_ids is None or not is_by_session:
        return _page(matching_events(wanted, dialect), events, paging)
    last_session, last_number = paging.behind
    later = [id_ for id_ in wanted.session_ids if id_ > str(last_session)]
    here = attrs.evolve(wanted, session_ids=[str(last_session)])
    parts = [
        matching_events(here, dialect).where(events.c.sequence_number > last_number),
        matching_events(attrs.evolve(wanted, session_ids=later), dialect),
    ]
    first_page = attrs.evolve(paging, behind=None)
    pages = [_page(part, events, first_page) for part in parts]
    if not later:
        return pages[0]
    both = sa.union_all(*(sa.select(page.subquery()) for page in pages))
    return both.order_by(*paging.order.key).limit(paging.needed)


def matching_sessions(wanted: SessionSearch) -> sa.Select[Any]:
    """
    Select the sessions that match, in any order.

    A tag is a row that is joined, so that the search may begin at it; a provider may
    have many runs in a session, so that one is looked for in each.
    """
    query = sa.select(sessions).where(
        *equals(sessions.c.agent_id, wanted.agent_id),
        *equals(sessions.c.tenant_id, wanted.tenant_id),
        *equals(sessions.c.parent_session_id, wanted.parent_session_id),
        *_is_one_of(sessions.c.status, wanted.statuses),
        *_is_after(sessions.c.created_at, wanted.created_after),
        *_is_before(sessions.c.created_at, wanted.created_before),
    )
    for tag in wanted.tags:
        tagged = session_tags.alias()
        query = query.join(tagged, tagged.c.session_id == sessions.c.id)
        query = query.where(tagged.c.tag == tag)
    if wanted.provider is not None:
        is_theirs = runs.c.session_id == sessions.c.id
        ran = sa.exists().where(is_theirs, runs.c.provider == wanted.provider)
        query = query.where(ran)
    if not wanted.include_deleted:
        query = query.where(sessions.c.deleted_at.is_(None))
    return query


def matching_events(wanted: EventSearch, dialect: Dialect) -> sa.Select[Any]:
    """
    Select the events that match, in any order.
    """
    columns = {
        events.c.session_id: wanted.session_ids,
        events.c.run_id: wanted.run_ids,
        events.c.type: wanted.types,
        events.c.provider: wanted.providers,
    }
    query = sa.select(events).where(
        *equals(events.c.correlation_id, wanted.correlation_id),
        *_is_before(events.c.timestamp, wanted.until),
    )
    for column, values in columns.items():
        if values is not None and len(values) == 1:
            query = query.where(*equals(column, *values))
        elif values is not None:
            query = query.where(dialect.is_one_of(column, values))
    if wanted.since is not None:
        query = query.where(events.c.timestamp >= wanted.since)
    return query.where(
        *belongs_to(events.c.session_id, sessions.c.tenant_id, wanted.tenant_id)
    )


def number_of(matching: sa.Select[Any]) -> sa.Select[int]:
    """
    Count rows instead of selecting them.
    """
    return matching.with_only_columns(sa.func.count(), maintain_column_froms=True)


def belongs_to(
    session_id: sa.ColumnElement[str], owner: sa.ColumnElement[Any], value: str | None
) -> Conditions:
    """
    Let through what belongs to sessions whose *owner* column has this value, if any.
    """
    if value is None:
        return []
    return [session_id.in_(sa.select(sessions.c.id).where(owner == value))]


def _page(query: sa.Select[Any], table: sa.Table, paging: Paging) -> sa.Select[Any]:
    """
    Put *query* in order and begin it behind the page before.

    A key is compared as a whole, which both databases turn into one range of an index.
    """
    columns = [table.c[name] for name in paging.order.key]
    if paging.behind is not None:
        parts = zip(paging.behind, columns, strict=True)
        behind = sa.tuple_(*(sa.literal(part, column.type) for part, column in parts))
        key = sa.tuple_(*columns)
        is_descending = paging.order.is_descending
        query = query.where(key < behind if is_descending else key > behind)
    directed = [c.desc() if paging.order.is_descending else c.asc() for c in columns]
    return query.order_by(*directed).limit(paging.needed)


def equals(column: sa.ColumnElement[Any], value: str | None) -> Conditions:
    """
    Let through what has this value, if any.
    """
    return [] if value is None else [column == value]


def _is_one_of(
    column: sa.ColumnElement[Any], values: Collection[str] | None
) -> Conditions:
    if values is None:
        return []
    return equals(column, *values) if len(values) == 1 else [column.in_(values)]


def _is_after(column: sa.ColumnElement[Any], time: datetime | None) -> Conditions:
    return [] if time is None else [column > time]


def _is_before(column: sa.ColumnElement[Any], time: datetime | None) -> Conditions:
    return [] if time is None else [column < time]
