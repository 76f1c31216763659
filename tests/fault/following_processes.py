"""
Processes that follow, as seen by the test that starts them.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeAlias

import asm_async

__all__ = ["FollowingProcess", "Given", "running"]

_PROGRAM = Path(__file__).with_name("following_process.py")

Given: TypeAlias = tuple[str, int, str]
"""
Session, number and id of an event.
"""


class FollowingProcess:
    """
    A follower that goes on, in another process, behind what it was given last.

    Args:
        url: Where to follow.

        session_id: Whom; ``-`` for all sessions.
    """

    def __init__(self, url: str, session_id: str) -> None:
        self._url = url
        self.session_id = session_id
        self._process: Process | None = None
        self._place = "-"
        self._came = asyncio.Condition()
        self.record: list[Given] = []
        """
        What it was given, in order.
        """
        self.kills = 0

    async def run(self) -> None:
        """
        Follow until cancelled; started again each time it is killed.
        """
        path = str(Path(asm_async.__file__).parents[1])
        while True:
            process = self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, _PROGRAM, self._url, self.session_id, self._place),
                env={**os.environ, "PYTHONPATH": path},
                stdout=PIPE,
            )
            try:
                await self._listen(process)
            finally:
                if process.returncode is None:
                    _kill(process)
                await process.communicate()
            assert process.returncode == -signal.SIGKILL

    async def _listen(self, process: Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            if not line.endswith(b"\n"):
                # It was killed over this one.
                return
            word, session_id, number, event_id, self._place = line.decode().split()
            assert word == "given"
            async with self._came:
                self.record.append((session_id, int(number), event_id))
                self._came.notify_all()

    async def has(self, events: int) -> None:
        """
        Wait until it was given so many.
        """
        async with self._came:
            await self._came.wait_for(lambda: len(self.record) >= events)

    def kill(self) -> None:
        """
        Kill it as ``kill -9`` does.
        """
        if self._process is not None and self._process.returncode is None:
            self.kills += 1
            _kill(self._process)


def _kill(process: Process) -> None:
    # Its own method would take the exit status away from the event loop.
    with suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)


@asynccontextmanager
async def running(followers: Sequence[FollowingProcess]) -> AsyncGenerator[None]:
    """
    Have *followers* run for as long as the block lasts.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(follower.run()) for follower in followers]
        yield
        for task in tasks:
            task.cancel()
