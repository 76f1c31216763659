"""
What a saver does, step by step: each step is run where the ports are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias, TypeVar, cast

import attrs
from langgraph.checkpoint.serde.base import SerializerProtocol

from asm_async.errors import ConflictError, SessionNotFoundError
from asm_async.integrations.ids import safe_id
from asm_async.integrations.langgraph import keys
from asm_async.integrations.langgraph.history import ChannelHistory, read_history
from asm_async.integrations.langgraph.listing import THREAD_ID, Listing, Wanted
from asm_async.integrations.langgraph.putting import (
    Prepared,
    Put,
    Writer,
    prepare,
    run_scope,
)
from asm_async.integrations.langgraph.reading import MAX_TRIES, Place, Reader
from asm_async.integrations.langgraph.records import Found, data_of
from asm_async.integrations.langgraph.removing import Remover, of_each
from asm_async.integrations.langgraph.sweeping import Sweeper, is_record
from asm_async.integrations.langgraph.threads import Thread, Threads
from asm_async.integrations.langgraph.writes import Writes, save_writes
from asm_async.portal import PortsRunner
from asm_async.values.session import Session
from asm_async.values.state_item import StateItem

T = TypeVar("T")

Step: TypeAlias = Callable[[], Awaitable[Any]]
Steps: TypeAlias = Generator[Step, Any, T]
"""
Yields what is to be awaited where the ports are, and is sent what came of it.
"""

_RUN_ITEMS_PER_CALL = 500


async def run_steps(runner: PortsRunner, steps: Steps[T]) -> T:
    """
    Carry out steps, from any event loop that the ports allow.
    """
    result: Any = None
    while True:
        try:
            step = steps.send(result)
        except StopIteration as ended:
            return cast("T", ended.value)
        result = await runner.run(step)


def call_steps(runner: PortsRunner, steps: Steps[T]) -> T:
    """
    Carry out steps, and block this thread meanwhile.
    """
    result: Any = None
    while True:
        try:
            step = steps.send(result)
        except StopIteration as ended:
            return cast("T", ended.value)
        result = runner.call(step)


@attrs.frozen
class Operations:
    """
    The operations of a saver with one serializer.

    Args:
        runner: Where the ports are.

        threads: What is known of threads.

        serde: The serializer.

        remembers: Whether it is remembered which checkpoints were given out as a
            thread's latest.
    """

    runner: PortsRunner
    threads: Threads
    serde: SerializerProtocol
    remembers: bool

    # Each is made again where it is used: a portal opens its ports with the first call.

    @property
    def _reader(self) -> Reader:
        return Reader(self.runner.ports.state, self.threads, self.serde)

    @property
    def _sweeper(self) -> Sweeper:
        return Sweeper(self.runner.ports, self.threads, self.serde)

    def read(self, place: Place, checkpoint_id: str | None) -> Steps[Found | None]:
        """
        Return a checkpoint, the latest unless one is named.
        """
        found: Found | None = yield partial(self._do_read, place, checkpoint_id)
        return found

    def put(self, put: Put, writes: Sequence[Writes] = ()) -> Steps[bool]:
        """
        Write a checkpoint, whose values are serialized in the caller's thread.

        Args:
            put: What is to be put.

            writes: What tasks have written, to be stored in the same commit.

        Returns:
            Whether *writes* were stored; they are not where the thread, or one of them,
            was not as expected.
        """
        for _ in range(MAX_TRIES):
            thread = self.threads.get(put.place.scope)
            if thread is None:
                thread = yield partial(self._do_look, put.place)
            parent = put.record.parent
            if put.is_recorded and parent and thread.said.get(parent) is None:
                yield partial(self._do_learn, put.place, parent, thread)
            prepared = prepare(put, thread, self.serde, writes)
            is_done = yield partial(self._do_commit, put, prepared)
            if is_done:
                return bool(writes)
            # One of them may be there already, as a repeated task's are.
            writes = ()
        raise ConflictError(
            f"thread {put.place.thread_id!r}: other writers changed it at each of"
            f" {MAX_TRIES} attempts; try again"
        )

    async def save_writes(self, writes: Writes) -> None:
        """
        Save what a task has written.
        """
        await save_writes(self.runner.ports, writes)

    async def history(
        self, place: Place, checkpoint_id: str | None, channels: Sequence[str]
    ) -> Mapping[str, ChannelHistory]:
        """
        Return what delta channels are made of.
        """
        return await read_history(self._reader, place, checkpoint_id, channels)

    async def begin_listing(self, wanted: Wanted) -> tuple[Listing, list[Found]]:
        """
        Return a listing, and its first page.
        """
        listing = Listing(self.runner.ports.query, self._reader, wanted)
        return listing, await listing.next_page()

    async def delete_thread(self, scope: str) -> None:
        """
        Remove a thread, with the session that it appears as.
        """
        # All at once, and the epoch among them: a put that relies on any is refused.
        await self.runner.ports.state.delete_items(scope, prefix="")
        await self.runner.ports.store.delete_session(scope)
        self.threads.forget(scope)

    async def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """
        Remove the checkpoints of runs.
        """
        await Remover(self._sweeper).of_runs(run_ids)

    async def prune(self, scopes: Sequence[str], *, keeps_latest: bool) -> None:
        """
        Remove checkpoints of threads, all or all but the latest.
        """
        if keeps_latest:
            await of_each(scopes, Remover(self._sweeper).keep_latest)
            return
        for scope in scopes:
            await self.runner.ports.state.delete_items(scope, prefix="")
            self.threads.forget(scope)

    async def copy_thread(self, source: Place, target: Place) -> None:
        """
        Copy a thread, with the session that it appears as.
        """
        store, state = self.runner.ports.store, self.runner.ports.state
        try:
            session = await store.get_session(source.scope)
        except SessionNotFoundError:
            return
        copied = Session.new(
            id=target.scope,
            agent_id=session.agent_id,
            tenant_id=session.tenant_id,
            user_id=session.user_id,
            metadata={**session.metadata, THREAD_ID: target.thread_id},
            tags=session.tags,
            created_at=session.created_at,
        )
        operation_id = safe_id("langgraph.copy", source.thread_id, target.thread_id)
        await store.copy_session(source.scope, copied, operation_id=operation_id)
        items = await state.list_items(
            target.scope, prefix=keys.CHECKPOINTS, with_content=False
        )
        runs = {data_of(item).get("run") for item in items if is_record(item.key)}
        marks = [
            StateItem(scope=run_scope(run), key=target.scope, session_id=target.scope)
            for run in sorted(filter(None, runs))
        ]
        for start in range(0, len(marks), _RUN_ITEMS_PER_CALL):
            await state.save_items(marks[start : start + _RUN_ITEMS_PER_CALL])

    async def _do_look(self, place: Place) -> Thread:
        thread, _ = await self._reader.look(place)
        return thread

    async def _do_learn(self, place: Place, parent: str, thread: Thread) -> None:
        if await self._reader.read(place, parent) is None:
            thread.said.put(parent, {})

    async def _do_commit(self, put: Put, prepared: Prepared) -> bool:
        writer = Writer(self.runner.ports, self.threads, self._reader)
        return await writer.commit(put, prepared)

    async def _do_read(self, place: Place, checkpoint_id: str | None) -> Found | None:
        async with self.threads.reading:
            found = await self._reader.read(place, checkpoint_id)
        if found is None or place.namespace or not self.remembers:
            return found
        name = place.scope, found.record.id
        thread = self.threads.get(place.scope)
        head = None if thread is None else thread.heads.get(place.namespace)
        if checkpoint_id is not None:
            # Who names a checkpoint may branch off from it.
            self.threads.given.drop(name)
        elif head is not None and head.id == found.record.id:
            self.threads.given.put(name, head.revision)
        return found
