"""
A state store over several primaries.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from asm_async.fronts.saving_items import ItemsToDelete, ItemsToSave
from asm_async.fronts.state_store import (
    ItemFilter,
    SessionItemFilter,
    StateStoreFront,
)
from asm_async.sharding.router import Router, Shards
from asm_async.sharding.shards import only_shard
from asm_async.sql.state_store import SQLStateStore
from asm_async.values.state_item import StateItem

_LEASES = "asm.runs/"
"""
What the scopes begin with in which recorders keep the leases of their runs.
"""


class ShardedStateStore(StateStoreFront):
    """
    A :class:`~asm_async.ports.state_store.StateStore` over several primaries.

    A scope is of one shard, as an id is. An item may go with a session of the same
    shard: so it does if the scope is the session's id, or begins with that and ``/``.
    The leases of recorders are with their sessions, wherever these are.

    Args:
        router: Knows where each shard is.

        states: The primaries' state stores, by name; closed with this one.
    """

    def __init__(self, router: Router, states: Mapping[str, SQLStateStore]) -> None:
        self._shards = Shards(router, states)

    async def aclose(self) -> None:
        for state in self._shards.ports.values():
            await state.aclose()

    async def _save_items(self, save: ItemsToSave) -> list[StateItem]:
        place = only_shard(places_of(save), "save_items")
        return await self._shards.on(place or "", lambda state: state._save_items(save))

    async def _get_items(self, scope: str, keys: Collection[str]) -> list[StateItem]:
        if scope.startswith(_LEASES):
            lists = await self._shards.everywhere(
                lambda state: state._get_items(scope, keys)
            )
            return [item for items in lists for item in items]
        return await self._shards.on(
            scope, lambda state: state._get_items(scope, keys), bool
        )

    async def _list_items(self, scope: str, wanted: ItemFilter) -> list[StateItem]:
        if scope.startswith(_LEASES):
            lists = await self._shards.everywhere(
                lambda state: state._list_items(scope, wanted)
            )
            return sorted(
                (item for items in lists for item in items),
                key=lambda item: item.key,
                reverse=wanted.descending,
            )[: wanted.limit]
        return await self._shards.on(
            scope, lambda state: state._list_items(scope, wanted), bool
        )

    async def _list_session_items(self, wanted: SessionItemFilter) -> list[StateItem]:
        return await self._shards.on(
            wanted.session_id, lambda state: state._list_session_items(wanted), bool
        )

    async def _delete_items(self, deletion: ItemsToDelete) -> int:
        scope = deletion.scope
        if scope.startswith(_LEASES):
            counts = await self._shards.everywhere(
                lambda state: state._delete_items(deletion)
            )
            return sum(counts)
        return await self._shards.on(
            scope, lambda state: state._delete_items(deletion), bool
        )

    async def _delete_scope(self, scope: str) -> None:
        if scope.startswith(_LEASES):
            await self._shards.everywhere(lambda state: state._delete_scope(scope))
        else:
            await self._shards.on(
                scope, lambda state: state._delete_scope(scope), lambda _: False
            )


def places_of(save: ItemsToSave, session_id: str | None = None) -> set[str]:
    """
    Return the ids that decide where items are saved, and which one shard must have.

    Args:
        save: The items, and what is expected of any.

        session_id: The session that is written in the same transaction, if any.
    """
    ids = save.session_ids
    if session_id is not None:
        ids.add(session_id)
    # The leases of runs are where the sessions are.
    scopes = {scope for scope in save.scopes if not (ids and scope.startswith(_LEASES))}
    return ids | scopes
