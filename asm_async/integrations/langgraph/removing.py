"""
How checkpoints go: all but the latest of a thread, or those of a run.
"""

from __future__ import annotations

from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Sequence,
)
from contextlib import suppress
from functools import partial
from typing import TypeVar

import attrs

from asm_async.errors import ConflictError, RevisionConflictError
from asm_async.integrations.langgraph import keys
from asm_async.integrations.langgraph.putting import run_scope
from asm_async.integrations.langgraph.reading import MAX_TRIES
from asm_async.integrations.langgraph.records import Record, data_of, record_of
from asm_async.integrations.langgraph.sweeping import Sweeper, chunks, is_record
from asm_async.ports.state_store import StateStore
from asm_async.values.state_item import StateItem

T = TypeVar("T")


@attrs.frozen
class Remover:
    """
    Removes checkpoints of threads, where the ports are.

    Args:
        sweeper: Removes what they leave behind.
    """

    sweeper: Sweeper

    async def keep_latest(self, scope: str) -> None:
        """
        Remove all checkpoints but each namespace's latest, and what that is made of.

        Without a transaction around all of it: what is put meanwhile stays, and what is
        broken off is finished by the next call.
        """
        heads = await self._state.list_items(scope, prefix=keys.HEADS)
        latest: dict[str, Record] = {}
        kept: set[str] = set()
        for head in heads:
            namespace, first = data_of(head)["namespace"], data_of(head)["id"]
            async for record in self._ancestry(scope, namespace, first):
                latest.setdefault(head.key, record)
                kept.add(keys.checkpoint(namespace, record.id))
        stored = await self._stored(scope)
        # What was put after the heads were read is newer than all of them.
        newest = max((head.revision for head in heads), default=0)
        old = {i.key for i in stored if is_record(i.key) and i.revision <= newest}
        for head in heads:
            root = _root_of(data_of(head)["namespace"], latest.get(head.key))
            # The state of one call of a subgraph goes with the root's checkpoint that
            # it was called from, once that was there to be removed.
            if root in old - kept and await self._drop_head(scope, head):
                prefix = keys.checkpoints(data_of(head)["namespace"])
                kept -= {key for key in kept if key.startswith(prefix)}
        await self._remove(scope, stored, old - kept)
        await self.sweeper.sweep(scope)

    async def of_runs(self, run_ids: Iterable[str]) -> None:
        """
        Remove the checkpoints that runs have put, and what was pending on them.
        """
        await of_each(dict.fromkeys(run_ids), self._of_run)

    @property
    def _state(self) -> StateStore:
        return self.sweeper.ports.state

    async def _ancestry(
        self, scope: str, namespace: str, checkpoint_id: str
    ) -> AsyncIterator[Record]:
        """
        Yield a checkpoint, and those before it of which its delta channels are made.
        """
        wanted: str | None = checkpoint_id
        missing: set[str] | None = None
        while wanted is not None:
            key = keys.checkpoint(namespace, wanted)
            items = await self._state.get_items(scope, [key])
            if key not in items:
                return
            record = record_of(self.sweeper.serde, items[key])
            yield record
            if missing is None:
                counters = record.metadata.get("counters_since_delta_snapshot")
                missing = set(counters or {})
            missing -= record.values.keys()
            wanted = record.parent if missing else None

    async def _marked_anew(self, mark: StateItem) -> StateItem | None:
        """
        Have puts no longer rely on the item that names a run's thread.

        It is replaced together with the thread's epoch, so that a put of the run which
        comes later replaces it as well. What is put before is there to be removed.

        Returns:
            The item as it is then; None if it is gone.
        """
        scope = mark.key
        for _ in range(MAX_TRIES):
            epochs = await self._state.get_items(scope, [keys.EPOCH])
            marks = await self._state.get_items(mark.scope, [mark.key])
            if mark.key not in marks:
                return None
            mark = marks[mark.key]
            if keys.EPOCH not in epochs:
                return mark
            name = mark.scope, mark.key
            try:
                return await self.sweeper.replace(
                    epochs[keys.EPOCH], mark, {name: mark.revision}
                )
            except RevisionConflictError:
                continue
        raise self.sweeper.is_busy(scope)

    async def _of_run(self, run_id: str) -> None:
        marks = await self._state.list_items(run_scope(run_id))
        await of_each(marks, partial(self._of_marked, run_id))

    async def _of_marked(self, run_id: str, listed: StateItem) -> None:
        mark = await self._marked_anew(listed)
        if mark is None:
            return
        await self._of_run_in(mark.key, run_id)
        await self.sweeper.sweep(mark.key)
        # A run that goes on has said so once more.
        with suppress(RevisionConflictError):
            await self._state.delete_items(
                mark.scope,
                keys=[mark.key],
                expected_revisions={mark.key: mark.revision},
            )

    async def _of_run_in(self, scope: str, run_id: str) -> None:
        for _ in range(MAX_TRIES):
            heads = await self._state.list_items(scope, prefix=keys.HEADS)
            stored = await self._stored(scope)
            own = {
                item.key
                for item in stored
                if is_record(item.key) and data_of(item).get("run") == run_id
            }
            moved = [
                await self._move_head(scope, head, stored, own)
                for head in heads
                if keys.checkpoint(data_of(head)["namespace"], data_of(head)["id"])
                in own
            ]
            if all(moved):
                return await self._remove(scope, stored, own)
        raise self.sweeper.is_busy(scope)

    async def _move_head(
        self,
        scope: str,
        head: StateItem,
        stored: Sequence[StateItem],
        gone: Collection[str],
    ) -> bool:
        """
        Have a namespace's latest checkpoint be one that stays, before the others go.
        """
        namespace = data_of(head)["namespace"]
        prefix = keys.checkpoints(namespace)
        stay = [
            item
            for item in stored
            if is_record(item.key)
            and item.key.startswith(prefix)
            and item.key not in gone
        ]
        if not stay:
            return await self._drop_head(scope, head)
        # Revisions ascend as what has them is committed.
        latest = max(stay, key=lambda item: item.revision)
        data = {"id": data_of(latest)["id"], "namespace": namespace}
        moved = attrs.evolve(head, data=data, revision=0, updated_at=None)
        expected = {(scope, head.key): head.revision}
        try:
            await self._state.save_items([moved], expected_revisions=expected)
        except RevisionConflictError:
            return False
        return True

    async def _drop_head(self, scope: str, head: StateItem) -> bool:
        """
        Have a namespace have no checkpoint, unless it has had a put meanwhile.
        """
        epochs = await self._state.get_items(scope, [keys.EPOCH])
        if keys.EPOCH not in epochs:
            return True
        expected = {(scope, head.key): head.revision}
        try:
            await self.sweeper.remove(epochs[keys.EPOCH], [head.key], expected)
        except RevisionConflictError:
            return False
        return True

    async def _stored(self, scope: str) -> Sequence[StateItem]:
        return await self._state.list_items(
            scope, prefix=keys.CHECKPOINTS, with_content=False
        )

    async def _remove(
        self, scope: str, stored: Sequence[StateItem], records: Collection[str]
    ) -> None:
        """
        Remove checkpoints with what is pending on them.

        Writes of a checkpoint that is not there yet are not among them.
        """
        gone = [item.key for item in stored if keys.owner(item.key) in records]
        for chunk in chunks(gone):
            await self._state.delete_items(scope, keys=chunk)


async def of_each(places: Iterable[T], remove: Callable[[T], Awaitable[None]]) -> None:
    """
    Remove something at each place; a place that refuses it does not stop the others.

    Raises:
        ConflictError: The first refusal, such as of a thread whose session is
            soft-deleted, once all others are done.
    """
    refusals: list[ConflictError] = []
    for place in places:
        try:
            await remove(place)
        except ConflictError as refusal:
            refusals.append(refusal)
    if refusals:
        raise refusals[0]


def _root_of(namespace: str, latest: Record | None) -> str | None:
    """
    Return the key of the root's checkpoint from which a subgraph was called once.

    The namespace of such a call has the task's id behind a colon; that of a subgraph
    whose state outlives its calls has none.
    """
    if latest is None or ":" not in namespace:
        return None
    parents: dict[str, str] = latest.metadata.get("parents") or {}
    root = parents.get("")
    return None if root is None else keys.checkpoint("", root)
