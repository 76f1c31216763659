"""
How what tasks have written joins the commit of a checkpoint.

A run puts its checkpoints one after the other, and saves beside that what its tasks
have written. What comes while a checkpoint is being put waits for it to be stored, and
is committed with the next one, if that follows at once: a turn takes fewer
transactions. Otherwise it is saved by itself, and is never kept waiting by a task that
takes long.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import attrs

from asm_async.fronts.cancellation import wait_uninterruptible
from asm_async.integrations.langgraph.writes import Writes

PutWith: TypeAlias = Callable[[Sequence[Writes]], Awaitable[bool]]
"""
Puts a checkpoint, with writes, and returns whether these were stored with it.
"""

# A run begins its next put in the turn of the loop after the one before it has ended.
_TURNS = 3

_MAX_ITEMS = 512
_MAX_BYTES = 4 * 2**20
_SECONDS_AFTER_CANCELLATION = 30.0


@attrs.define(eq=False)
class _Joining:
    """
    Writes whose task waits to be told whether they are stored.
    """

    writes: Writes
    is_stored: asyncio.Future[bool]

    def tell(self, *, is_stored: bool) -> None:
        if not self.is_stored.done():
            self.is_stored.set_result(is_stored)


@attrs.define(eq=False)
class _Line:
    """
    The puts of one thread that are under way in one event loop, and what waits.
    """

    puts: int = 0
    waiting: deque[_Joining] = attrs.field(factory=deque[_Joining])

    def take(self) -> list[_Joining]:
        """
        Take, in their order, those that fit into one commit.
        """
        taken: list[_Joining] = []
        keys: set[str] = set()
        size = 0
        while self.waiting:
            writes = self.waiting[0].writes
            size += _size_of(writes)
            new = {item.key for item in writes.items}
            too_many = size > _MAX_BYTES or len(keys) + len(new) > _MAX_ITEMS
            # A commit names an item once.
            if too_many or not keys.isdisjoint(new):
                break
            keys |= new
            taken.append(self.waiting.popleft())
        return taken


class Joins:
    """
    What waits in each event loop for a put of its thread.
    """

    def __init__(self) -> None:
        # Each is used in its loop alone.
        self._lines: dict[tuple[asyncio.AbstractEventLoop, str], _Line] = {}

    async def put(self, scope: str, put_with: PutWith) -> None:
        """
        Put a checkpoint of a thread, with the writes that wait for one.
        """
        name = asyncio.get_running_loop(), scope
        line = self._lines.setdefault(name, _Line())
        joined = line.take()
        line.puts += 1
        is_stored = False
        try:
            is_stored = await put_with([each.writes for each in joined])
        finally:
            line.puts -= 1
            for each in joined:
                each.tell(is_stored=is_stored)
            self._release(name, line, _TURNS)

    async def join(self, scope: str, writes: Writes) -> bool:
        """
        Wait for a put to store *writes* of a thread, if one is under way.

        Returns:
            Whether they are stored; else they are the caller's to save.
        """
        loop = asyncio.get_running_loop()
        line = self._lines.get((loop, scope))
        # What fits into no commit would wait, and all behind it, for the last put.
        if line is None or len(writes.items) > _MAX_ITEMS:
            return False
        if _size_of(writes) > _MAX_BYTES:
            return False
        joining = _Joining(writes, loop.create_future())
        line.waiting.append(joining)
        try:
            return await joining.is_stored
        except asyncio.CancelledError:
            if joining in line.waiting:
                line.waiting.remove(joining)
            else:
                # What the put has begun to write is then stored, or it is not.
                joining.is_stored = loop.create_future()
                deadline = loop.time() + _SECONDS_AFTER_CANCELLATION
                await wait_uninterruptible(joining.is_stored, deadline)
            raise

    def _release(
        self, name: tuple[asyncio.AbstractEventLoop, str], line: _Line, turns: int
    ) -> None:
        """
        Have those that wait save themselves, unless another put begins meanwhile.
        """
        if line.puts:
            return
        if turns and line.waiting:
            name[0].call_soon(self._release, name, line, turns - 1)
            return
        if self._lines.get(name) is line:
            del self._lines[name]
        while line.waiting:
            line.waiting.popleft().tell(is_stored=False)


def _size_of(writes: Writes) -> int:
    return sum(len(item.content or b"") for item in writes.items)
