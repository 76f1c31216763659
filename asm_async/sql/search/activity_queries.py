"""
The statements with which sessions are found in the order of their last activity.

No index has that order: it has a coarse time in place of the exact one, which every
append changes. So a page is chosen among all that can belong to it by their coarse
time: see :mod:`asm_async.sql.core.activity`. One statement is one moment, and the order
is exact, however many append meanwhile.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeAlias, cast

import attrs
import sqlalchemy as sa

from asm_async.fronts.paging import Paging
from asm_async.fronts.query_filters import SessionSearch
from asm_async.sql.core.activity import latest_coarse
from asm_async.sql.core.tables import GateState, session_sequences, sessions
from asm_async.sql.search.search_queries import Conditions, matching_sessions

_EXACT = session_sequences.c.updated_at
_COARSE = session_sequences.c.active_until
_ID = session_sequences.c.session_id
_KEY = (_EXACT, _ID)

# A partial index serves no parameter: what it asks for stands in the statement's text.
_IS_LIVE = session_sequences.c.state == sa.literal_column(
    f"'{GateState.LIVE.value}'", sa.String
)

_END_OF_TIME = datetime.max.replace(tzinfo=UTC)

# Their conditions stand in the statement's text alone, so that it is built once.
_PLAIN = frozenset({"tenant_id", "include_deleted"})

_Query: TypeAlias = sa.Select[*tuple[Any, ...]]


def page_by_activity(
    wanted: SessionSearch, paging: Paging
) -> tuple[_Query, dict[str, Any]]:
    """
    Select a page of the sessions that match, those written to last coming first.

    Where an index leaves few sessions, all of them are found and sorted.

    Returns:
        The statement, and its parameters.
    """
    is_behind = paging.behind is not None
    values: dict[str, Any] = {"needed": paging.needed, "latest": _END_OF_TIME}
    if paging.behind is not None:
        exact, session_id = paging.behind
        values |= {"behind": exact, "behind_id": session_id}
        values["latest"] = latest_coarse(cast("datetime", exact))
    if wanted.tenant_id is not None:
        values["tenant_id"] = wanted.tenant_id
    narrow = (wanted.user_id, wanted.parent_session_id)
    if wanted.tags or any(value is not None for value in narrow):
        return _page(_few(wanted, is_behind=is_behind)), values
    if wanted.filters.keys() <= _PLAIN:
        return _plain_page(
            has_tenant=wanted.tenant_id is not None,
            include_deleted=wanted.include_deleted,
            is_behind=is_behind,
        ), values
    return _page(_latest(wanted, is_behind=is_behind)), values


@cache
def _plain_page(*, has_tenant: bool, include_deleted: bool, is_behind: bool) -> _Query:
    wanted = SessionSearch(
        tenant_id="any" if has_tenant else None, include_deleted=include_deleted
    )
    return _page(_latest(wanted, is_behind=is_behind))


def _page(keys: _Query) -> _Query:
    """
    Select the first sessions of some keys, in order; their rows are read last.
    """
    latest = _KEY[0].desc(), _KEY[1].desc()
    first = keys.order_by(*latest).limit(_needed()).subquery()
    return (
        sa.select(*sessions.c, first.c.last_activity_at)
        .join_from(first, sessions, first.c.id == sessions.c.id)
        .order_by(first.c.last_activity_at.desc(), first.c.id.desc())
    )


def _keys() -> _Query:
    return sa.select(_EXACT.label("last_activity_at"), _ID.label("id"))


def _few(wanted: SessionSearch, *, is_behind: bool) -> _Query:
    """
    Select the keys of all sessions that match.

    The offset keeps the databases from going through an order before they are found.
    """
    found = matching_sessions(wanted).with_only_columns(
        sessions.c.id, maintain_column_froms=True
    )
    ids = found.offset(0).subquery()
    return (
        _keys()
        .join_from(ids, session_sequences, ids.c.id == _ID)
        .where(*_behind(is_behind=is_behind))
    )


def _latest(wanted: SessionSearch, *, is_behind: bool) -> _Query:
    """
    Select the keys of all sessions that can be on the page.

    There is a latest coarse time in any case: of an index's range of which both ends
    are given, PostgreSQL expects that it holds little.
    """
    is_early = sa.bindparam("latest", type_=_COARSE.type) >= _COARSE
    conditions = [*_matching(wanted), is_early, *_behind(is_behind=is_behind)]
    first = (
        sa.select(_EXACT)
        .where(*conditions)
        .order_by(_COARSE.desc(), _ID.desc())
        .limit(_needed())
        .subquery()
    )
    earliest = sa.select(sa.func.min(first.c.updated_at)).scalar_subquery()
    return _keys().where(*conditions, earliest <= _COARSE)


def _needed() -> sa.BindParameter[int]:
    return sa.bindparam("needed", type_=sa.Integer())


def _behind(*, is_behind: bool) -> Conditions:
    """
    Make the condition of coming behind the page before, if there is one.
    """
    if not is_behind:
        return []
    place = (
        sa.bindparam("behind", type_=_EXACT.type),
        sa.bindparam("behind_id", type_=_ID.type),
    )
    return [sa.tuple_(*_KEY) < sa.tuple_(*place)]


def _matching(wanted: SessionSearch) -> Conditions:
    """
    Make the conditions of the counter row, and of the session where that is needed.
    """
    conditions: Conditions = [_COARSE.is_not(None)]
    if wanted.tenant_id is not None:
        tenant_id = session_sequences.c.tenant_id
        conditions.append(tenant_id == sa.bindparam("tenant_id", type_=tenant_id.type))
    if not wanted.include_deleted:
        conditions.append(_IS_LIVE)
    if wanted.include_deleted or wanted.filters.keys() - _PLAIN:
        rest = attrs.evolve(wanted, tenant_id=None, include_deleted=True)
        theirs: _Query = matching_sessions(rest).with_only_columns(
            sa.literal_column("1"), maintain_column_froms=True
        )
        conditions.append(theirs.where(sessions.c.id == _ID).exists())
    return conditions
