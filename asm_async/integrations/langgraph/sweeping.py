"""
How the values go that no checkpoint names any more.

A put relies on values that are there, and writes no more than what is new. So who
removes values replaces the epoch in the same commit, and expects that no namespace has
had a put since it looked; and a put expects the epoch that it knows. Who takes a
namespace's head away replaces it, too, since that one can be expected no more.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

import attrs
from langgraph.checkpoint.serde.base import SerializerProtocol

from asm_async.errors import ConflictError, RevisionConflictError
from asm_async.integrations.langgraph import forms, keys
from asm_async.integrations.langgraph.reading import MAX_TRIES
from asm_async.integrations.langgraph.records import data_of, record_of
from asm_async.integrations.langgraph.threads import Threads
from asm_async.ports.together import Ports
from asm_async.values.changes import Changes
from asm_async.values.state_item import StateItem

_NAMES_PER_CALL = 1_000
_KEYS_PER_READ = 500
_logger = logging.getLogger(__name__)


class _GoneError(Exception):
    """
    What was looked at has been removed meanwhile.
    """


@attrs.frozen
class Sweeper:
    """
    Removes values of threads, where the ports are.

    Args:
        ports: The ports.

        threads: Where it is remembered what is stored.

        serde: Reads what a checkpoint's item holds.
    """

    ports: Ports
    threads: Threads
    serde: SerializerProtocol

    async def sweep(self, scope: str) -> None:
        """
        Remove the values that no checkpoint names.

        Where others go on putting checkpoints it begins again, and leaves it to the
        next sweep in the end.
        """
        for _ in range(MAX_TRIES):
            try:
                return await self._sweep(scope)
            except (RevisionConflictError, _GoneError):
                continue
        _logger.info("others go on in %s: it is left to the next sweep", scope)
        return None

    def is_busy(self, scope: str) -> ConflictError:
        """
        Return the error for a thread in which others always come in between.
        """
        return ConflictError(
            f"{scope!r}: other writers changed it at each of {MAX_TRIES} attempts; try"
            " again when the thread is less busy"
        )

    async def remove(
        self,
        epoch: StateItem,
        names: Sequence[str],
        expected: Mapping[tuple[str, str], int],
    ) -> StateItem:
        """
        Remove items, and replace the epoch.

        Returns:
            The new epoch.

        Raises:
            RevisionConflictError: If something is not as expected, or the epoch is
                another.
        """
        scope = epoch.scope
        removed = tuple((scope, name) for name in names)
        committed = await self.ports.store.commit(
            Changes(items=(_fresh(epoch),), removed_items=removed),
            expected_revisions={**expected, (scope, epoch.key): epoch.revision},
        )
        (new,) = committed.items
        self.threads.at_epoch(scope, new.revision)
        return new

    async def replace(
        self,
        epoch: StateItem,
        item: StateItem,
        expected: Mapping[tuple[str, str], int],
    ) -> StateItem:
        """
        Replace an item by itself, and the epoch of a thread with it.

        Returns:
            The item with its new revision.

        Raises:
            RevisionConflictError: As for :meth:`remove`.
        """
        committed = await self.ports.store.commit(
            Changes(items=(_fresh(epoch), _fresh(item))),
            expected_revisions={**expected, (epoch.scope, epoch.key): epoch.revision},
        )
        new_epoch, new_item = committed.items
        self.threads.at_epoch(epoch.scope, new_epoch.revision)
        return new_item

    async def _sweep(self, scope: str) -> None:
        listed = await self.ports.state.list_items(scope, with_content=False)
        stored = {item.key: item for item in listed}
        if (epoch := stored.get(keys.EPOCH)) is None:
            return
        named = await self._named(scope, stored)
        values = [key for key in stored if key.startswith((keys.VALUES, keys.PARTS))]
        marks = [keys.NAMESPACES, *(k for k in stored if k.startswith(keys.HEADS))]
        expected = {
            (scope, key): stored[key].revision if key in stored else 0 for key in marks
        }
        for chunk in chunks([key for key in values if key not in named]):
            epoch = await self.remove(epoch, chunk, expected)

    async def _named(self, scope: str, stored: Mapping[str, StateItem]) -> set[str]:
        """
        Return the keys of the values and parts that checkpoints name.

        Raises:
            _GoneError: If one of them was removed meanwhile.
        """
        named: set[str] = set()
        all_forms: list[bytes] = []
        async for item in self._contents(scope, list(filter(is_record, stored))):
            record = record_of(self.serde, item)
            named.update(record.stored_keys(data_of(item)["namespace"]).values())
            all_forms += [form for form in record.values.values() if form is not None]
        values = [key for key in stored if key in named]
        async for item in self._contents(scope, values):
            all_forms.append(item.content or b"")
        parts = {digest for form in all_forms for digest in forms.named(form)}
        nodes = {digest for form in all_forms for digest in forms.named_nodes(form)}
        async for item in self._contents(scope, [keys.part(node) for node in nodes]):
            parts.update(forms.named_by_node(item.content or b""))
        return named.union(map(keys.part, parts))

    async def _contents(
        self, scope: str, wanted: Sequence[str]
    ) -> AsyncIterator[StateItem]:
        for chunk in chunks(wanted, _KEYS_PER_READ):
            items = await self.ports.state.get_items(scope, chunk)
            if len(items) < len(chunk):
                raise _GoneError
            for item in items.values():
                yield item


def _fresh(item: StateItem) -> StateItem:
    return attrs.evolve(item, revision=0, updated_at=None)


def is_record(key: str) -> bool:
    """
    Return whether a key is that of a checkpoint itself.
    """
    return key.startswith(keys.CHECKPOINTS) and keys.owner(key) == key


def chunks(
    names: Sequence[str], size: int = _NAMES_PER_CALL
) -> Iterator[Sequence[str]]:
    """
    Yield names in parts of a size that one call takes.
    """
    for start in range(0, len(names), size):
        yield names[start : start + size]
