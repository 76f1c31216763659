"""
The statements that read state items.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import sqlalchemy as sa

from asm_async.fronts.state_store import ItemFilter
from asm_async.sql.core.column_types import text
from asm_async.sql.core.prepared import Prepared, prepare
from asm_async.sql.core.tables import state_items
from asm_async.sql.dialects import Dialect


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
    left_out = () if with_content else ("content",)
    columns = [
        sa.null().label(column.name) if column.name in left_out else column
        for column in state_items.c
    ]
    query = sa.select(*columns).where(_is_its())
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


def _is_its() -> sa.ColumnElement[bool]:
    return state_items.c.scope == sa.bindparam("scope", type_=text())


def _parameter(name: str) -> sa.BindParameter[str]:
    return sa.bindparam(name, type_=text(1_024))
