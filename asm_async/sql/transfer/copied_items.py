"""
How the state items of a session are copied inside the database.
"""

from __future__ import annotations

from typing import Any

import attrs
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.fronts.copying import SessionCopy, item_is_there
from asm_async.fronts.saving_items import Name
from asm_async.sql.core.column_types import is_behind, text
from asm_async.sql.core.tables import state_items
from asm_async.sql.dialects import dialect_of
from asm_async.sql.dialects.direct import scope_lock
from asm_async.sql.reads.item_batches import stored_size
from asm_async.sql.reads.item_queries import is_in_users_scope
from asm_async.values.fields import MAX_TEXT_LENGTH
from asm_async.values.state_item import OWN_SCOPES

# Each may need the lock of a scope of its own.
_MAX_ITEMS_PER_PART = 900
_MAX_BYTES_PER_PART = 4 << 20

_THERE = state_items.alias("there")
_ITEMS = state_items.c
_ORDER = (_ITEMS.scope, _ITEMS.key)
_ALL = sa.true()


@attrs.define
class ItemCopy:
    """
    The copies of a session's items, those of one part after those of another.

    What is copied already the rows themselves say, as with events.
    """

    copy: SessionCopy
    names: list[Name] = attrs.field(init=False, factory=list[Name])
    """
    The items that the next part copies, in order.
    """

    _place: Name | None = attrs.field(init=False, default=None)

    async def look(self, conn: AsyncConnection) -> bool:
        """
        Find out which items come next, and return whether there are any.

        It is done before the locks are taken, which depend on it.
        """
        self.names = await self._next_names(conn)
        if not self.names and self._place is not None:
            # What was saved meanwhile may stand before the last one.
            self._place = None
            self.names = await self._next_names(conn)
        return bool(self.names)

    @property
    def locks(self) -> set[str]:
        """
        The scopes that they are copied to, as they are locked.
        """
        made = {self.copy.scope_of(scope) for scope, _ in self.names}
        return {scope_lock(scope) for scope in made if scope is not None}

    async def check(
        self, conn: AsyncConnection, some: sa.ColumnElement[bool] = _ALL
    ) -> None:
        """
        Refuse a copy in which an item, one of *some*, would come where it cannot.

        Raises:
            ConflictError: Naming the scope.
        """
        made = self._made()
        its = self._is_at(made) & _THERE.c.session_id.is_distinct_from(
            self.copy.target.id
        )
        is_there = sa.exists().where(its).correlate(state_items)
        is_none = sa.func.length(made) > MAX_TEXT_LENGTH
        if self.copy.target.id.startswith(OWN_SCOPES):
            is_none |= _ITEMS.scope.not_in(self.copy.scopes)
        query = sa.select(*_ORDER).where(self._wanted(conn), some, is_there | is_none)
        for scope, key in await conn.execute(query.order_by(*_ORDER).limit(1)):
            name = self.copy.scope_of(scope) or scope
            self.copy.check_scope(scope, name)
            raise item_is_there(name, key)

    async def write(self, conn: AsyncConnection) -> None:
        """
        Copy the items that :meth:`look` has found, under the locks of their scopes.

        Raises:
            ConflictError: If another item is there already.
        """
        if not self.names:
            return
        copy, made = self.copy, self._made()
        first, last = self.names[0], self.names[-1]
        scopes = {scope for scope, _ in self.names}
        own = (
            dialect_of(conn).is_one_of(_ITEMS.scope, scopes)
            & ((_ITEMS.scope > first[0]) | (_ITEMS.key >= first[1]))
            & ~is_behind(last, _ORDER)
        )
        await self.check(conn, own)
        values: dict[str, sa.ColumnElement[Any]] = {
            "scope": made,
            "key": _ITEMS.key,
            # As text, in which JSON travels otherwise, PostgreSQL would not take it.
            "data": sa.literal_column("asm_state_items.data"),
            "content": _ITEMS.content,
            "session_id": sa.literal(copy.target.id, text()),
            "updated_at": _ITEMS.updated_at,
            "operation_id": sa.literal(copy.expected.operation_id, text()),
        }
        some = sa.select(*values.values()).where(
            self._wanted(conn), own, ~self._is_copied(made)
        )
        insert = sa.insert(state_items).from_select(
            [*values], some.order_by(*_ORDER), include_defaults=False
        )
        await conn.execute(insert)
        self._place = last

    async def _next_names(self, conn: AsyncConnection) -> list[Name]:
        query = sa.select(*_ORDER, stored_size()).where(
            self._wanted(conn), ~self._is_copied(self._made())
        )
        if self._place is not None:
            query = query.where(is_behind(self._place, _ORDER))
        found = await conn.execute(query.order_by(*_ORDER).limit(_MAX_ITEMS_PER_PART))
        names: list[Name] = []
        total = 0
        for scope, key, size in found:
            total += size
            if names and total > _MAX_BYTES_PER_PART:
                break
            names.append((scope, key))
        return names

    def _wanted(self, conn: AsyncConnection) -> sa.ColumnElement[bool]:
        """
        Make the condition that an item is one to be copied.
        """
        source_id, scope = self.copy.source_id, _ITEMS.scope
        # "0" follows "/".
        is_under = (scope >= f"{source_id}/") & (scope < f"{source_id}0")
        is_named = dialect_of(conn).is_one_of(scope, self.copy.scopes)
        return sa.and_(
            _ITEMS.session_id == source_id,
            is_in_users_scope(),
            (scope == source_id) | is_under | is_named,
        )

    def _made(self) -> sa.ColumnElement[str]:
        """
        Make the scope that an item's copy has, as ``SessionCopy.scope_of`` does.
        """
        scope = _ITEMS.scope
        rest = sa.func.substr(scope, len(self.copy.source_id) + 1, type_=text())
        made = sa.literal(self.copy.target.id, text()).concat(rest)
        given = {
            name: sa.literal(other, text()) for name, other in self.copy.scopes.items()
        }
        return sa.case(given, value=scope, else_=made) if given else made

    def _is_copied(self, made: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
        is_its = self._is_at(made) & (_THERE.c.session_id == self.copy.target.id)
        return sa.exists().where(is_its).correlate(state_items)

    @staticmethod
    def _is_at(made: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
        return (_THERE.c.scope == made) & (_THERE.c.key == _ITEMS.key)
