"""
The asynchronous half of a checkpointer of LangGraph.
"""

from __future__ import annotations

import random
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Mapping,
    Sequence,
)
from functools import partial
from typing import Any, Literal

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

from asm_async.integrations.langgraph.arguments import (
    checkpoint_id_of,
    config_for,
    named_checkpoint,
    place_of,
    put_of,
    scope_of,
    session_of,
    thread_of,
    wanted_of,
)
from asm_async.integrations.langgraph.joining import Joins
from asm_async.integrations.langgraph.operations import (
    Operations,
    run_steps,
)
from asm_async.integrations.langgraph.putting import Put
from asm_async.integrations.langgraph.threads import Threads
from asm_async.integrations.langgraph.writes import Task, Writes, writes_of
from asm_async.portal import PortsRunner
from asm_async.ports.together import Ports
from asm_async.values import fields


class AsynchronousSaver(BaseCheckpointSaver[str]):
    """
    The asynchronous half of a checkpointer, and what both halves are made of.
    """

    def __init__(
        self,
        ports: Ports,
        *,
        serde: SerializerProtocol | None = None,
        on_fork: Literal["allow", "refuse"] = "allow",
        record_messages: bool = True,
    ) -> None:
        super().__init__(serde=serde)
        self._runner = PortsRunner(ports)
        self._threads = Threads()
        self._joins = Joins()
        self._refuses = (
            fields.one_of(on_fork, "on_fork", ("allow", "refuse")) == "refuse"
        )
        self._record_messages = fields.boolean(record_messages, "record_messages")

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """
        Return a thread's checkpoint, the latest unless the config names one.
        """
        steps = self._operations.read(place_of(config), checkpoint_id_of(config))
        found = await run_steps(self._runner, steps)
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

        def put_with(writes: Sequence[Writes]) -> Awaitable[bool]:
            return run_steps(self._runner, self._operations.put(put, writes))

        await self._joins.put(put.place.scope, put_with)
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
            if not await self._joins.join(its.scope, its):
                await self._runner.run(partial(self._operations.save_writes, its))

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
        found = await self._runner.run(find)
        return {name: each.read(self.serde, name) for name, each in found.items()}

    async def adelete_thread(self, thread_id: str) -> None:
        """
        Remove a thread for good: its checkpoints, and its session with all events.
        """
        remove = partial(self._operations.delete_thread, scope_of(thread_id))
        await self._runner.run(remove)

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """
        Remove the checkpoints that runs have put; what their sessions say stays.

        Raises:
            ConflictError: If it could not be done in a thread, such as one whose
                session is soft-deleted; in all others it is done.
        """
        await self._runner.run(partial(self._operations.delete_for_runs, run_ids))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """
        Copy a thread, with its session, inside the database; nothing of an unknown one.

        Raises:
            ConflictError: If there is or was a thread of the target's id.
        """
        source, target = thread_of(source_thread_id), thread_of(target_thread_id)
        await self._runner.run(partial(self._operations.copy_thread, source, target))

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

            ConflictError: As for :meth:`adelete_for_runs`.
        """
        await self._runner.run(self._prune(thread_ids, strategy))

    def get_next_version(
        self,
        current: str | None,
        channel: None,  # noqa: ARG002 - LangGraph's, and not used any more
    ) -> str:
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
        return put_of(
            config,
            checkpoint,
            metadata,
            new_versions,
            is_recorded=self._record_messages,
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
            Task(task_id, task_path, writes),
            self.serde,
            partial(session_of, config),
        )
