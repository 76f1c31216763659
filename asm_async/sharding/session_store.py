"""
A session store over several primaries.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

import attrs

from asm_async.fronts.copying import SessionCopy
from asm_async.fronts.expectations import Expectations
from asm_async.fronts.retracting import Retraction
from asm_async.fronts.session_filters import EventFilter, RunFilter, SessionFilter
from asm_async.fronts.session_store import SessionStoreFront
from asm_async.fronts.snapshots import ChangesSnapshot
from asm_async.sharding.router import LEASE_SECONDS, Router, Shards
from asm_async.sharding.shards import only_shard
from asm_async.sharding.state_store import places_of
from asm_async.sql.session_store import SQLSessionStore
from asm_async.values.changes import Committed
from asm_async.values.event import Event, EventSnapshot
from asm_async.values.run import Run
from asm_async.values.session import Session


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

    async def _get_session(
        self, session_id: str, expected_tenant: str | None
    ) -> Session:
        return await self._shards.on(
            session_id, lambda store: store._get_session(session_id, expected_tenant)
        )

    async def _list_sessions(self, wanted: SessionFilter) -> list[Session]:
        # Of each primary as many as all that are left out may be.
        limit = None if wanted.limit is None else wanted.limit + wanted.offset
        of_each = attrs.evolve(wanted, limit=limit, offset=0)
        lists = await self._shards.everywhere(
            lambda store: store._list_sessions(of_each)
        )
        found = {each.id: each for sessions in lists for each in sessions}
        ordered = sorted(found.values(), key=lambda each: (each.created_at, each.id))
        return ordered[wanted.offset : limit]

    async def _delete_session(
        self, session_id: str, expected_tenant: str | None
    ) -> None:
        # Of one that was not there nothing is said.
        await self._shards.on(
            session_id,
            lambda store: store._delete_session(session_id, expected_tenant),
            lambda _: False,
        )

    async def _get_run(self, run_id: str, expected_tenant: str | None) -> Run:
        return await self._shards.find(
            lambda store: store._get_run(run_id, expected_tenant)
        )

    async def _list_runs(self, session_id: str, wanted: RunFilter) -> list[Run]:
        return await self._shards.on(
            session_id, lambda store: store._list_runs(session_id, wanted), bool
        )

    async def _get_active_run(
        self, session_id: str, expected_tenant: str | None
    ) -> Run | None:
        return await self._shards.on(
            session_id,
            lambda store: store._get_active_run(session_id, expected_tenant),
            bool,
        )

    async def _append(
        self,
        batch: Sequence[EventSnapshot],
        expected_sequence: int | None,
        expected_tenant: str | None,
    ) -> list[Event]:
        ids = (event.session_id for event, _, _ in batch)
        return await self._shards.on(
            only_shard(ids, "append_events") or "",
            lambda store: store._append(batch, expected_sequence, expected_tenant),
        )

    async def _commit(
        self, changes: ChangesSnapshot, expected: Expectations
    ) -> Committed:
        if changes.save is not None:
            ids = places_of(changes.save, changes.session_id)
        else:
            ids = set[str]() if changes.session_id is None else {changes.session_id}
        return await self._shards.on(
            only_shard(ids, "commit") or "",
            lambda store: store._commit(changes, expected),
        )

    async def _retract(self, retraction: Retraction) -> list[Event]:
        return await self._shards.on(
            retraction.session_id, lambda store: store._retract(retraction)
        )

    async def _copy_session(self, copy: SessionCopy) -> Session:
        scopes = copy.scopes.values()
        ids = {copy.source_id, copy.target.id, *scopes}
        return await self._shards.on(
            only_shard(ids, "copy_session") or "",
            lambda store: store._copy_session(copy),
        )

    async def _get_events(self, session_id: str, wanted: EventFilter) -> list[Event]:
        clock = asyncio.get_running_loop().time
        deadline = clock() + (wanted.wait_timeout or 0)
        while True:
            # A wait goes on elsewhere if the session is moved meanwhile.
            left = deadline - clock()
            part = min(left, LEASE_SECONDS) if left > 0 else None
            read = attrs.evolve(wanted, wait_timeout=part)
            events = await self._shards.on(
                session_id, partial(_read_events, session_id, read), bool
            )
            if events or left <= 0:
                return events

    async def _get_latest_sequence(
        self, session_id: str, expected_tenant: str | None
    ) -> int:
        return await self._shards.on(
            session_id,
            lambda store: store._get_latest_sequence(session_id, expected_tenant),
            bool,
        )


async def _read_events(
    session_id: str, wanted: EventFilter, store: SQLSessionStore
) -> list[Event]:
    return await store._get_events(session_id, wanted)
