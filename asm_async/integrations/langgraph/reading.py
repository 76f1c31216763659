"""
How checkpoints are read: where the ports are, and as bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import attrs
from langgraph.checkpoint.serde.base import SerializerProtocol

from asm_async.errors import StorageError
from asm_async.integrations.langgraph import forms, keys
from asm_async.integrations.langgraph.forms import Encoded
from asm_async.integrations.langgraph.records import Found, Record, data_of, record_of
from asm_async.integrations.langgraph.threads import Head, Thread, Threads
from asm_async.ports.state_store import StateStore
from asm_async.values.state_item import StateItem

MAX_TRIES = 20
"""
How often something is begun again that others come in between.
"""

_KEYS_PER_READ = 1_000


class _GoneError(Exception):
    """
    What was about to be read has been removed meanwhile.
    """


@attrs.frozen(kw_only=True)
class Place:
    """
    A thread's namespace, and the scope of the thread's items.
    """

    thread_id: str
    scope: str
    namespace: str


@attrs.frozen
class Reader:
    """
    Reads checkpoints, and remembers what it has seen.

    Args:
        state: The state store, in the loop in which this is used.

        threads: Where what is seen is remembered.

        serde: Reads what a checkpoint's item holds, but not the values in it.
    """

    state: StateStore
    threads: Threads
    serde: SerializerProtocol

    async def look(self, place: Place) -> tuple[Thread, Head | None]:
        """
        Return what is known of a thread, and a namespace's latest checkpoint.
        """
        head_key = keys.head(place.namespace)
        marks = await self.state.get_items(place.scope, [keys.EPOCH, head_key])
        epoch = marks.get(keys.EPOCH)
        thread = self.threads.at_epoch(
            place.scope, 0 if epoch is None else epoch.revision
        )
        item = marks.get(head_key)
        if item is None:
            thread.heads.pop(place.namespace, None)
            return thread, None
        head = Head(data_of(item)["id"], item.revision)
        thread.heads[place.namespace] = head
        return thread, head

    async def read(self, place: Place, checkpoint_id: str | None) -> Found | None:
        """
        Return a checkpoint, the latest unless one is named; None if there is none.
        """
        for _ in range(MAX_TRIES):
            # What is known of the epoch was so before the values are read: who relies
            # on having seen them expects it.
            thread, head = await self.look(place)
            wanted = checkpoint_id or (None if head is None else head.id)
            if wanted is None:
                return None
            prefix = keys.checkpoint(place.namespace, wanted)
            items = await self.state.list_items(place.scope, prefix=prefix)
            try:
                for found in await self.complete(
                    place, thread, self.group(place, items)
                ):
                    return found
            except _GoneError:
                continue
            if checkpoint_id is not None:
                return None
        raise _unreadable(place, checkpoint_id)

    def group(self, place: Place, items: Iterable[StateItem]) -> list[Found]:
        """
        Return the checkpoints among *items*, each with its writes, without its values.
        """
        writes: dict[str, list[StateItem]] = {}
        records: list[StateItem] = []
        for item in items:
            owner = keys.owner(item.key)
            if item.key == owner:
                records.append(item)
            else:
                writes.setdefault(owner, []).append(item)
        return [
            Found(
                thread_id=place.thread_id,
                namespace=place.namespace,
                record=record_of(self.serde, item),
                writes=writes.get(item.key, []),
            )
            for item in records
        ]

    async def complete_those_left(
        self, place: Place, found: Sequence[Found]
    ) -> list[Found]:
        """
        Return checkpoints with their values, without those that are removed meanwhile.
        """
        thread, _ = await self.look(place)
        try:
            return await self.complete(place, thread, found)
        except _GoneError:
            left: list[Found] = []
            for each in found:
                again = await self.read(place, each.record.id)
                left += [] if again is None else [again]
            return left

    async def complete(
        self, place: Place, thread: Thread, found: Sequence[Found]
    ) -> list[Found]:
        """
        Return checkpoints with their values.

        Raises:
            _GoneError: If one was removed meanwhile, and with it what it names.
        """
        by_key = await self._forms(place, thread, [each.record for each in found])
        whole: list[Found] = []
        for each in found:
            stored = each.record.stored_keys(place.namespace)
            inline = each.record.values
            its = {
                channel: by_key[stored[channel]] if form is None else form
                for channel, form in inline.items()
            }
            whole.append(attrs.evolve(each, forms=its))
        parts = await self._parts(
            place, [f for each in whole for f in each.forms.values()]
        )
        thread.known.update(parts)
        for each in whole:
            self._learn(place, thread, each, parts)
        return [attrs.evolve(each, parts=parts) for each in whole]

    async def _forms(
        self, place: Place, thread: Thread, records: Sequence[Record]
    ) -> Mapping[str, bytes]:
        wanted: set[str] = set()
        found: dict[str, bytes] = {}
        for record in records:
            versions = record.checkpoint["channel_versions"]
            for channel, key in record.stored_keys(place.namespace).items():
                known = thread.form_at(place.namespace, channel, versions[channel])
                if known is not None:
                    found[key] = known.form
                else:
                    wanted.add(key)
        if wanted:
            items = await self._contents(place, wanted)
            thread.known.update(items)
            found.update(items)
        return found

    async def _parts(
        self, place: Place, all_forms: Sequence[bytes]
    ) -> dict[bytes, bytes]:
        nodes = {each for form in all_forms for each in forms.named_nodes(form)}
        parts = await self._of_digests(place, nodes)
        elements = {each for form in all_forms for each in forms.named(form)} - nodes
        for node in nodes:
            elements.update(forms.named_by_node(parts[node]))
        parts.update(await self._of_digests(place, elements - parts.keys()))
        return parts

    async def _of_digests(
        self, place: Place, digests: Collection[bytes]
    ) -> dict[bytes, bytes]:
        parts = self.threads.parts.among(digests)
        missing = {keys.part(each): each for each in digests if each not in parts}
        if missing:
            items = await self._contents(place, missing)
            read = {missing[key]: content for key, content in items.items()}
            self.threads.parts.keep(read)
            parts.update(read)
        return parts

    async def _contents(
        self, place: Place, wanted: Collection[str]
    ) -> dict[str, bytes]:
        names = sorted(wanted)
        contents: dict[str, bytes] = {}
        for start in range(0, len(names), _KEYS_PER_READ):
            part = names[start : start + _KEYS_PER_READ]
            items = await self.state.get_items(place.scope, part)
            if len(items) < len(part):
                raise _GoneError
            contents.update((key, item.content or b"") for key, item in items.items())
        return contents

    def _learn(
        self,
        place: Place,
        thread: Thread,
        found: Found,
        parts: Mapping[bytes, bytes],
    ) -> None:
        versions = found.record.checkpoint["channel_versions"]
        said: dict[str, Sequence[bytes]] = {}
        for channel, form in found.forms.items():
            elements = forms.elements_of(form, parts)
            if elements:
                said[channel] = elements
            if channel in versions:
                encoded = Encoded(form, {}, elements)
                thread.learn_form(place.namespace, channel, versions[channel], encoded)
        if not place.namespace:
            thread.said.put(found.record.id, said)


def _unreadable(place: Place, checkpoint_id: str | None) -> StorageError:
    which = "its latest checkpoint" if checkpoint_id is None else checkpoint_id
    return StorageError(
        f"thread {place.thread_id!r}: values of {which} are missing, and are still so"
        f" after {MAX_TRIES} tries"
    )
