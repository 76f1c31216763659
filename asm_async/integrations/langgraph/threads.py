"""
What a saver knows of threads, so that it need not ask or write it again.

All of it may be forgotten at any time, and costs no more than a further read then.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, TypeVar

import attrs

from asm_async.integrations.langgraph.forms import Encoded

K = TypeVar("K")
V = TypeVar("V")

_MAX_READING = 4
_MAX_THREADS = 512
_MAX_KNOWN = 1_000_000
_MAX_GIVEN = 10_000
_MAX_SAID = 8
_MAX_PART_BYTES = 32 * 2**20


@attrs.frozen
class Head:
    """
    The latest checkpoint of a namespace, and the revision of the item that names it.
    """

    id: str
    revision: int


@attrs.define(eq=False)
class Thread:
    """
    What is known to be stored of a thread since its values were swept last.

    What is learnt of the time before a sweep is written into the object of that time,
    which nobody relies on any more: the epoch that a put expects is that of its object.
    """

    epoch: int
    """
    The revision of the item that is replaced by each sweep; 0 if there is no thread.
    """

    known: set[bytes | str] = attrs.field(factory=set[bytes | str])
    """
    The digests of parts, and the keys of values, that are there.
    """

    latest_forms: dict[tuple[str, str], tuple[object, Encoded]] = attrs.field(
        factory=dict[tuple[str, str], tuple[object, Encoded]]
    )
    """
    By namespace and channel, a version and the form of its value, without its parts.
    """

    heads: dict[str, Head] = attrs.field(factory=dict[str, Head])
    """
    By namespace, the latest checkpoint when it was looked for last.
    """

    said: LatestOf[str, Mapping[str, Sequence[bytes]]] = attrs.field(
        factory=lambda: LatestOf[str, Mapping[str, Sequence[bytes]]](_MAX_SAID)
    )
    """
    By checkpoint of the root's namespace, the elements of its lists, by channel.
    """

    def learn_form(
        self, namespace: str, channel: str, version: object, encoded: Encoded
    ) -> None:
        """
        Remember which form the value of a channel has at a version.
        """
        # What it holds beside would be kept alive as well.
        lean = Encoded(encoded.form, {}, encoded.elements) if encoded.parts else encoded
        self.latest_forms[namespace, channel] = version, lean

    def form_at(self, namespace: str, channel: str, version: object) -> Encoded | None:
        """
        Return the form of the value that a channel has at a version, if it is known.
        """
        known = self.latest_forms.get((namespace, channel))
        return known[1] if known is not None and known[0] == version else None


class LatestOf(Generic[K, V]):
    """
    A mapping that keeps the entries which were used last; for any thread.
    """

    def __init__(self, max_entries: int) -> None:
        self._max_entries = max_entries
        self._lock = threading.Lock()
        self._entries: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        """
        Return what stands under *key*, if anything does.
        """
        with self._lock:
            if (found := self._entries.get(key)) is not None:
                self._entries.move_to_end(key)
            return found

    def put(self, key: K, value: V) -> None:
        """
        Keep *value*, and forget what was not used for longest.
        """
        with self._lock:
            self._entries[key] = value
            self._entries.move_to_end(key)
            if len(self._entries) > self._max_entries:
                self._entries.popitem(last=False)

    def drop(self, key: K) -> None:
        """
        Forget what stands under *key*.
        """
        with self._lock:
            self._entries.pop(key, None)

    def values(self) -> list[V]:
        """
        Return all values, the one that was used last at the end.
        """
        with self._lock:
            return list(self._entries.values())

    def drop_oldest(self) -> None:
        """
        Forget what was not used for longest.
        """
        with self._lock:
            if len(self._entries) > 1:
                self._entries.popitem(last=False)


class Threads:
    """
    What is known of threads, by scope, and the parts that were read or written last.
    """

    def __init__(self) -> None:
        self._threads = LatestOf[str, Thread](_MAX_THREADS)
        self.given: LatestOf[tuple[str, str], int] = LatestOf(_MAX_GIVEN)
        """
        The checkpoints that this saver gave out as a thread's latest, or put on one
        that it did, with the revision of the item that named them so.
        """
        self.parts: Parts = Parts()
        # Pools keep some five connections: more reads at the same time open others, and
        # each costs more than to wait for a read.
        self.reading: asyncio.Semaphore = asyncio.Semaphore(_MAX_READING)
        """
        Held while a checkpoint is read, where the ports are.
        """

    def get(self, scope: str) -> Thread | None:
        """
        Return what is known of a thread; None if nothing is.
        """
        return self._threads.get(scope)

    def at_epoch(self, scope: str, epoch: int) -> Thread:
        """
        Return what is known of a thread since the sweep that has this revision.
        """
        known = self._threads.get(scope)
        if known is None or known.epoch != epoch:
            known = Thread(epoch)
            self._threads.put(scope, known)
            self._forget_some()
        return known

    def forget(self, scope: str) -> None:
        """
        Forget a thread.
        """
        self._threads.drop(scope)

    def _forget_some(self) -> None:
        total = sum(len(each.known) for each in self._threads.values())
        while total > _MAX_KNOWN and len(threads := self._threads.values()) > 1:
            total -= len(threads[0].known)
            self._threads.drop_oldest()


class Parts:
    """
    Parts of values by their digests, as many as fit into 32 MiB.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._contents: OrderedDict[bytes, bytes] = OrderedDict()
        self._size = 0

    def among(self, digests: Iterable[bytes]) -> dict[bytes, bytes]:
        """
        Return those of *digests* that are at hand, with their contents.
        """
        found: dict[bytes, bytes] = {}
        with self._lock:
            for digest in digests:
                if (content := self._contents.get(digest)) is not None:
                    self._contents.move_to_end(digest)
                    found[digest] = content
        return found

    def keep(self, parts: Mapping[bytes, bytes]) -> None:
        """
        Keep parts, and let go of those that were not used for longest.
        """
        with self._lock:
            for digest, content in parts.items():
                if digest not in self._contents:
                    self._size += len(content)
                self._contents[digest] = content
            while self._size > _MAX_PART_BYTES:
                _, content = self._contents.popitem(last=False)
                self._size -= len(content)
