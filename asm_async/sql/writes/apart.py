"""
Groups that go on by themselves, so that the others need not wait for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from asm_async.sql.writes.queue import FairQueue, PendingOperation

_MAX_WAITING = 2
_MAX_SLOW = 4


class Apart:
    """
    The tasks of groups whose partitions stay in the queue until they are done.

    Args:
        queue: Where the partitions are held.

        when_done: Called after a group's partitions were released.

        when_cancelled: Called in place of that with the group of a cancelled task.
    """

    def __init__(
        self,
        queue: FairQueue[PendingOperation],
        when_done: Callable[[], None],
        when_cancelled: Callable[[list[PendingOperation]], None],
    ) -> None:
        self._queue = queue
        self._when_done = when_done
        self._when_cancelled = when_cancelled
        self.tasks: set[asyncio.Task[None]] = set()
        """
        All of them.
        """
        self.slow: set[asyncio.Task[None]] = set()
        """
        Those whose transactions take long, perhaps because their server is silent.
        """

    @property
    def has_room(self) -> bool:
        """
        Whether another group may wait for its session's lock by itself.
        """
        return len(self.tasks) - len(self.slow) < _MAX_WAITING

    @property
    def has_room_for_slow(self) -> bool:
        """
        Whether another group may take long without keeping the others waiting.
        """
        return len(self.slow) < _MAX_SLOW

    def add(
        self,
        group: list[PendingOperation],
        task: asyncio.Task[None],
        *,
        is_slow: bool = False,
    ) -> None:
        """
        Hold the group's partitions until the task is done.
        """
        keys = {member.partition_key for member in group}

        def when_done(task: asyncio.Task[None]) -> None:
            self.tasks.discard(task)
            self.slow.discard(task)
            for key in keys:
                self._queue.release(key)
            if task.cancelled():
                self._when_cancelled(group)
            else:
                self._when_done()

        for key in keys:
            self._queue.hold(key)
        self.tasks.add(task)
        if is_slow:
            self.slow.add(task)
        task.add_done_callback(when_done)
