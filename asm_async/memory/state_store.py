"""
The state store that keeps everything in memory.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import attrs

from asm_async.fronts import saving_items
from asm_async.fronts.observing import Observation
from asm_async.fronts.saving_items import (
    ItemsToDelete,
    ItemsToSave,
    Name,
    StoredItem,
)
from asm_async.fronts.state_store import (
    ItemFilter,
    SessionItemFilter,
    StateStoreFront,
)
from asm_async.memory.database import DatabaseAccess, InMemoryDatabase
from asm_async.values.state_item import OWN_SCOPES, StateItem


@attrs.frozen
class ItemWriting:
    """
    What one call sees and changes of a database in memory.
    """

    _database: InMemoryDatabase

    def check_live(self, session_id: str) -> None:
        """
        Refuse a session that does not exist, or is soft-deleted.
        """
        self._database.check_live(session_id)

    def stored_item(self, name: Name) -> StoredItem | None:
        """
        Return the item of this name, if there is one.
        """
        return self._database.items.find(name)

    def stored_keys(self, scope: str) -> Iterable[str]:
        """
        Return the keys of a scope.
        """
        return self._database.items.keys_of(scope)

    def put_item(
        self,
        item: StateItem,
        text: str | None,  # noqa: ARG002 - for those who store texts
        operation_id: str,
    ) -> StateItem:
        """
        Store *item* under the next revision.
        """
        return self._database.items.put(item, operation_id)

    def remove_item(self, name: Name) -> None:
        """
        Remove an item that is stored.
        """
        self._database.items.remove(name)


class InMemoryStateStore(StateStoreFront):
    """
    A :class:`~asm_async.ports.state_store.StateStore` without a database.

    Args:
        database: What it works on; a new and empty one unless given. Give it that of a
            session store for items that go with sessions.
    """

    def __init__(self, database: InMemoryDatabase | None = None) -> None:
        own = InMemoryDatabase() if database is None else database
        self._access = DatabaseAccess(own, "state store")
        self.observation: Observation | None = Observation()

    async def aclose(self) -> None:
        """
        Refuse what comes after.
        """
        self._access.close()

    async def _save_items(self, save: ItemsToSave) -> list[StateItem]:
        writing = ItemWriting(self._access.database)
        return [attrs.evolve(item) for item in saving_items.save_items(writing, save)]

    async def _get_items(self, scope: str, keys: Collection[str]) -> list[StateItem]:
        return self._found(scope, keys)

    async def _list_items(self, scope: str, wanted: ItemFilter) -> list[StateItem]:
        there = self._access.database.items.keys_of(scope)
        keys = sorted(key for key in there if key in wanted.key_range)
        found = self._found(scope, keys[::-1] if wanted.descending else keys)
        page = found[: wanted.limit]
        if wanted.with_content:
            return page
        return [attrs.evolve(item, content=None) for item in page]

    async def _list_session_items(self, wanted: SessionItemFilter) -> list[StateItem]:
        database = self._access.database
        if wanted.expected_tenant is not None:
            database.existing(wanted.session_id, wanted.expected_tenant)
        found = [
            item
            for item in database.items.of_sessions()
            if item.session_id == wanted.session_id
            and not item.scope.startswith(OWN_SCOPES)
            and wanted.scope in {None, item.scope}
            and item.key in wanted.key_range
            and (wanted.after is None or wanted.after < (item.scope, item.key))
        ]
        page = [attrs.evolve(item) for item in found[: wanted.limit]]
        if wanted.with_content:
            return page
        return [attrs.evolve(item, content=None) for item in page]

    async def _delete_items(self, deletion: ItemsToDelete) -> int:
        writing = ItemWriting(self._access.database)
        return saving_items.delete_items(writing, deletion)

    async def _delete_scope(self, scope: str) -> None:
        self._access.database.items.remove_scope(scope)

    def _found(self, scope: str, keys: Collection[str]) -> list[StateItem]:
        items = self._access.database.items
        found = [items.find((scope, key)) for key in keys]
        return [attrs.evolve(each.item) for each in found if each and each.item]
