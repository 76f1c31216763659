"""
What stores and feeds over one engine share.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any

import attrs
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.fronts.log_records import LogThrottle, exc_info_of
from asm_async.sql.core.deadlines import pause_after
from asm_async.sql.core.engine_state import EngineState, engine_state
from asm_async.sql.core.feed_timing import MAX_CONCURRENT_READS
from asm_async.sql.dialects import dialect_of
from asm_async.sql.notifications.hub import NotificationHub
from asm_async.sql.runtime.announcer import Announcer

_LOG = logging.getLogger(__name__)


class SharedTasks:
    """
    Tasks by name: each begins with the first that needs it and ends with the last.

    One that fails is logged and begun again: those who need it do not look after it.
    """

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._users: dict[str, int] = {}
        self._log_throttle = LogThrottle()

    def join(self, name: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """
        Begin the task of this name, unless it is running.

        What it does must be nobody's in particular: it may outlive who has begun it.
        """
        self._users[name] = self._users.get(name, 0) + 1
        task = self._tasks.get(name)
        if task is None or task.done():
            running = _kept_running(name, run, self._log_throttle)
            loop = asyncio.get_running_loop()
            # Not in the context of who happens to come first, nor in a block of theirs.
            self._tasks[name] = loop.create_task(running, context=Context())

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


async def _kept_running(
    name: str, run: Callable[[], Coroutine[Any, Any, None]], throttle: LogThrottle
) -> None:
    """
    Run until that comes to an end by itself, which it does where nothing is to be done.
    """
    for failures in itertools.count(1):
        try:
            await run()
        except Exception as error:  # noqa: BLE001 - whatever it is, followers depend on it
            throttle.log(
                _LOG,
                logging.WARNING,
                "%r has failed, and is begun again",
                name,
                exc_info=exc_info_of(error),
            )
        else:
            return
        await asyncio.sleep(pause_after(failures))


@attrs.define(kw_only=True, eq=False)
class SharedState:
    """
    What all stores over one engine have in common.
    """

    state: EngineState
    loop: asyncio.AbstractEventLoop
    announcer: Announcer
    hub: NotificationHub
    tasks: SharedTasks = attrs.field(factory=SharedTasks)
    """
    What followers have run for them.
    """

    reading: asyncio.Semaphore = attrs.field(
        factory=lambda: asyncio.Semaphore(MAX_CONCURRENT_READS)
    )
    """
    Bounds how many followers read at the same time.
    """


def shared_state(engine: AsyncEngine) -> SharedState:
    """
    Return what the stores over *engine* share; the first call makes it.

    Raises:
        StoreClosedError: If the engine belongs to another event loop that was not
            closed, or cannot be used outside of the loop or process before.
    """
    dialect = dialect_of(engine)
    state = engine_state(engine, dialect.renew_pool)
    shared: SharedState | None = state.shared.get(engine)
    if shared is None:
        announcer = Announcer(engine, dialect)
        hub = NotificationHub(
            announcer.announce if announcer.is_on else None,
            is_writing=state.write_lock.locked,
        )
        shared = SharedState(state=state, loop=state.loop, announcer=announcer, hub=hub)
        state.shared[engine] = shared
    return shared
