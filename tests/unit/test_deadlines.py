from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from asm_async.errors import ValidationError
from asm_async.fronts.cancellation import wait_uninterruptible
from asm_async.sql.core.deadlines import check_timeout, pause_after


def clock() -> float:
    """
    Read the loop's clock.
    """
    return asyncio.get_running_loop().time()


def test_pauses_grow_up_to_a_bound() -> None:
    """
    Each failure doubles the pause, up to a third of a second.
    """
    for failures in range(1, 30):
        longest = min(0.005 * 2**failures, 0.32)
        for _ in range(20):
            assert longest / 2 <= pause_after(failures) <= longest


def test_no_two_pauses_are_alike() -> None:
    """
    Two who collided wait for different times, lest they collide again.
    """
    assert len({pause_after(3) for _ in range(100)}) == 100


async def test_a_stubborn_wait_ends_with_the_future() -> None:
    """
    Whether it is over already, or ends meanwhile, in whatever way.
    """
    loop = asyncio.get_running_loop()
    ends: list[Callable[[asyncio.Future[None]], object]] = [
        lambda future: future.set_result(None),
        lambda future: future.set_exception(LookupError()),
        lambda future: future.cancel(),
    ]
    for end in ends:
        future: asyncio.Future[None] = loop.create_future()
        loop.call_soon(end, future)
        async with asyncio.timeout(30):
            await wait_uninterruptible(future, clock() + 60)
            assert future.done()
            await wait_uninterruptible(future, clock() + 60)
        # Its result stays for whoever asks for it.
        assert future.cancelled() or isinstance(future.exception(), LookupError | None)


async def test_a_stubborn_wait_ends_at_its_deadline() -> None:
    """
    The future goes on; a deadline in the past is no wait at all.
    """
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    start = clock()
    async with asyncio.timeout(30):
        await wait_uninterruptible(future, start - 1)
        await wait_uninterruptible(future, start + 0.03)

    assert clock() >= start + 0.03
    assert not future.done()


@pytest.mark.parametrize("times", [1, 2, 20])
async def test_a_stubborn_wait_outlives_cancellation(times: int) -> None:
    """
    However often it is cancelled, it waits on, and leaves the future alone.
    """
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(wait_uninterruptible(future, clock() + 60))
    for _ in range(times):
        await asyncio.sleep(0)
        waiting.cancel()
    await asyncio.sleep(0)
    assert not waiting.done()
    assert not future.done()
    future.set_result(None)
    async with asyncio.timeout(30):
        await waiting


async def test_a_stubborn_wait_ends_at_its_deadline_though_cancelled() -> None:
    """
    Cancellation does not put the deadline off.
    """
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    deadline = clock() + 0.05
    waiting = asyncio.create_task(wait_uninterruptible(future, deadline))
    async with asyncio.timeout(30):
        while not waiting.done():
            await asyncio.sleep(0)
            waiting.cancel()

    assert clock() >= deadline
    assert not future.done()


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan")])
def test_timeout_is_a_time(timeout: float) -> None:
    """
    It ends some day, and there is some.
    """
    with pytest.raises(ValidationError, match=r"^timeout: expected "):
        check_timeout(timeout)
    assert check_timeout(0.5) == 0.5
