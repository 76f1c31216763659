"""
Calls that are interrupted at a chosen one of their awaits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from asm_async.testing.faults import (
    Interrupted,
    Moment,
    act_at,
    cancel_at,
    count_awaits,
    time_out_at,
)


async def three_awaits(seen: list[str]) -> str:
    """
    Wait three times, once of them in a task of its own.
    """

    async def inner() -> None:
        seen.append("inner")
        await asyncio.sleep(0)
        seen.append("inner goes on")

    await asyncio.sleep(0)
    seen.append("outer")
    await asyncio.create_task(inner())
    seen.append("outer goes on")
    return "result"


async def test_awaits_are_counted_also_those_of_tasks() -> None:
    """
    Each suspension counts, wherever the work is done.
    """
    assert await count_awaits(three_awaits([])) == 3


@pytest.mark.parametrize(
    ("number", "moment", "expected"),
    [
        (1, Moment.AFTER_SEND, []),
        (2, Moment.AFTER_SEND, ["outer"]),
        (2, Moment.BEFORE_ANSWER, ["outer", "inner", "inner goes on"]),
        (3, Moment.AFTER_SEND, ["outer", "inner"]),
    ],
)
async def test_a_call_is_cancelled_at_the_chosen_await(
    number: int, moment: Moment, expected: list[str]
) -> None:
    """
    It has come so far and no further.
    """
    seen: list[str] = []
    outcome = await cancel_at(number, three_awaits(seen), moment)

    assert (outcome.was_reached, outcome.was_interrupted) == (True, True)
    assert seen == expected


@pytest.mark.parametrize("interrupt_at", [cancel_at, time_out_at])
async def test_a_call_without_so_many_awaits_goes_through(
    interrupt_at: Callable[..., Awaitable[Interrupted]],
) -> None:
    """
    It is told from one that was interrupted, and its result is there.
    """
    outcome = await interrupt_at(4, three_awaits([]))

    assert (outcome.was_reached, outcome.was_interrupted) == (False, False)
    assert outcome.result == "result"


async def test_a_timeout_ends_a_call_at_the_chosen_await() -> None:
    """
    The timeout around the call strikes, and the call was cancelled.
    """
    seen: list[str] = []

    async def call() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    outcome = await time_out_at(1, call())

    assert (outcome.was_reached, outcome.was_interrupted) == (True, True)
    assert seen == ["cancelled"]


async def test_what_a_call_raises_is_raised() -> None:
    """
    An error of its own is no interruption, nor is one that takes its place.
    """

    async def call() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise LookupError from None

    with pytest.raises(LookupError):
        await cancel_at(1, call())
    with pytest.raises(LookupError):
        await time_out_at(1, call())


async def test_anything_can_be_done_at_an_await() -> None:
    """
    The call goes on after it.
    """
    seen: list[str] = []
    result = await act_at(2, three_awaits(seen), lambda: seen.append("act"))

    assert result == "result"
    assert seen == ["outer", "act", "inner", "inner goes on", "outer goes on"]


async def test_the_loops_task_factory_is_put_back() -> None:
    """
    Whoever had one before has it afterwards.
    """
    loop = asyncio.get_running_loop()
    made: list[object] = []

    def make_task(
        loop: asyncio.AbstractEventLoop, coro: Any, **options: Any
    ) -> asyncio.Task[Any]:
        made.append(coro)
        return asyncio.Task(coro, loop=loop, **options)

    loop.set_task_factory(make_task)
    await cancel_at(1, three_awaits([]))
    assert loop.get_task_factory() is make_task
    loop.set_task_factory(None)
