"""
The statements that read state items.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import sqlalchemy as sa

from asm_async.fronts.state_store import ItemFilter, SessionItemFilter
from asm_async.sql.core.column_types import text
from asm_async.sql.core.prepared import Prepared, prepare
from asm_async.sql.core.tables import sessions, state_items
from asm_async.sql.dialects import Dialect
from asm_async.values.state_item import OWN_SCOPES


def given(scope: str, wanted: ItemFilter) -> dict[str, Any]:
    """
    Return the parameters of a list, those that are None among them.
    """
    key_range = wanted.key_range
    return {
        "scope": scope,
        "first": key_range.first,
        "after": key_range.after,
        "before": key_range.before,
        "limit": wanted.limit,
    }


def bounds_of(wanted: ItemFilter) -> frozenset[str]:
    """
    Return the names of the bounds that a list has: at most one at each end.

    Of two, SQLite would begin at one, and look at all that lies before the other.
    """
    values = given("", wanted)
    # All keys stand behind an empty one.
    lower = "first" if values["first"] > (values["after"] or "") else "after"
    names = (lower, "before", "limit")
    return frozenset(name for name in names if values[name] not in {None, ""})


def is_in_users_scope() -> sa.ColumnElement[bool]:
    """
    Make the condition that an item is in no scope of the library's own.
    """
    # LIKE would take no index on PostgreSQL, and no note of case on SQLite.
    behind = OWN_SCOPES[:-1] + chr(ord(OWN_SCOPES[-1]) + 1)
    first, end = (sa.literal_column(f"'{end}'", text()) for end in (OWN_SCOPES, behind))
    return (state_items.c.scope < first) | (state_items.c.scope >= end)


@cache
def items_of_keys(dialect: Dialect) -> Prepared:
    """
    Prepare the items of one scope and some keys.
    """
    query = sa.select(state_items).where(
        _is_its(), dialect.is_one_of_parameter(state_items.c.key, "keys")
    )
    return prepare(query, dialect.compiler)


@cache
def listed_items(
    dialect: Dialect, *, descending: bool, with_content: bool, bounds: frozenset[str]
) -> Prepared:
    """
    Prepare a list of a scope's items, which one range of the key's index serves.
    """
    key = state_items.c.key
    query = _items(with_content=with_content).where(_is_its())
    if "first" in bounds:
        query = query.where(key >= _parameter("first"))
    if "after" in bounds:
        query = query.where(key > _parameter("after"))
    if "before" in bounds:
        query = query.where(key < _parameter("before"))
    query = query.order_by(key.desc() if descending else key)
    if "limit" in bounds:
        query = query.limit(sa.bindparam("limit", type_=sa.BigInteger()))
    return prepare(query, dialect.compiler)


def given_of_session(wanted: SessionItemFilter) -> dict[str, Any]:
    """
    Return the parameters of a list of a session's items, those that are None as well.
    """
    after_scope, after_key = wanted.after or (None, None)
    return {
        "session_id": wanted.session_id,
        "scope": wanted.scope,
        "first": wanted.key_range.first,
        "before": wanted.key_range.before,
        "after_scope": after_scope,
        "after_key": after_key,
        "limit": wanted.limit,
        "expected_tenant": wanted.expected_tenant,
    }


@cache
def items_of_session(
    dialect: Dialect, *, with_content: bool, bounds: frozenset[str]
) -> Prepared:
    """
    Prepare a list of a session's items, which one range of the session's index serves.
    """
    scope, key = state_items.c.scope, state_items.c.key
    query = _items(with_content=with_content).where(
        state_items.c.session_id == sa.bindparam("session_id", type_=text()),
        is_in_users_scope(),
    )
    if "scope" in bounds:
        query = query.where(_is_its())
    if "first" in bounds:
        query = query.where(key >= _parameter("first"))
    if "before" in bounds:
        query = query.where(key < _parameter("before"))
    if "after_scope" in bounds:
        reached = sa.bindparam("after_scope", type_=text()), _parameter("after_key")
        query = query.where(sa.tuple_(scope, key) > sa.tuple_(*reached))
    if "expected_tenant" in bounds:
        is_theirs = sa.exists().where(
            sessions.c.id == state_items.c.session_id,
            sessions.c.tenant_id == sa.bindparam("expected_tenant", type_=text()),
        )
        query = query.where(is_theirs)
    query = query.order_by(scope, key)
    if "limit" in bounds:
        query = query.limit(sa.bindparam("limit", type_=sa.BigInteger()))
    return prepare(query, dialect.compiler)


def _items(*, with_content: bool) -> sa.Select[Any]:
    left_out = () if with_content else ("content",)
    return sa.select(
        *(
            sa.null().label(column.name) if column.name in left_out else column
            for column in state_items.c
        )
    )


def _is_its() -> sa.ColumnElement[bool]:
    return state_items.c.scope == sa.bindparam("scope", type_=text())


def _parameter(name: str) -> sa.BindParameter[str]:
    return sa.bindparam(name, type_=text(1_024))
