"""
A state store over several primaries.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TypeVar

from asm_async.fronts.saving_items import ItemsToDelete, ItemsToSave
from asm_async.fronts.state_store import ItemFilter, StateStoreFront
from asm_async.sharding.router import Router
from asm_async.sharding.routing import Shards, never, on_shard
from asm_async.sharding.shards import only_shard
from asm_async.sql.state_store import SQLStateStore
from asm_async.values.state_item import StateItem

T = TypeVar("T")

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

    async def _get_items(self, scope: str, keys: Collection[str]) -> list[StateItem]:
        return await self._read(scope, lambda state: state._get_items(scope, keys))

    async def _list_items(self, scope: str, wanted: ItemFilter) -> list[StateItem]:
        items = await self._read(scope, lambda state: state._list_items(scope, wanted))
        items.sort(key=lambda item: item.key, reverse=wanted.descending)
        return items[: wanted.limit]

    async def _read(
        self, scope: str, call: Callable[[SQLStateStore], Awaitable[list[StateItem]]]
    ) -> list[StateItem]:
        if not scope.startswith(_LEASES):
            return await self._shards.on(scope, call, never)
        home = self._shards.router.home
        lists = await self._shards.everywhere(call)
        # What is being moved may be on two primaries.
        return [
            item
            for name, items in zip(self._shards.ports, lists, strict=True)
            for item in items
            if await home(item.session_id or scope) == name
        ]

    async def _delete_items(self, deletion: ItemsToDelete) -> int:
        return sum(
            await self._delete(
                deletion.scope, lambda state: state._delete_items(deletion)
            )
        )

    async def _delete_scope(self, scope: str) -> None:
        await self._delete(scope, lambda state: state._delete_scope(scope))

    async def _delete(
        self, scope: str, call: Callable[[SQLStateStore], Awaitable[T]]
    ) -> list[T]:
        if scope.startswith(_LEASES):
            return await self._shards.everywhere(call)
        return [await self._shards.on(scope, call, bool)]

    _save_items = on_shard(
        SQLStateStore._save_items,
        lambda save: only_shard(places_of(save), "save_items"),
    )
    _list_session_items = on_shard(
        SQLStateStore._list_session_items,
        lambda wanted: wanted.session_id,
        is_final=never,
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
