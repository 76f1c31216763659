"""
Calls that are interrupted at a chosen one of their awaits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any, TypeVar, cast

import attrs

from asm_async.testing.faults.moment import Moment

__all__ = ["Interrupted", "act_at", "cancel_at", "count_awaits", "time_out_at"]

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Interrupted:
    """
    What became of a call that was to be interrupted.
    """

    was_reached: bool
    """
    Whether it had so many awaits.
    """

    was_interrupted: bool
    """
    Whether the interruption came through to the caller.
    """

    result: Any = None
    """
    What the call returned, if it did.
    """


async def count_awaits(call: Coroutine[Any, Any, Any]) -> int:
    """
    Run *call* undisturbed, and count the awaits at which it suspends.

    Those of the tasks that it starts count too: it is there that the work may be done.
    """
    watch = _Watch(0, Moment.AFTER_SEND)
    await watch.run(call)
    return watch.count


async def act_at(
    number: int,
    call: Coroutine[Any, Any, T],
    act: Callable[[], object],
    moment: Moment = Moment.AFTER_SEND,
) -> T:
    """
    Run *call*, and do something at one of its awaits.

    Args:
        number: Which one, from 1, as :func:`count_awaits` counts them.

        call: What to run.

        act: What to do, such as ``loop.stop``; it must not wait.

        moment: ``AFTER_SEND``, as it begins to wait, or ``BEFORE_ANSWER``, when what it
            waits for is there, but before it goes on.

    Returns:
        What the call returns.
    """
    watch = _Watch(number, moment)
    watch.interrupt = act
    return cast("T", await watch.run(call))


async def cancel_at(
    number: int, call: Coroutine[Any, Any, Any], moment: Moment = Moment.AFTER_SEND
) -> Interrupted:
    """
    Run *call* in a task, which is cancelled at one of the call's awaits.

    Args:
        number: Which one, as for :func:`act_at`.

        call: What to run.

        moment: When, as for :func:`act_at`.

    Raises:
        Exception: What the call raises, unless that is the cancellation.
    """
    watch = _Watch(number, moment)
    task = asyncio.create_task(watch.run(call))
    watch.interrupt = task.cancel
    await asyncio.wait({task})
    if task.cancelled():
        return Interrupted(was_reached=watch.was_reached, was_interrupted=True)
    return Interrupted(
        was_reached=watch.was_reached, was_interrupted=False, result=task.result()
    )


async def time_out_at(
    number: int, call: Coroutine[Any, Any, Any], moment: Moment = Moment.AFTER_SEND
) -> Interrupted:
    """
    Run *call* in an ``asyncio.timeout``, which ends at one of the call's awaits.

    Takes, gives and raises what :func:`cancel_at` does; the interruption is the
    ``TimeoutError``.
    """
    watch, now = _Watch(number, moment), asyncio.get_running_loop().time

    async def run_in_time() -> Any:
        async with asyncio.timeout(None) as scope:
            watch.interrupt = lambda: scope.reschedule(now())
            return await watch.run(call)

    try:
        result = await asyncio.create_task(run_in_time())
    except TimeoutError:
        return Interrupted(was_reached=watch.was_reached, was_interrupted=True)
    return Interrupted(
        was_reached=watch.was_reached, was_interrupted=False, result=result
    )


class _Watch:
    """
    Counts awaits, and interrupts at one of them.
    """

    def __init__(self, number: int, moment: Moment) -> None:
        self._number = number
        self._moment = moment
        self.count = 0
        self.was_reached = False
        self.interrupt: Callable[[], object] = lambda: None

    async def run(self, call: Coroutine[Any, Any, Any]) -> Any:
        """
        Run *call*, and watch it and the tasks that it starts.
        """
        loop = asyncio.get_running_loop()
        before = loop.get_task_factory()
        loop.set_task_factory(self._make_task)
        try:
            return await _Watched(call, self._on_suspension)
        finally:
            loop.set_task_factory(before)

    def _make_task(
        self, loop: asyncio.AbstractEventLoop, coro: Any, **options: Any
    ) -> asyncio.Task[Any]:
        return asyncio.Task(_Watched(coro, self._on_suspension), loop=loop, **options)

    def _on_suspension(self, awaited: Any) -> None:
        self.count += 1
        if self.count != self._number:
            return
        self.was_reached = True
        if self._moment is Moment.BEFORE_ANSWER and awaited is not None:
            # It comes before that with which the task goes on.
            awaited.add_done_callback(self._on_answer)
        else:
            self.interrupt()

    def _on_answer(self, _: object) -> None:
        self.interrupt()


class _Watched(Coroutine[Any, Any, Any]):
    """
    A coroutine each of whose suspensions is reported.
    """

    def __init__(
        self, coro: Coroutine[Any, Any, Any], on_suspension: Callable[[Any], None]
    ) -> None:
        self._coro = coro
        self._on_suspension = on_suspension

    def send(self, value: Any) -> Any:
        """
        Go on until the next suspension.
        """
        return self._reported(self._coro.send(value))

    def throw(self, *error: Any) -> Any:
        """
        Go on with an error until the next suspension.
        """
        return self._reported(self._coro.throw(*error))

    def close(self) -> None:
        """
        Abandon the coroutine.
        """
        self._coro.close()

    def _reported(self, awaited: Any) -> Any:
        self._on_suspension(awaited)
        return awaited

    def __await__(self) -> Generator[Any, Any, Any]:
        go_on = partial(self.send, None)
        while True:
            try:
                awaited = go_on()
            except StopIteration as stop:
                return stop.value
            try:
                go_on = partial(self.send, (yield awaited))
            except BaseException as error:  # noqa: BLE001 - it goes on in the coroutine
                go_on = partial(self.throw, error)
