"""
LangGraph's long-term memory over the ports.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Self, cast

from langgraph.store.base import (
    BaseStore,
    GetOp,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchOp,
    TTLConfig,
    validate_op_namespace,
)

from asm_async.errors import RevisionConflictError, StorageError, ValidationError
from asm_async.integrations.ids import safe_id
from asm_async.integrations.langgraph.store_filter import check_filter, matches
from asm_async.integrations.langgraph.store_items import (
    KeptItem,
    now_utc,
    state_item_of,
)
from asm_async.integrations.langgraph.store_keys import (
    item_key_of,
    labels_before_wildcard,
    place_of,
    prefix_of,
    select_namespaces,
)
from asm_async.portal import PortsRunner, open_adapter
from asm_async.ports.together import Ports
from asm_async.values import fields
from asm_async.values.changes import Changes
from asm_async.values.state_item import StateItem, item_key

PREFIX = "langgraph-store"

_log = logging.getLogger(__name__)


class AsmStore(BaseStore):
    """
    A ``BaseStore`` in the database, without vectors.

    **Batches.** The reads of a batch come before its writes, and see nothing of them;
    of several writes to one key the last counts. All writes of a batch are stored, or
    none, and are durable when it returns.

    **Searches** return what was put last first. Filters are those of
    ``InMemoryStore``; a *query* is not looked at, nor is *index*, as in every store
    that was given no embeddings.

    **Time to live.** An item lives so many minutes from when it was last put; if *ttl*
    says ``refresh_on_read``, also from when it was last read with *refresh_ttl*. What
    is over is deleted by :meth:`sweep_ttl`, which a write also does every
    ``sweep_interval_minutes``; until then it is still found, unless *ttl* says
    ``omit_expired``. A read that refreshes writes; it leaves that out where an item has
    lost less than a hundredth of its time.

    The synchronous methods need the ports of a portal, as with :meth:`from_url`, and
    can be called from any thread but the portal's own.

    Args:
        ports: Where everything is kept; they stay open.

        name: Tells stores in one database apart.

        ttl: The time to live of items that are put or read without their own.

    Raises:
        ValidationError: Naming the argument that is wrong.
    """

    supports_ttl = True

    def __init__(
        self, ports: Ports, *, name: str = "default", ttl: TTLConfig | None = None
    ) -> None:
        super().__init__()
        self._runner = PortsRunner(ports)
        self._scope = safe_id(PREFIX, fields.text(name, "name"))
        self.ttl_config = ttl
        self._swept_at = now_utc()

    @classmethod
    def from_url(cls, url: str, *, migrate: bool = True, **options: Any) -> Self:
        """
        Return a store over a database, for any thread and event loop.

        Args:
            url: As for :func:`~asm_async.portal.open_portal`.

            migrate: Bring the database's schema up to date first.

            options: As for the class.
        """
        make = partial(cls, **options)
        return open_adapter(url, make, migrate=migrate)

    def close(self) -> None:
        """
        Close what :meth:`from_url` has opened; with ports of others it does nothing.
        """
        self._runner.close()

    async def aclose(self) -> None:
        """
        Close what :meth:`from_url` has opened, and let the loop run meanwhile.
        """
        await self._runner.aclose()

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """
        Carry out operations: as :meth:`abatch`, from a thread.

        Raises:
            UnsupportedOperationError: If the ports are not those of a portal.
        """
        checked = _checked(ops)
        return self._runner.call(partial(self._do_batch, checked))

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """
        Carry out operations: reads first, then all writes or none.

        Returns:
            What each has found, in order; None for a write.

        Raises:
            InvalidNamespaceError: If a label is empty, no text, or has a period.

            ValidationError: If a value is no JSON, or namespace and key together have
                more than 1,022 characters, or what no database takes as text.
        """
        checked = _checked(ops)
        return await self._runner.run(partial(self._do_batch, checked))

    def sweep_ttl(self) -> int:
        """
        Delete what has lived long enough: as :meth:`asweep_ttl`, from a thread.
        """
        return self._runner.call(self._do_sweep)

    async def asweep_ttl(self) -> int:
        """
        Delete what has lived long enough; what is read or put meanwhile stays.

        Returns:
            How many items were deleted.
        """
        return await self._runner.run(self._do_sweep)

    async def _do_batch(self, ops: Sequence[Op]) -> list[Result]:
        now = now_utc()
        puts = {(op.namespace, op.key): op for op in ops if isinstance(op, PutOp)}
        kept = await self._kept_items(ops)
        # Made first: what is wrong with a value is said before anything is written.
        changes = self._changes(puts.values(), kept, now)
        touched: dict[str, KeptItem] = {}
        results = [await self._result(op, kept, touched, now) for op in ops]
        # LangGraph's own stores refresh only where that is said, too.
        if (self.ttl_config or {}).get("refresh_on_read", False):
            await self._refresh(touched.values(), now)
        if changes is not None:
            await self._runner.ports.store.commit(changes)
            await self._sweep_if_due(now)
        return results

    async def _result(
        self,
        op: Op,
        kept: Mapping[str, KeptItem],
        touched: dict[str, KeptItem],
        now: datetime,
    ) -> Result:
        """
        Return what an operation finds, and note in *touched* what it refreshes.
        """
        found: list[KeptItem] = []
        result: Result = None
        match op:
            case GetOp():
                item = self._shown(kept.get(item_key_of(op.namespace, op.key)), now)
                if item is not None:
                    result, found = item.to_item(), [item]
            case SearchOp():
                found = await self._search(op, now)
                result = [each.to_search_item() for each in found]
            case ListNamespacesOp():
                result = await self._namespaces(op, now)
            case PutOp():
                pass
        if isinstance(op, GetOp | SearchOp) and op.refresh_ttl:
            touched.update((each.stored.key, each) for each in found)
        return result

    async def _kept_items(self, ops: Sequence[Op]) -> dict[str, KeptItem]:
        # What replaces an item keeps its beginning.
        keys = {
            item_key(item_key_of(op.namespace, op.key), "key")
            for op in ops
            if isinstance(op, GetOp) or (isinstance(op, PutOp) and op.value is not None)
        }
        if not keys:
            return {}
        found = await self._runner.ports.state.get_items(self._scope, keys)
        return {key: KeptItem.of(item) for key, item in found.items()}

    async def _listed(self, prefix: str, now: datetime) -> list[KeptItem]:
        items = await self._runner.ports.state.list_items(self._scope, prefix=prefix)
        listed = (self._shown(KeptItem.of(item), now) for item in items)
        return [each for each in listed if each]

    def _shown(self, item: KeptItem | None, now: datetime) -> KeptItem | None:
        omits = (self.ttl_config or {}).get("omit_expired", False)
        return None if item and omits and item.is_expired(now) else item

    async def _search(self, op: SearchOp, now: datetime) -> list[KeptItem]:
        listed = await self._listed(prefix_of(op.namespace_prefix), now)
        found = [each for each in listed if matches(each.value, op.filter)]
        found.sort(key=lambda each: each.updated_at, reverse=True)
        return found[op.offset : op.offset + op.limit]

    async def _namespaces(
        self, op: ListNamespacesOp, now: datetime
    ) -> list[tuple[str, ...]]:
        listed = await self._listed(prefix_of(labels_before_wildcard(op)), now)
        return select_namespaces(op, {place_of(each.stored.key)[0] for each in listed})

    async def _refresh(self, items: Collection[KeptItem], now: datetime) -> None:
        refreshed = [new for each in items if (new := each.refreshed(now))]
        if not refreshed:
            return
        try:
            await self._save_unchanged(refreshed)
        except RevisionConflictError:
            for item in refreshed:
                # What was put meanwhile has begun its time again by that.
                with suppress(RevisionConflictError):
                    await self._save_unchanged([item])

    async def _save_unchanged(self, items: Sequence[StateItem]) -> None:
        seen = {(item.scope, item.key): item.revision for item in items}
        await self._runner.ports.state.save_items(items, expected_revisions=seen)

    def _changes(
        self, ops: Collection[PutOp], kept: Mapping[str, KeptItem], now: datetime
    ) -> Changes | None:
        items: list[StateItem] = []
        removed: list[tuple[str, str]] = []
        for op in ops:
            key = item_key_of(op.namespace, op.key)
            if op.value is None:
                removed.append((self._scope, key))
            else:
                created_at = kept[key].created_at if key in kept else None
                items.append(state_item_of(self._scope, op, created_at, now))
        if not ops:
            return None
        return Changes(items=tuple(items), removed_items=tuple(removed))

    async def _sweep_if_due(self, now: datetime) -> None:
        interval = (self.ttl_config or {}).get("sweep_interval_minutes")
        if not interval or now - self._swept_at < timedelta(minutes=interval):
            return
        try:
            await self._do_sweep()
        except StorageError as error:
            # What was put is stored, and the next sweep finds what this one left.
            _log.warning("could not sweep what has lived long enough: %s", error)

    async def _do_sweep(self) -> int:
        now = self._swept_at = now_utc()
        items = await self._runner.ports.state.list_items(self._scope)
        expired = [item for item in items if KeptItem.of(item).is_expired(now)]
        if not expired:
            return 0
        try:
            return await self._delete_unchanged(expired)
        except RevisionConflictError:
            swept = 0
            for item in expired:
                with suppress(RevisionConflictError):
                    swept += await self._delete_unchanged([item])
            return swept

    async def _delete_unchanged(self, items: Sequence[StateItem]) -> int:
        seen = {item.key: item.revision for item in items}
        return await self._runner.ports.state.delete_items(
            self._scope, keys=list(seen), expected_revisions=seen
        )


def _checked(ops: Iterable[Op]) -> list[Op]:
    checked = list(ops)
    for op in checked:
        given = cast("object", op)
        if not isinstance(given, GetOp | SearchOp | ListNamespacesOp | PutOp):
            raise ValidationError(f"unknown operation: {type(given).__name__}")
        validate_op_namespace(op)
        if isinstance(op, SearchOp):
            check_filter(op.filter)
    return checked
