"""
The statements with which sessions and runs are searched, page by page.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from operator import eq, ge, gt, lt
from typing import Any, TypeAlias, TypeVar

import attrs
import sqlalchemy as sa

from asm_async.fronts.paging import Paging
from asm_async.fronts.query_filters import RunSearch, SessionSearch
from asm_async.sql.core.column_types import is_behind
from asm_async.sql.core.rows import SESSION_COLUMNS, columns_of
from asm_async.sql.core.tables import runs, session_tags, sessions
from asm_async.sql.dialects import Dialect

S = TypeVar("S", SessionSearch, RunSearch)

Conditions: TypeAlias = list[sa.ColumnElement[bool]]


def page_of_sessions(wanted: SessionSearch, paging: Paging) -> sa.Select[Any]:
    """
    Select a page of the sessions that match.

    Where several statuses are all that narrows it, the page is merged from one of each:
    the index has the order for one status. SQLite would sort all that have one of them
    (of 100,000 runs, 240 ms where 2 will do), or go through all for a rare one.
    """
    owners = (wanted.agent_id, wanted.tenant_id, wanted.user_id)
    narrow = (*owners, wanted.parent_session_id)
    is_narrowed = bool(wanted.tags) or any(value is not None for value in narrow)
    return _page(wanted, paging, sessions, matching_sessions, is_merged=not is_narrowed)


def page_of_runs(wanted: RunSearch, paging: Paging, dialect: Dialect) -> sa.Select[Any]:
    """
    Select a page of the runs that match.
    """
    owners = (wanted.agent_id, wanted.tenant_id, wanted.user_id)
    narrow = (*owners, wanted.session_id, wanted.provider)
    is_narrowed = any(value is not None for value in narrow)
    is_by_time = "started_at" in paging.order.key
    matching = partial(_matching_runs, dialect=dialect, is_by_time=is_by_time)
    is_merged = is_by_time and not is_narrowed
    return _page(wanted, paging, runs, matching, is_merged=is_merged)


def _page(
    wanted: S,
    paging: Paging,
    table: sa.Table,
    matching: Callable[[S], sa.Select[Any]],
    *,
    is_merged: bool,
) -> sa.Select[Any]:
    statuses = wanted.status or ()
    if not is_merged or len(statuses) <= 1:
        return page_of(matching(wanted), table, paging)
    each = [attrs.evolve(wanted, status=[status]) for status in statuses]
    return merged_page([matching(one) for one in each], table, paging)


def _matching_runs(
    wanted: RunSearch, dialect: Dialect, *, is_by_time: bool
) -> sa.Select[Any]:
    provider: sa.ColumnElement[Any] = runs.c.provider
    status: sa.ColumnElement[Any] = runs.c.status
    if wanted.session_id is not None or not is_by_time:
        # There are many of a provider or a status; the indexes have them by time, so
        # that in order of tokens all of them would have to be sorted for each page.
        provider, status = (
            dialect.without_index(provider),
            dialect.without_index(status),
        )
    return sa.select(runs).where(
        *given(eq, runs.c.session_id, wanted.session_id),
        *given(eq, provider, wanted.provider),
        *is_one_of(status, wanted.status),
        *given(gt, runs.c.started_at, wanted.started_after),
        *given(lt, runs.c.started_at, wanted.started_before),
        *given(ge, runs.c.total_tokens, wanted.min_tokens),
        *belongs_to(runs.c.session_id, sessions.c.agent_id, wanted.agent_id),
        *belongs_to(runs.c.session_id, sessions.c.tenant_id, wanted.tenant_id),
        *belongs_to(runs.c.session_id, sessions.c.user_id, wanted.user_id),
    )


def matching_sessions(wanted: SessionSearch) -> sa.Select[Any]:
    """
    Select the sessions that match, in any order.

    A tag is a row that is joined, so that the search may begin at it; a provider may
    have many runs in a session, so that one is looked for in each.
    """
    query = sa.select(*SESSION_COLUMNS).where(
        *given(eq, sessions.c.agent_id, wanted.agent_id),
        *given(eq, sessions.c.tenant_id, wanted.tenant_id),
        *given(eq, sessions.c.user_id, wanted.user_id),
        *given(eq, sessions.c.parent_session_id, wanted.parent_session_id),
        *is_one_of(sessions.c.status, wanted.status),
        *given(gt, sessions.c.created_at, wanted.created_after),
        *given(lt, sessions.c.created_at, wanted.created_before),
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


def number_of(matching: sa.Select[Any]) -> sa.Select[int]:
    """
    Count rows instead of selecting them.
    """
    number = sa.func.count().label("number")
    return matching.with_only_columns(number, maintain_column_froms=True)


def belongs_to(
    session_id: sa.ColumnElement[str],
    owner: sa.ColumnElement[Any],
    value: str | None,
    *conditions: sa.ColumnElement[bool],
) -> Conditions:
    """
    Make the condition of belonging to sessions whose *owner* has this value, if any.
    """
    if value is None:
        return []
    theirs = sa.select(sessions.c.id).where(owner == value, *conditions)
    return [session_id.in_(theirs)]


def page_of(
    query: sa.Select[Any], table: sa.FromClause, paging: Paging
) -> sa.Select[Any]:
    """
    Put *query* in order and begin it behind the page before.
    """
    if paging.behind is not None:
        key = [table.c[name] for name in paging.order.key]
        is_descending = paging.order.is_descending
        query = query.where(is_behind(paging.behind, key, is_descending=is_descending))
    return query.order_by(*_directed(table, paging)).limit(paging.needed)


def merged_page(
    parts: Sequence[sa.Select[Any]], table: sa.Table, paging: Paging
) -> sa.Select[Any]:
    """
    Merge a page from the first keys of each of *parts*, which have no row in common.

    Asked for all parts at once, the databases would sort all that they find.
    """
    key = [table.c[name] for name in paging.order.key]
    first = [
        page_of(part, table, paging).with_only_columns(*key).subquery()
        for part in parts
    ]
    if len(first) == 1:
        return rows_of(first[0], table, paging)
    merged = sa.union_all(*(sa.select(keys) for keys in first)).subquery()
    return rows_of(first_of(merged, paging), table, paging)


def first_of(keys: sa.Subquery, paging: Paging) -> sa.Subquery:
    """
    Select those of *keys* that a page has.
    """
    return page_of(sa.select(keys), keys, paging).subquery()


def rows_of(keys: sa.Subquery, table: sa.Table, paging: Paging) -> sa.Select[Any]:
    """
    Select the rows that have *keys*, in order.
    """
    are_equal = [column == keys.c[column.name] for column in table.primary_key]
    rows = sa.select(*columns_of(table)).join_from(keys, table, sa.and_(*are_equal))
    return rows.order_by(*_directed(keys, paging))


def _directed(rows: sa.FromClause, paging: Paging) -> list[sa.ColumnElement[Any]]:
    key = [rows.c[name] for name in paging.order.key]
    return [c.desc() if paging.order.is_descending else c.asc() for c in key]


def given(
    compare: Callable[[Any, Any], Any], column: sa.ColumnElement[Any], value: object
) -> Conditions:
    """
    Make the condition that a column compares with this value, if any.
    """
    return [] if value is None else [compare(column, value)]


def is_one_of(
    column: sa.ColumnElement[Any],
    values: Collection[str] | None,
    dialect: Dialect | None = None,
) -> Conditions:
    """
    Make the condition of having one of these values, if any.

    With a *dialect* there may be very many of them.
    """
    if values is None:
        return []
    if len(values) == 1:
        return given(eq, column, *values)
    return [dialect.is_one_of(column, values) if dialect else column.in_(values)]
