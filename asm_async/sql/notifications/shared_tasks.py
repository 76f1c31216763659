"""
Tasks that run for as long as they are needed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class SharedTasks:
    """
    Tasks by name: each begins with the first that needs it and ends with the last.
    """

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._users: dict[str, int] = {}

    def join(self, name: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """
        Begin the task of this name, unless it is running.
        """
        self._users[name] = self._users.get(name, 0) + 1
        if name not in self._tasks:
            self._tasks[name] = asyncio.get_running_loop().create_task(run())

    async def leave(self, *names: str) -> None:
        """
        Cancel the tasks of these names that are needed no more, and wait for their end.

        Cancelled while it waits, it has left all of them.
        """
        ended = {task for name in names if (task := self._release(name)) is not None}
        for task in ended:
            task.cancel()
        if ended:
            await asyncio.wait(ended)

    def _release(self, name: str) -> asyncio.Task[None] | None:
        self._users[name] -= 1
        if self._users[name]:
            return None
        del self._users[name]
        return self._tasks.pop(name)
