"""
What one checkpoint changes, and how it is written: in one commit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
from langgraph.checkpoint.serde.base import SerializerProtocol

from asm_async.errors import RevisionConflictError, SessionNotFoundError
from asm_async.integrations.ids import safe_id
from asm_async.integrations.langgraph import forms, keys
from asm_async.integrations.langgraph.forms import Encoded
from asm_async.integrations.langgraph.messages import NewMessage, events_and_runs
from asm_async.integrations.langgraph.reading import Place, Reader
from asm_async.integrations.langgraph.records import Record
from asm_async.integrations.langgraph.stale import StaleCheckpointError
from asm_async.integrations.langgraph.threads import Head, Thread, Threads
from asm_async.integrations.langgraph.writes import Writes
from asm_async.ports.together import Ports
from asm_async.values.changes import Changes
from asm_async.values.session import Session
from asm_async.values.state_item import StateItem


@attrs.frozen(kw_only=True)
class Put:
    """
    What is to be put.
    """

    place: Place
    record: Record
    """
    The checkpoint; the forms of its values come with what is known of the thread.
    """

    values: Mapping[str, Any]
    new_channels: frozenset[str]
    """
    The channels that have changed since the checkpoint before it.
    """

    session: Callable[[], Session]
    """
    Makes the session that the thread appears as, should there be none yet.
    """

    is_recorded: bool
    """
    Whether new messages are told to the session.
    """

    is_checked: bool
    """
    Whether it is refused if the thread has moved on from where this saver saw it.
    """

    @property
    def key(self) -> str:
        """
        The key of the checkpoint's item.
        """
        return keys.checkpoint(self.place.namespace, self.record.id)

    @property
    def run_id(self) -> str | None:
        """
        The run that the metadata names, if it does.
        """
        run_id = self.record.metadata.get("run_id")
        return run_id if isinstance(run_id, str) and run_id else None


@attrs.define(kw_only=True)
class Prepared:
    """
    The changes of a put, by what is known of the thread, and what is learnt by it.
    """

    thread: Thread
    changes: Changes
    expected: dict[tuple[str, str], int]
    encoded: Mapping[str, Encoded]
    known: set[bytes | str]
    parts: Mapping[bytes, bytes]
    said: Mapping[str, Sequence[bytes]]


def prepare(
    put: Put, thread: Thread, serde: SerializerProtocol, writes: Sequence[Writes] = ()
) -> Prepared:
    """
    Make the changes of a put, in the thread in which the values are the caller's.

    Those of *writes* are part of them.
    """
    encoded: dict[str, Encoded] = {}
    values: dict[str, bytes | None] = {}
    items: dict[str, bytes] = {}
    known: set[bytes | str] = set()
    parts: dict[bytes, bytes] = {}
    versions = put.record.checkpoint["channel_versions"]
    namespace = put.place.namespace
    for channel, value in put.values.items():
        form = _form_of(put, thread, serde, channel, value)
        encoded[channel] = form
        # Without a version nobody else finds it.
        is_inline = form.is_inline or channel not in versions
        values[channel] = form.form if is_inline else None
        if not is_inline:
            key = keys.value(namespace, channel, versions[channel])
            if key not in thread.known or channel in put.new_channels:
                items[key] = form.form
            known.add(key)
        parts.update(
            (digest, content)
            for digest, content in form.parts.items()
            if digest not in thread.known
        )
    known.update(parts)
    items |= {keys.part(digest): content for digest, content in parts.items()}
    if put.run_id is not None:
        known.add(_run_key(put.run_id))
    record = attrs.evolve(put.record, values=values)
    said = {name: each.elements for name, each in encoded.items() if each.elements}
    contents = {**items, put.key: record.packed(serde)}
    messages = _new_messages(put, thread, said) if put.is_recorded else []
    changes = _changes(put, thread, contents, messages, writes)
    expected = {(put.place.scope, keys.EPOCH): thread.epoch}
    for each in writes:
        expected |= each.expected
    return Prepared(
        thread=thread,
        changes=changes,
        expected=expected,
        encoded=encoded,
        known=known,
        parts=parts,
        said=said,
    )


def _form_of(
    put: Put, thread: Thread, serde: SerializerProtocol, channel: str, value: object
) -> Encoded:
    version = put.record.checkpoint["channel_versions"].get(channel)
    if channel not in put.new_channels:
        known = thread.form_at(put.place.namespace, channel, version)
        # What it names is known to be there, as long as the epoch is the same.
        if known is not None:
            return known
    return forms.encode(serde, value)


def _changes(
    put: Put,
    thread: Thread,
    contents: Mapping[str, bytes],
    messages: Sequence[NewMessage],
    writes: Sequence[Writes],
) -> Changes:
    place, record = put.place, put.record
    data = head = {"id": record.id, "namespace": place.namespace}
    if record.parent is not None:
        data = {**data, "parent": record.parent}
    if put.run_id is not None:
        data = {**data, "run": put.run_id}

    def item(key: str, data: Any = None, content: bytes | None = None) -> StateItem:
        return StateItem(
            scope=place.scope,
            key=key,
            data=data,
            content=content,
            session_id=place.scope,
        )

    items = [
        item(key, data if key == put.key else None, content)
        for key, content in contents.items()
    ]
    items.append(item(keys.head(place.namespace), head))
    if thread.epoch == 0:
        items.append(item(keys.EPOCH))
    if place.namespace not in thread.heads:
        items.append(item(keys.NAMESPACES))
    if put.run_id is not None and _run_key(put.run_id) not in thread.known:
        items.append(attrs.evolve(item(place.scope), scope=run_scope(put.run_id)))
    for each in writes:
        items += each.items
    events, runs = events_and_runs(place.scope, record, messages)
    return Changes(
        items=tuple(items),
        events=tuple(events),
        runs=tuple(runs),
        create_session=put.session() if thread.epoch == 0 else None,
    )


def run_scope(run_id: str) -> str:
    """
    Return the scope that names the threads in which a run has put checkpoints.
    """
    return safe_id("langgraph.runs", run_id)


def _run_key(run_id: str) -> str:
    return f"run {run_id}"


def _new_messages(
    put: Put, thread: Thread, said: Mapping[str, Sequence[bytes]]
) -> list[NewMessage]:
    """
    Return the messages that the checkpoint has and the one before it has not.
    """
    parent = put.record.parent
    before = (thread.said.get(parent) if parent else None) or {}
    told = {each for name in before if name not in said for each in before[name]}
    found: list[NewMessage] = []
    for channel, elements in said.items():
        value = put.values[channel]
        if channel not in put.new_channels or not forms.is_messages(value):
            continue
        for place in _added(before.get(channel, ()), elements):
            digest = elements[place]
            if digest not in told:
                found.append(NewMessage(channel, value, place, digest))
        told.update(elements)
    return found


def _added(before: Sequence[bytes], now: Sequence[bytes]) -> list[int]:
    """
    Return the places of what a list has more than the one before it.
    """
    length = len(before)
    if list(now[:length]) == list(before):
        return list(range(length, len(now)))
    left = Counter(before)
    added: list[int] = []
    for place, each in enumerate(now):
        if left[each]:
            left[each] -= 1
        else:
            added.append(place)
    return added


@attrs.frozen
class Writer:
    """
    Commits what was prepared, where the ports are.

    Args:
        ports: The ports.

        threads: Where what is stored is remembered.

        reader: Looks again where something was not as expected.
    """

    ports: Ports
    threads: Threads
    reader: Reader

    async def commit(self, put: Put, prepared: Prepared) -> bool:
        """
        Write a checkpoint.

        Returns:
            False if it has to be prepared again, by what is known now.

        Raises:
            StaleCheckpointError: If the put is checked, and the thread has moved on.
        """
        expected = dict(prepared.expected)
        head_name = put.place.scope, keys.head(put.place.namespace)
        revision = self._expected_head(put)
        if revision is not None:
            expected[head_name] = revision
        try:
            committed = await self.ports.store.commit(
                prepared.changes, expected_revisions=expected
            )
        except RevisionConflictError:
            _, head = await self.reader.look(put.place)
            if revision is not None:
                self._check(put, head)
            return False
        except SessionNotFoundError:
            # It was deleted, and all that went with it.
            self.threads.forget(put.place.scope)
            return False
        revisions = {(i.scope, i.key): i.revision for i in committed.items}
        self._learn(put, prepared, revisions)
        if put.is_checked and self._is_followed(put):
            given = put.place.scope, put.record.id
            self.threads.given.put(given, revisions[head_name])
        return True

    def _is_followed(self, put: Put) -> bool:
        """
        Return whether this saver has given out what the checkpoint is put on.
        """
        if put.record.parent is None:
            return put.record.metadata.get("source") == "input"
        return self._given(put, put.record.parent) is not None

    def _expected_head(self, put: Put) -> int | None:
        if not put.is_checked or put.record.metadata.get("source") == "fork":
            return None
        if put.record.parent is not None:
            return self._given(put, put.record.parent)
        if not self._is_followed(put):
            return None
        # The first of a thread; or the same once more.
        return self._given(put, put.record.id) or 0

    def _given(self, put: Put, checkpoint_id: str) -> int | None:
        return self.threads.given.get((put.place.scope, checkpoint_id))

    def _check(self, put: Put, head: Head | None) -> None:
        latest = None if head is None else head.id
        if latest not in {put.record.parent, put.record.id}:
            raise StaleCheckpointError(put.place.thread_id, put.record.parent, latest)
        if head is not None:
            # Put once more, by this saver or another: what it says is the same.
            self.threads.given.put(
                (put.place.scope, put.record.parent or head.id), head.revision
            )

    def _learn(
        self,
        put: Put,
        prepared: Prepared,
        revisions: Mapping[tuple[str, str], int],
    ) -> None:
        thread, place = prepared.thread, put.place
        thread.epoch = revisions.get((place.scope, keys.EPOCH), thread.epoch)
        head = revisions[place.scope, keys.head(place.namespace)]
        thread.heads[place.namespace] = Head(put.record.id, head)
        thread.known.update(prepared.known)
        self.threads.parts.keep(prepared.parts)
        versions = put.record.checkpoint["channel_versions"]
        for channel, encoded in prepared.encoded.items():
            if channel in versions:
                version = versions[channel]
                thread.learn_form(place.namespace, channel, version, encoded)
        if not place.namespace:
            thread.said.put(put.record.id, prepared.said)
