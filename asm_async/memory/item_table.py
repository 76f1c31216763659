"""
The state items of a database in memory: the table that a database would have.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from asm_async.fronts.saving_items import Name, StoredItem
from asm_async.values.state_item import OWN_SCOPES, StateItem


class ItemTable:
    """
    Items by scope and key.
    """

    def __init__(self) -> None:
        self._scopes: dict[str, dict[str, StoredItem]] = {}
        # Of the whole table, so that it never goes back, whatever is deleted.
        self._latest_revision = 0

    def find(self, name: Name) -> StoredItem | None:
        """
        Return the item of this scope and key, if there is one.
        """
        scope, key = name
        return self._scopes.get(scope, {}).get(key)

    def keys_of(self, scope: str) -> Iterable[str]:
        """
        Return the keys of a scope, in no order.
        """
        return tuple(self._scopes.get(scope, ()))

    def put(self, item: StateItem, operation_id: str) -> StateItem:
        """
        Insert or replace an item, under the next revision.
        """
        return self.put_as_of(item, datetime.now(UTC), operation_id)

    def put_as_of(
        self, item: StateItem, updated_at: datetime, operation_id: str
    ) -> StateItem:
        """
        Insert or replace an item, which was saved then, under the next revision.
        """
        self._latest_revision += 1
        stored = item.as_saved(self._latest_revision, updated_at)
        self._scopes.setdefault(item.scope, {})[item.key] = StoredItem(
            stored.revision, operation_id, stored
        )
        return stored

    def remove(self, name: Name) -> None:
        """
        Remove an item that is there.
        """
        scope, key = name
        del self._scopes[scope][key]
        if not self._scopes[scope]:
            del self._scopes[scope]

    def remove_scope(self, scope: str) -> None:
        """
        Remove all items of a scope.
        """
        self._scopes.pop(scope, None)

    def exported(self, session_id: str | None) -> list[StateItem]:
        """
        Return the items of a session, or those of none, as an export has them.
        """
        return [
            item.with_given(0)
            for item in self._sorted()
            if item.session_id == session_id and not item.scope.startswith(OWN_SCOPES)
        ]

    def of_sessions(self) -> list[StateItem]:
        """
        Return the items that go with a session, by scope and key.
        """
        return [item for item in self._sorted() if item.session_id is not None]

    def remove_session(self, session_id: str) -> None:
        """
        Remove the items that go with a session.
        """
        for item in self.of_sessions():
            if item.session_id == session_id:
                self.remove((item.scope, item.key))

    def _sorted(self) -> list[StateItem]:
        """
        Return all items by scope and key.
        """
        items = [
            each.item
            for scope in self._scopes.values()
            for each in scope.values()
            if each.item is not None
        ]
        return sorted(items, key=lambda item: (item.scope, item.key))
