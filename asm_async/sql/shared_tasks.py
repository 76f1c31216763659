"""
Tasks that run for as long as somebody needs them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["SharedTasks"]


class SharedTasks:
    """
    Tasks by name: each begins with the first who needs it and ends with the last.
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

    async def leave(self, name: str) -> None:
        """
        Cancel the task of this name and wait for its end, if nobody needs it any more.
        """
        self._users[name] -= 1
        if self._users[name]:
            return
        del self._users[name]
        task = self._tasks.pop(name)
        task.cancel()
        await asyncio.wait({task})
