"""
What becomes of groups whose transaction failed.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from math import inf
from typing import Any

from asm_async.errors import StorageBusyError, StorageError
from asm_async.fronts.observing import Observation
from asm_async.sql.core.deadlines import pause_after
from asm_async.sql.core.error_translation import (
    is_collision,
    is_cut_short,
    refused_beginning,
)
from asm_async.sql.writes.apart import Apart
from asm_async.sql.writes.queue import FairQueue, PendingOperation

_LOG = logging.getLogger(__name__)

_MAX_COLLISIONS = 3


class Retries:
    """
    Has what failed tried again: later, in parts, or waiting for one session alone.

    Args:
        queue: Where what is tried later queues up again, in front of everyone.

        apart: Where a group waits for its session's lock by itself.

        run: Performs a group once, with locks waited for so many seconds at most.

        observation: Where it stands who observes it.

        locks_sessions: Whether the database can make it wait for one session alone.
    """

    def __init__(
        self,
        queue: FairQueue[PendingOperation],
        apart: Apart,
        run: Callable[[list[PendingOperation], float], Coroutine[Any, Any, None]],
        observation: Observation,
        *,
        locks_sessions: bool,
    ) -> None:
        self._queue = queue
        self._apart = apart
        self._run = run
        self._observation = observation
        self._locks_sessions = locks_sessions
        self._failures = 0
        self._collisions = 0
        self.parts: deque[list[PendingOperation]] = deque()
        """
        Parts of groups that failed, which are tried next.
        """
        self.last_error: StorageError | None = None
        """
        What the last transaction failed with; None if it was committed.
        """

    def reset(self) -> None:
        """
        Begin again, after a transaction that was committed.
        """
        self._failures = self._collisions = 0
        self.last_error = None

    def next_part(self) -> list[PendingOperation]:
        """
        Take the next part of a group that failed; empty if there is none.

        Members whose partition is held queue up behind those that hold it.
        """
        held: list[PendingOperation] = []
        part: list[PendingOperation] = []
        while self.parts and not part:
            members = self.parts.popleft()
            held += [m for m in members if self._queue.is_held(m.partition_key)]
            part = [m for m in members if not self._queue.is_held(m.partition_key)]
            part = [m for m in part if not m.is_over]
        self._put_back(held)
        return part

    def take_all(self) -> list[PendingOperation]:
        """
        Take the members of all parts.
        """
        members = [member for part in self.parts for member in part]
        self.parts.clear()
        return members

    async def after_failure(
        self, group: Sequence[PendingOperation], error: StorageError, *, is_final: bool
    ) -> None:
        """
        Try again what may succeed later, by itself what may be the culprit.

        Args:
            group: The group that failed.

            error: What it failed with.

            is_final: Whether another try within the timeout would fail as well.
        """
        self._failures += 1
        self.last_error = error
        self._collisions += is_collision(error)
        alone = len(group) == 1
        group = [
            member
            for member in group
            if member.should_retry(error, alone=alone, is_final=is_final)
        ]
        if group and (observer := self._observation.observer) is not None:
            observer.note_retry(error)
        is_race = is_collision(error) and self._collisions <= _MAX_COLLISIONS
        is_cut = is_cut_short(error)
        is_locked = isinstance(error, StorageBusyError) and not is_cut
        # Of a group whose members have all been told, there is nobody left to wait.
        if group and is_locked and self._locks_sessions:
            await self._after_waiting(group, error)
        elif (error.retryable or is_race) and not (is_cut and len(group) > 1):
            await self._try_later(group, error)
        elif len(group) == 1:
            group[0].fail(error)
        elif group:
            self._divide(group, error)

    def _divide(self, group: list[PendingOperation], error: StorageError) -> None:
        """
        Try parts of a group of which only some may be refused.
        """
        refused = refused_beginning(error)
        for member in group:
            if member.partition_key.partition("/")[0] == refused:
                member.fail(error)
        left = [member for member in group if not member.is_over]
        if len(left) < len(group):
            self.parts.appendleft(left)
            return
        _LOG.debug("a group of %d failed and is halved", len(group))
        middle = len(group) // 2
        self.parts.extendleft((group[middle:], group[:middle]))

    async def _after_waiting(
        self, group: list[PendingOperation], error: StorageError
    ) -> None:
        """
        Find the session whose lock another holds, and let it wait for that alone.
        """
        partitions: dict[str, list[PendingOperation]] = {}
        for member in group:
            partitions.setdefault(member.partition_key, []).append(member)
        is_apart = any(self._queue.is_held(key) for key in partitions)
        if len(partitions) > 1:
            _LOG.debug("a group of %d is split by its sessions", len(group))
            self.parts.extend(partitions.values())
        elif is_apart or not self._apart.has_room:
            await self._try_later(group, error)
        else:
            task = asyncio.get_running_loop().create_task(self._run(group, inf))
            self._apart.add(group, task)

    async def _try_later(
        self, group: list[PendingOperation], error: StorageError
    ) -> None:
        pause = pause_after(self._failures)
        end = asyncio.get_running_loop().time() + pause
        for member in group:
            if member.deadline < end:
                member.fail(error)
        # Parts of the same group would overtake it: they queue up behind it.
        waiting = [m for m in (*group, *self.take_all()) if not m.is_over]
        if not waiting:
            return
        self._put_back(waiting)
        _LOG.debug("a group is tried again in %.3f s: %s", pause, error.code)
        await asyncio.sleep(pause)

    def _put_back(self, members: list[PendingOperation]) -> None:
        for member in members:
            member.is_queued = True
        self._queue.put_back(members)
