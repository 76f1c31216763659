"""
Calls that are cancelled at a chosen one of their awaits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from enum import StrEnum
from functools import partial
from itertools import count
from typing import Any

import attrs

__all__ = ["Cancelled", "Moment", "cancel_at"]


class Moment(StrEnum):
    """
    When, of an await, the cancellation comes.
    """

    ASKED = "asked"
    """
    As it begins to wait.
    """

    ANSWERED = "answered"
    """
    As what it waits for is there, but before it goes on.
    """


@attrs.frozen
class Cancelled:
    """
    What became of a call that was to be cancelled.
    """

    was_reached: bool
    """
    Whether it has so many awaits.
    """

    was_cancelled: bool
    """
    Whether the cancellation came through.
    """


class _Watched:
    """
    A coroutine each of whose suspensions is reported.
    """

    def __init__(
        self, coro: Coroutine[Any, Any, Any], on_suspension: Callable[[Any], None]
    ) -> None:
        self._coro = coro
        self._on_suspension = on_suspension

    def __await__(self) -> Generator[Any, Any, Any]:
        go_on = partial(self._coro.send, None)
        while True:
            try:
                awaited = go_on()
            except StopIteration as stop:
                return stop.value
            self._on_suspension(awaited)
            try:
                go_on = partial(self._coro.send, (yield awaited))
            except BaseException as error:  # noqa: BLE001 - it goes on in the coroutine
                go_on = partial(self._coro.throw, error)


async def cancel_at(
    number: int, call: Coroutine[Any, Any, Any], moment: Moment
) -> Cancelled:
    """
    Run *call* in a task and cancel it at the given await, counted from 1.

    The awaits of the tasks that it starts count too: it is there that the work is done.
    """
    loop, numbers, was_reached = asyncio.get_running_loop(), count(1), False

    def cancel(_: object = None) -> None:
        task.cancel()

    def on_suspension(awaited: Any) -> None:
        nonlocal was_reached
        if next(numbers) != number:
            return
        was_reached = True
        if moment is Moment.ANSWERED and awaited is not None:
            awaited.add_done_callback(cancel)
        else:
            cancel()

    def make_task(
        loop: asyncio.AbstractEventLoop, coro: Any, **options: Any
    ) -> asyncio.Task[Any]:
        return asyncio.Task(_run(_Watched(coro, on_suspension)), loop=loop, **options)

    loop.set_task_factory(make_task)
    try:
        task = asyncio.create_task(call)
        await asyncio.wait({task})
    finally:
        loop.set_task_factory(None)
    if not task.cancelled():
        task.result()
    return Cancelled(was_reached, task.cancelled())


async def _run(watched: _Watched) -> Any:
    return await watched
