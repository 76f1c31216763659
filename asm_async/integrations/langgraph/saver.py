"""
A checkpointer of LangGraph over the ports.
"""

from __future__ import annotations

import random
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterator,
    Mapping,
    Sequence,
)
from functools import partial
from typing import Any, Literal, Self

import sqlalchemy as sa
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
)
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer

from asm_async.integrations.langgraph.arguments import (
    checkpoint_id_of,
    config_for,
    named_checkpoint,
    place_of,
    put_of,
    scope_of,
    session_of,
    wanted_of,
)
from asm_async.integrations.langgraph.operations import (
    Operations,
    call_steps,
    run_steps,
)
from asm_async.integrations.langgraph.putting import Put
from asm_async.integrations.langgraph.reading import Place
from asm_async.integrations.langgraph.threads import Threads
from asm_async.integrations.langgraph.writes import Writes, writes_of
from asm_async.portal import Portal, PortsRunner, open_portal
from asm_async.ports.together import Ports
from asm_async.values import fields


class AsmCheckpointSaver(BaseCheckpointSaver[str]):
    """
    A checkpointer of LangGraph over the ports.

    A thread's checkpoints are state items of one scope, and the thread is a session of
    ours besides, with the agent ``langgraph``: it is listed, searched, counted, erased
    and kept for as long as a retention policy says, and its items go with it. One put
    is one commit. Lists, such as messages, are stored element by element: what a turn
    adds is what it costs.

    The latest checkpoint of a namespace is the one that was committed last, whatever
    the clocks of the hosts say.

    **Two writers.** With ``on_fork="allow"`` a thread branches where two turns begin at
    one checkpoint, and the one that ends last is seen, as with LangGraph's own savers.
    With ``"refuse"`` the put of the second raises
    :class:`~asm_async.integrations.langgraph.stale.StaleCheckpointError`, which ends
    its run. A branch on purpose, from a checkpoint that the config names, is never
    refused, nor is what a subgraph puts: that lies within a turn of the root's.

    **Threads and event loops.** The ports of a portal can be used from any of them, and
    have the synchronous methods, too. Without a portal those raise
    ``UnsupportedOperationError``.

    Args:
        ports: The ports, which stay the caller's.

        serde: LangGraph's own serializer unless given. With ``EncryptedSerializer``,
            and with any other that is not LangGraph's own, values are stored whole.

        on_fork: ``"allow"`` or ``"refuse"``.

        record_messages:
            Whether LangChain's messages that a checkpoint of the root brings are
            appended to the session as events, and their tokens as runs, in the same
            commit. Unless given, they are where the serializer does not encrypt: what
            is in events can be read.

    Raises:
        ValidationError: Naming the argument that is wrong.
    """

    def __init__(
        self,
        ports: Ports,
        *,
        serde: SerializerProtocol | None = None,
        on_fork: Literal["allow", "refuse"] = "allow",
        record_messages: bool | None = None,
    ) -> None:
        super().__init__(serde=serde)
        self._runner = PortsRunner(ports)
        self._threads = Threads()
        self._refuses = (
            fields.one_of(on_fork, "on_fork", ("allow", "refuse")) == "refuse"
        )
        self._record_messages = fields.optional(
            record_messages, "record_messages", fields.boolean
        )
        self._portal: Portal | None = None

    @classmethod
    def from_url(
        cls,
        url: str | sa.URL,
        *,
        migrate: bool = True,
        serde: SerializerProtocol | None = None,
        on_fork: Literal["allow", "refuse"] = "allow",
        record_messages: bool | None = None,
        **options: Any,
    ) -> Self:
        """
        Return a saver with a portal of its own to a database, for any thread and loop.

        The portal is open until :meth:`close`, or the end of the process.

        Args:
            url: As for :func:`~asm_async.open_ports`.

            migrate: Bring the database's schema up to date first.

            serde: As for the class.

            on_fork: As for the class.

            record_messages: As for the class.

            options: As for :func:`~asm_async.portal.open_portal`.
        """
        portal = open_portal(url, migrate=migrate, **options)
        saver = cls(
            portal.ports,
            serde=serde,
            on_fork=on_fork,
            record_messages=record_messages,
        )
        saver._portal = portal
        return saver

    def close(self) -> None:
        """
        Close the portal of :meth:`from_url`; ports that were handed in stay open.
        """
        if self._portal is not None:
            self._portal.close()

    async def aclose(self) -> None:
        """
        Close the saver as :meth:`close` does, and let this loop run meanwhile.
        """
        if self._portal is not None:
            await self._portal.aclose()

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """
        Return a thread's checkpoint, the latest unless the config names one.
        """
        steps = self._operations.read(place_of(config), checkpoint_id_of(config))
        found = await run_steps(self._runner, steps)
        return None if found is None else found.tuple_with(self.serde)

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """
        Return a thread's checkpoint as :meth:`aget_tuple` does.
        """
        steps = self._operations.read(place_of(config), checkpoint_id_of(config))
        found = call_steps(self._runner, steps)
        return None if found is None else found.tuple_with(self.serde)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """
        Store a checkpoint, all or nothing, and return what names it.

        One of the same id is replaced.

        Raises:
            StaleCheckpointError: If the thread has moved on, and *on_fork* is
                ``"refuse"``.

            SessionDeletedError: If the thread's session was soft-deleted.
        """
        put = self._put(config, checkpoint, metadata, new_versions)
        await run_steps(self._runner, self._operations.put(put))
        return config_for(config, checkpoint["id"])

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """
        Store a checkpoint as :meth:`aput` does.
        """
        put = self._put(config, checkpoint, metadata, new_versions)
        call_steps(self._runner, self._operations.put(put))
        return config_for(config, checkpoint["id"])

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """
        Store what a task has written, all or nothing; repeating it changes nothing.
        """
        if writes:
            its = self._writes(config, writes, task_id, task_path)
            await self._runner.run(partial(self._operations.save_writes, its))

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """
        Store what a task has written as :meth:`aput_writes` does.
        """
        if writes:
            its = self._writes(config, writes, task_id, task_path)
            self._runner.call(partial(self._operations.save_writes, its))

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - LangGraph's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """
        Yield checkpoints, those with the last ids first.

        Nothing is held while the caller has the floor. Of all threads (without
        *config*) the names of all checkpoints are read at first.
        """
        begin = partial(
            self._operations.begin_listing, wanted_of(config, filter, before, limit)
        )
        listing, page = await self._runner.run(begin)
        while page:
            for found in page:
                yield found.tuple_with(self.serde)
            page = await self._runner.run(listing.next_page)

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - LangGraph's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """
        Yield checkpoints as :meth:`alist` does.
        """
        begin = partial(
            self._operations.begin_listing, wanted_of(config, filter, before, limit)
        )
        listing, page = self._runner.call(begin)
        while page:
            for found in page:
                yield found.tuple_with(self.serde)
            page = self._runner.call(listing.next_page)

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """
        Return what delta channels are made of: the writes since their last values.
        """
        find = partial(
            self._operations.history,
            place_of(config),
            checkpoint_id_of(config),
            tuple(channels),
        )
        found = await self._runner.run(find) if channels else {}
        return {name: each.read(self.serde, name) for name, each in found.items()}

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """
        Return what delta channels are made of, as its asynchronous twin does.
        """
        find = partial(
            self._operations.history,
            place_of(config),
            checkpoint_id_of(config),
            tuple(channels),
        )
        found = self._runner.call(find) if channels else {}
        return {name: each.read(self.serde, name) for name, each in found.items()}

    async def adelete_thread(self, thread_id: str) -> None:
        """
        Remove a thread for good: its checkpoints, and its session with all events.
        """
        remove = partial(self._operations.delete_thread, scope_of(thread_id))
        await self._runner.run(remove)

    def delete_thread(self, thread_id: str) -> None:
        """
        Remove a thread as :meth:`adelete_thread` does.
        """
        self._runner.call(partial(self._operations.delete_thread, scope_of(thread_id)))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """
        Remove the checkpoints that runs have put; what their sessions say stays.
        """
        await self._runner.run(partial(self._operations.delete_for_runs, run_ids))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """
        Remove the checkpoints of runs as :meth:`adelete_for_runs` does.
        """
        self._runner.call(partial(self._operations.delete_for_runs, run_ids))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """
        Copy a thread, with its session, inside the database; nothing of an unknown one.

        Raises:
            ConflictError: If there is or was a thread of the target's id.
        """
        source, target = _thread(source_thread_id), _thread(target_thread_id)
        await self._runner.run(partial(self._operations.copy_thread, source, target))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """
        Copy a thread as :meth:`acopy_thread` does.
        """
        source, target = _thread(source_thread_id), _thread(target_thread_id)
        self._runner.call(partial(self._operations.copy_thread, source, target))

    async def aprune(
        self, thread_ids: Sequence[str], *, strategy: str = "keep_latest"
    ) -> None:
        """
        Remove checkpoints of threads, and the values that nothing names any more.

        What sessions say stays. Runs may go on meanwhile.

        Args:
            thread_ids: The threads.

            strategy:
                ``"keep_latest"`` keeps each namespace's latest checkpoint, and those
                before it of which its delta channels are made; the state of a single
                call of a subgraph goes with the checkpoint of the root that called it.
                ``"delete"`` keeps none.

        Raises:
            ValidationError: If there is no such strategy.
        """
        await self._runner.run(self._prune(thread_ids, strategy))

    def prune(
        self, thread_ids: Sequence[str], *, strategy: str = "keep_latest"
    ) -> None:
        """
        Remove checkpoints of threads as :meth:`aprune` does.
        """
        self._runner.call(self._prune(thread_ids, strategy))

    def get_next_version(self, current: str | None, channel: None) -> str:
        """
        Return the version after *current*, which no other branch gives its value, too.
        """
        number = 0 if current is None else int(str(current).split(".")[0])
        return f"{number + 1:032}.{random.random():016}"  # noqa: S311 - no secret

    @property
    def _operations(self) -> Operations:
        # The serializer is an attribute that LangGraph replaces.
        return Operations(self._runner, self._threads, self.serde, self._refuses)

    def _prune(
        self, thread_ids: Sequence[str], strategy: str
    ) -> Callable[[], Awaitable[None]]:
        fields.one_of(strategy, "strategy", ("keep_latest", "delete"))
        scopes = [scope_of(thread_id) for thread_id in thread_ids]
        return partial(
            self._operations.prune, scopes, keeps_latest=strategy == "keep_latest"
        )

    def _put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> Put:
        records = self._record_messages
        if records is None:
            records = not isinstance(self.serde, EncryptedSerializer)
        return put_of(
            config,
            checkpoint,
            metadata,
            new_versions,
            is_recorded=records,
            is_checked=self._refuses,
        )

    def _writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str,
    ) -> Writes:
        return writes_of(
            place_of(config),
            named_checkpoint(config),
            writes,
            (task_id, task_path),
            self.serde,
            session_of(config),
        )


def _thread(thread_id: str) -> Place:
    return place_of({"configurable": {"thread_id": thread_id}})
