"""
A session store over several primaries.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain

import attrs

from asm_async.fronts.copying import SessionCopy
from asm_async.fronts.session_filters import EventFilter, SessionFilter
from asm_async.fronts.session_store import SessionStoreFront
from asm_async.fronts.snapshots import ChangesSnapshot
from asm_async.sharding.router import LEASE_SECONDS, Router
from asm_async.sharding.routing import Shards, found_by, never, on_shard
from asm_async.sharding.shards import only_shard
from asm_async.sharding.state_store import places_of
from asm_async.sql.session_store import SQLSessionStore
from asm_async.values.event import Event, EventSnapshot
from asm_async.values.session import Session


def _place_of_batch(batch: Sequence[EventSnapshot], *_: object, **__: object) -> str:
    return only_shard((event.session_id for event, _, _ in batch), "append_events")


def _place_of_changes(changes: ChangesSnapshot, *_: object, **__: object) -> str:
    if changes.save is not None:
        ids = places_of(changes.save, changes.session_id)
    else:
        ids = set[str]() if changes.session_id is None else {changes.session_id}
    return only_shard(ids, "commit")


def _place_of_copy(copy: SessionCopy) -> str:
    ids = {copy.source_id, copy.target.id, *copy.scopes.values()}
    return only_shard(ids, "copy_session")


class ShardedSessionStore(SessionStoreFront):
    """
    A :class:`~asm_async.ports.session_store.SessionStore` over several primaries.

    A call about one session goes to the primary of its shard, as one transaction there.
    The id of a run is looked for on all primaries; it is unique within a shard alone.

    Args:
        router: Knows where each shard is.

        stores: The primaries' stores, by name; closed with this one.
    """

    def __init__(self, router: Router, stores: Mapping[str, SQLSessionStore]) -> None:
        self._shards = Shards(router, stores)

    async def aclose(self) -> None:
        for store in self._shards.ports.values():
            await store.aclose()

    async def _list_sessions(self, wanted: SessionFilter) -> list[Session]:
        # Of each primary as many as all that are left out may be.
        limit = None if wanted.limit is None else wanted.limit + wanted.offset
        of_each = attrs.evolve(wanted, limit=limit, offset=0)
        lists = await self._shards.everywhere(
            lambda store: store._list_sessions(of_each)
        )
        # What is being moved may be on two of them; the older is a copy.
        every = sorted(chain(*lists), key=lambda each: each.revision)
        found = {each.id: each for each in every}
        ordered = sorted(found.values(), key=lambda each: (each.created_at, each.id))
        return ordered[wanted.offset : limit]

    async def _get_events(self, session_id: str, wanted: EventFilter) -> list[Event]:
        clock = asyncio.get_running_loop().time
        deadline = clock() + (wanted.wait_timeout or 0)
        while True:
            # A wait goes on elsewhere if the session is moved meanwhile.
            left = deadline - clock()
            part = min(left, LEASE_SECONDS) if left > 0 else None
            read = attrs.evolve(wanted, wait_timeout=part)
            events = await self._shards.on(
                session_id, partial(_read_events, session_id, read), never
            )
            if events or left <= 0:
                return events

    _get_session = on_shard(SQLSessionStore._get_session)
    _delete_session = on_shard(SQLSessionStore._delete_session, is_final=never)
    _get_run = found_by(SQLSessionStore._get_run, lambda run: run.session_id)
    _list_runs = on_shard(SQLSessionStore._list_runs, is_final=never)
    _get_active_run = on_shard(SQLSessionStore._get_active_run, is_final=never)
    _get_latest_sequence = on_shard(
        SQLSessionStore._get_latest_sequence, is_final=never
    )
    _append = on_shard(SQLSessionStore._append, _place_of_batch)
    _commit = on_shard(SQLSessionStore._commit, _place_of_changes)
    _retract = on_shard(
        SQLSessionStore._retract, lambda retraction: retraction.session_id
    )
    _copy_session = on_shard(SQLSessionStore._copy_session, _place_of_copy)


async def _read_events(
    session_id: str, wanted: EventFilter, store: SQLSessionStore
) -> list[Event]:
    return await store._get_events(session_id, wanted)
