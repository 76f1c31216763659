"""
A checkpointer of LangGraph over the ports.
"""

from __future__ import annotations

from collections.abc import (
    Iterator,
    Mapping,
    Sequence,
)
from functools import partial
from typing import Any, Literal, Self

import sqlalchemy as sa
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
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
    place_of,
    scope_of,
    thread_of,
    wanted_of,
)
from asm_async.integrations.langgraph.asynchronous import AsynchronousSaver
from asm_async.integrations.langgraph.operations import (
    call_steps,
)
from asm_async.portal import open_adapter


class AsmCheckpointSaver(AsynchronousSaver):
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
            and with any other that is not LangGraph's own, lists are stored whole.

        on_fork: ``"allow"`` or ``"refuse"``.

        record_messages:
            Whether LangChain's messages that a checkpoint of the root brings are
            appended to the session as events, and their tokens as runs, in the same
            commit. Nothing is with ``EncryptedSerializer``, or another serializer that
            is not LangGraph's own: what is in events can be read.

    Raises:
        ValidationError: Naming the argument that is wrong.
    """

    @classmethod
    def from_url(
        cls,
        url: str | sa.URL,
        *,
        migrate: bool = True,
        serde: SerializerProtocol | None = None,
        on_fork: Literal["allow", "refuse"] = "allow",
        record_messages: bool = True,
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
        make = partial(
            cls, serde=serde, on_fork=on_fork, record_messages=record_messages
        )
        return open_adapter(url, make, migrate=migrate, **options)

    def close(self) -> None:
        """
        Close the portal of :meth:`from_url`; ports that were handed in stay open.
        """
        self._runner.close()

    async def aclose(self) -> None:
        """
        Close the saver as :meth:`close` does, and let this loop run meanwhile.
        """
        await self._runner.aclose()

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """
        Return a thread's checkpoint as :meth:`aget_tuple` does.
        """
        steps = self._operations.read(place_of(config), checkpoint_id_of(config))
        found = call_steps(self._runner, steps)
        return None if found is None else found.tuple_with(self.serde)

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
        found = self._runner.call(find)
        return {name: each.read(self.serde, name) for name, each in found.items()}

    def delete_thread(self, thread_id: str) -> None:
        """
        Remove a thread as :meth:`adelete_thread` does.
        """
        self._runner.call(partial(self._operations.delete_thread, scope_of(thread_id)))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """
        Remove the checkpoints of runs as :meth:`adelete_for_runs` does.
        """
        self._runner.call(partial(self._operations.delete_for_runs, run_ids))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """
        Copy a thread as :meth:`acopy_thread` does.
        """
        source, target = thread_of(source_thread_id), thread_of(target_thread_id)
        self._runner.call(partial(self._operations.copy_thread, source, target))

    def prune(
        self, thread_ids: Sequence[str], *, strategy: str = "keep_latest"
    ) -> None:
        """
        Remove checkpoints of threads as :meth:`aprune` does.
        """
        self._runner.call(self._prune(thread_ids, strategy))
